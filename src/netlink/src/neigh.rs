use std::net::IpAddr;

use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE};
pub use netlink_packet_route::neighbour::NeighbourState;
use netlink_packet_route::neighbour::{NeighbourAttribute, NeighbourFlags, NeighbourMessage};
use nix::libc::{NDA_DST, NDA_LLADDR, RTM_DELNEIGH, RTM_GETNEIGH, RTM_NEWNEIGH};

use crate::attr::{Attributes, u16_at, u32_at};
use crate::batch::Batch;
use crate::error::Error;
use crate::handle::{Family, Rtnetlink};
use crate::hwaddr::HwAddr;
use crate::message::{Message, Request};

const HEADER: usize = 12;
// Not in the C library yet (include/uapi/linux/neighbour.h).
const NDA_PROTOCOL: u16 = 12;

/// An entry of the ARP or NDP table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Neighbour {
    /// The link.
    pub index: u32,
    /// Who is asked for.
    pub ip: IpAddr,
    /// Where it is; `None` while it is not resolved.
    pub address: Option<HwAddr>,
    /// `NUD_*`
    pub state: NeighbourState,
    /// Who added it (`RTPROT_*`, Linux 5.2).
    pub protocol: Option<u8>,
}

impl Neighbour {
    /// An entry that stays until it is deleted.
    pub fn permanent(index: u32, ip: IpAddr, address: HwAddr) -> Self {
        Self { index, ip, address: Some(address), state: NeighbourState::Permanent, protocol: None }
    }

    /// Whether the kernel has heard from it, or was told where it is, and has not given it up since.
    pub fn is_known(&self) -> bool {
        let asking =
            [NeighbourState::None, NeighbourState::Incomplete, NeighbourState::Failed].contains(&self.state);
        self.address.is_some() && !asking
    }
}

impl Rtnetlink {
    /// Adds an entry; [`Error::is_exists`] if there is one for that address.
    pub fn add_neighbour(&mut self, neighbour: &Neighbour) -> Result<(), Error> {
        self.execute(&add(neighbour))
    }

    /// Adds an entry in place of the one for that address, if there is one.
    pub fn replace_neighbour(&mut self, neighbour: &Neighbour) -> Result<(), Error> {
        self.execute(&replace(neighbour))
    }

    /// Deletes the entry for that address; [`Error::is_gone`] if there is none.
    pub fn delete_neighbour(&mut self, index: u32, ip: IpAddr) -> Result<(), Error> {
        self.execute(&delete(index, ip))
    }

    /// The entries of one link, or of all, for both families.
    pub fn neighbours(&mut self, index: Option<u32>) -> Result<Vec<Neighbour>, Error> {
        let mut message = NeighbourMessage::default();
        // The strict check wants the link as an attribute, not in the header (net/core/neighbour.c).
        message.attributes = index.map(NeighbourAttribute::IfIndex).into_iter().collect();
        let object = index.map_or_else(|| "of all links".to_owned(), |index| format!("of link {index}"));
        self.dump(&Request::new("list neighbours", object, RTM_GETNEIGH, 0, &message), decode)
    }
}

impl Batch<'_> {
    /// See [`Rtnetlink::add_neighbour`].
    pub fn add_neighbour(&mut self, neighbour: &Neighbour) -> &mut Self {
        self.push(add(neighbour))
    }

    /// See [`Rtnetlink::replace_neighbour`].
    pub fn replace_neighbour(&mut self, neighbour: &Neighbour) -> &mut Self {
        self.push(replace(neighbour))
    }

    /// Has the kernel look for the neighbour, as if there were a packet for it (`NTF_USE`): with ARP or NDP, whatever
    /// the link. An entry that exists already is used as it is.
    pub fn resolve_neighbour(&mut self, index: u32, ip: IpAddr) -> &mut Self {
        self.push(resolve(index, ip))
    }

    /// See [`Rtnetlink::delete_neighbour`].
    pub fn delete_neighbour(&mut self, index: u32, ip: IpAddr) -> &mut Self {
        self.push(delete(index, ip))
    }
}

fn add(neighbour: &Neighbour) -> Request {
    request("add neighbour", neighbour, NLM_F_CREATE | NLM_F_EXCL)
}

fn replace(neighbour: &Neighbour) -> Request {
    request("replace neighbour", neighbour, NLM_F_CREATE | NLM_F_REPLACE)
}

fn request(operation: &'static str, neighbour: &Neighbour, flags: u16) -> Request {
    let mut message = header(neighbour.index, neighbour.ip);
    message.header.state = neighbour.state;
    let address = neighbour.address.map(|address| address.as_bytes().to_vec());
    message.attributes.extend(address.map(NeighbourAttribute::LinkLayerAddress));
    message
        .attributes
        .extend(neighbour.protocol.map(|protocol| NeighbourAttribute::Protocol(protocol.into())));
    Request::new(operation, describe(neighbour.index, neighbour.ip), RTM_NEWNEIGH, flags, &message)
}

fn resolve(index: u32, ip: IpAddr) -> Request {
    let mut message = header(index, ip);
    message.header.flags = NeighbourFlags::Use;
    let flags = NLM_F_CREATE | NLM_F_REPLACE;
    Request::new("resolve neighbour", describe(index, ip), RTM_NEWNEIGH, flags, &message)
}

fn delete(index: u32, ip: IpAddr) -> Request {
    Request::new("delete neighbour", describe(index, ip), RTM_DELNEIGH, 0, &header(index, ip))
}

fn header(index: u32, ip: IpAddr) -> NeighbourMessage {
    let mut message = NeighbourMessage::default();
    message.header.family = Family::from(ip).into();
    message.header.ifindex = index;
    message.attributes = vec![NeighbourAttribute::Destination(ip.into())];
    message
}

fn describe(index: u32, ip: IpAddr) -> String {
    format!("{ip} on link {index}")
}

pub(crate) fn decode(message: &Message<'_>) -> Option<Neighbour> {
    if !matches!(message.kind, RTM_NEWNEIGH | RTM_DELNEIGH) {
        return None;
    }
    let (mut ip, mut address, mut protocol) = (None, None, None);
    for attribute in Attributes(message.payload.get(HEADER..)?) {
        match attribute.kind {
            NDA_DST => ip = attribute.ip(),
            NDA_LLADDR => address = HwAddr::new(attribute.value),
            NDA_PROTOCOL => protocol = attribute.u8(),
            _ => {}
        }
    }
    let state = u16_at(message.payload, 8)?.into();
    Some(Neighbour { index: u32_at(message.payload, 4)?, ip: ip?, address, state, protocol })
}

#[cfg(test)]
mod tests;
