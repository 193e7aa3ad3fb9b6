use std::fmt;
use std::net::{IpAddr, Ipv4Addr};

use ipnet::IpNet;
use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE};
pub use netlink_packet_route::address::AddressFlags;
use netlink_packet_route::address::{AddressAttribute, AddressHeaderFlags, AddressMessage};
use nix::libc::{
    IFA_ADDRESS, IFA_BROADCAST, IFA_FLAGS, IFA_LABEL, IFA_LOCAL, RTM_DELADDR, RTM_GETADDR, RTM_NEWADDR,
};

use crate::attr::{Attributes, u32_at};
use crate::batch::Batch;
use crate::error::Error;
use crate::handle::{Family, Rtnetlink};
use crate::message::{Message, Request};

const HEADER: usize = 8;
// Not in the C library yet (include/uapi/linux/if_addr.h).
const IFA_RT_PRIORITY: u16 = 9;
const IFA_PROTO: u16 = 11;

/// An address of a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// The link.
    pub index: u32,
    /// Address and prefix length, as in `10.1.0.2/24`.
    pub net: IpNet,
    /// The other end of a point-to-point link.
    pub peer: Option<IpAddr>,
    /// IPv4 only.
    pub broadcast: Option<Ipv4Addr>,
    /// `RT_SCOPE_*`, see [`crate::scope`].
    pub scope: u8,
    /// IPv4 only: the name that old tools see.
    pub label: Option<String>,
    /// `IFA_F_*`
    pub flags: AddressFlags,
    /// Who added it (`IFA_PROTO`, Linux 5.18); older kernels ignore it.
    pub protocol: Option<u8>,
    /// Metric of the connected route.
    pub metric: Option<u32>,
}

impl Address {
    /// An address of global scope without flags.
    pub fn new(index: u32, net: IpNet) -> Self {
        Self {
            index,
            net,
            peer: None,
            broadcast: None,
            scope: crate::scope::UNIVERSE,
            label: None,
            flags: AddressFlags::empty(),
            protocol: None,
            metric: None,
        }
    }

    /// Duplicate address detection has not finished, so the address is not usable yet.
    pub fn is_tentative(&self) -> bool {
        self.flags.contains(AddressFlags::Tentative)
            && !self.flags.intersects(AddressFlags::Dadfailed | AddressFlags::Optimistic)
    }

    /// Somebody else has the address.
    pub fn is_duplicate(&self) -> bool {
        self.flags.contains(AddressFlags::Dadfailed)
    }
}

impl Rtnetlink {
    /// Adds an address; [`Error::is_exists`] if the link has it.
    pub fn add_address(&mut self, address: &Address) -> Result<(), Error> {
        self.execute(&add(address))
    }

    /// Adds an address, or changes flags, metric and protocol of the one that is there.
    pub fn replace_address(&mut self, address: &Address) -> Result<(), Error> {
        self.execute(&replace(address))
    }

    /// Removes an address; [`Error::is_gone`] if the link does not have it.
    pub fn delete_address(&mut self, address: &Address) -> Result<(), Error> {
        self.execute(&delete(address))
    }

    /// The addresses of one link, or of all.
    pub fn addresses(&mut self, index: Option<u32>) -> Result<Vec<Address>, Error> {
        let mut message = AddressMessage::default();
        message.header.index = index.unwrap_or_default();
        let object = index.map_or_else(|| "of all links".to_owned(), |index| format!("of link {index}"));
        let request = Request::new("list addresses", object, RTM_GETADDR, 0, &message);
        match self.dump(&request, decode) {
            // The link has gone, and its addresses with it.
            Err(error) if error.is_gone() => Ok(Vec::new()),
            other => other,
        }
    }
}

impl Batch<'_> {
    /// See [`Rtnetlink::add_address`].
    pub fn add_address(&mut self, address: &Address) -> &mut Self {
        self.push(add(address))
    }

    /// See [`Rtnetlink::replace_address`].
    pub fn replace_address(&mut self, address: &Address) -> &mut Self {
        self.push(replace(address))
    }

    /// See [`Rtnetlink::delete_address`].
    pub fn delete_address(&mut self, address: &Address) -> &mut Self {
        self.push(delete(address))
    }
}

struct OnLink {
    net: IpNet,
    index: u32,
}

impl fmt::Display for OnLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} on link {}", self.net, self.index)
    }
}

fn add(address: &Address) -> Request {
    request("add address", address, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL)
}

fn replace(address: &Address) -> Request {
    request("replace address", address, RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE)
}

fn delete(address: &Address) -> Request {
    request("delete address", address, RTM_DELADDR, 0)
}

fn request(operation: &'static str, address: &Address, kind: u16, flags: u16) -> Request {
    let object = OnLink { net: address.net, index: address.index };
    Request::about(operation, object, kind, flags, &encode(address))
}

fn encode(address: &Address) -> AddressMessage {
    let mut message = AddressMessage::default();
    let header = &mut message.header;
    header.family = Family::from(address.net.addr()).into();
    header.prefix_len = address.net.prefix_len();
    header.scope = address.scope.into();
    header.index = address.index;
    header.flags = AddressHeaderFlags::from_bits_truncate(low_byte(address.flags));
    let local = address.net.addr();
    message.attributes =
        vec![AddressAttribute::Local(local), AddressAttribute::Address(address.peer.unwrap_or(local))];
    message.attributes.extend(optional(address));
    message
}

fn optional(address: &Address) -> impl Iterator<Item = AddressAttribute> {
    // The header has room for the first eight flags.
    let flags = (address.flags.bits() > 0xff).then_some(AddressAttribute::Flags(address.flags));
    [
        address.broadcast.map(AddressAttribute::Broadcast),
        address.label.clone().map(AddressAttribute::Label),
        flags,
        address.metric.map(AddressAttribute::RoutePriority),
        address.protocol.map(|protocol| AddressAttribute::Protocol(protocol.into())),
    ]
    .into_iter()
    .flatten()
}

fn low_byte(flags: AddressFlags) -> u8 {
    flags.bits().to_le_bytes()[0]
}

pub(crate) fn decode(message: &Message<'_>) -> Option<Address> {
    if !matches!(message.kind, RTM_NEWADDR | RTM_DELADDR) {
        return None;
    }
    let &[_, prefix_len, flags, scope, ..] = message.payload else { return None };
    let mut address = Address::new(u32_at(message.payload, 4)?, IpNet::default());
    address.scope = scope;
    address.flags = AddressFlags::from_bits_retain(u32::from(flags));
    let (mut local, mut remote) = (None, None);
    for attribute in Attributes(message.payload.get(HEADER..)?) {
        match attribute.kind {
            IFA_LOCAL => local = attribute.ip(),
            IFA_ADDRESS => remote = attribute.ip(),
            IFA_BROADCAST => address.broadcast = attribute.u32().map(|raw| Ipv4Addr::from(raw.to_ne_bytes())),
            IFA_LABEL => address.label = Some(attribute.string()),
            IFA_FLAGS => address.flags = AddressFlags::from_bits_retain(attribute.u32()?),
            IFA_PROTO => address.protocol = attribute.u8(),
            IFA_RT_PRIORITY => address.metric = attribute.u32(),
            _ => {}
        }
    }
    // IPv6 gives IFA_LOCAL only with a peer.
    let own = local.or(remote)?;
    address.peer = remote.filter(|&remote| remote != own);
    address.net = IpNet::new(own, prefix_len).ok()?;
    Some(address)
}

#[cfg(test)]
mod tests;
