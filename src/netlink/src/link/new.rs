use std::os::fd::{AsRawFd, BorrowedFd};

use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_route::link::LinkFlags;
use nix::libc::{
    IFLA_ADDRESS, IFLA_GROUP, IFLA_IFNAME, IFLA_INFO_DATA, IFLA_INFO_KIND, IFLA_LINK, IFLA_LINKINFO,
    IFLA_MTU, IFLA_NET_NS_FD, IFLA_TXQLEN, RTM_NEWLINK,
};

use super::encode;
use super::kind::{
    Bond, IFLA_BOND_MODE, IFLA_IPOIB_MODE, IFLA_IPOIB_PKEY, IFLA_IPOIB_UMCAST, IFLA_IPVLAN_FLAGS,
    IFLA_IPVLAN_MODE, IFLA_MACVLAN_BC_QUEUE_LEN, IFLA_MACVLAN_MODE, IFLA_VLAN_ID, IFLA_VLAN_PROTOCOL, Ipoib,
    Ipvlan, Macvlan, Vlan,
};
use crate::body::{self, Body};
use crate::hwaddr::HwAddr;
use crate::message::Request;

/// `VETH_INFO_PEER` (include/uapi/linux/veth.h)
const VETH_INFO_PEER: u16 = 1;

/// A link to be made. All of it goes into one `RTM_NEWLINK`, so that it appears complete where it belongs.
#[derive(Clone, Debug)]
pub struct NewLink<'a> {
    /// Its final name.
    pub name: String,
    /// What it is to be.
    pub kind: NewKind<'a>,
    /// Index of the link it sits on, in the namespace of the socket.
    pub parent: Option<u32>,
    /// Namespace to create it in; `None` for that of the socket.
    pub netns: Option<BorrowedFd<'a>>,
    /// MTU; `None` for that of the parent.
    pub mtu: Option<u32>,
    /// Hardware address; `None` for a random one.
    pub address: Option<HwAddr>,
    /// Group, for [`crate::Rtnetlink::delete_group`].
    pub group: Option<u32>,
    /// Length of the transmit queue.
    pub tx_queue_len: Option<u32>,
    /// Whether it starts up.
    pub up: bool,
}

/// What a new link is to be.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum NewKind<'a> {
    /// Needs `parent`.
    Macvlan(Macvlan),
    /// Needs `parent`.
    Ipvlan(Ipvlan),
    /// Needs `parent`.
    Vlan(Vlan),
    /// Needs `parent`.
    Ipoib(Ipoib),
    /// Starts without ports.
    Bond(Bond),
    /// A pair, whose other end this is.
    Veth(VethPeer<'a>),
    /// A bridge with the kernel's defaults.
    Bridge,
    /// A dummy.
    Dummy,
}

/// The other end of a veth pair. It starts down: the kernel opens no end before the pair is complete.
#[derive(Clone, Debug)]
pub struct VethPeer<'a> {
    /// Its name.
    pub name: String,
    /// Namespace to create it in; `None` for that of the first end.
    pub netns: Option<BorrowedFd<'a>>,
    /// MTU; `None` for the kernel's 1500.
    pub mtu: Option<u32>,
    /// Hardware address; `None` for a random one.
    pub address: Option<HwAddr>,
}

impl VethPeer<'_> {
    /// An end of that name beside the first one, all else left to the kernel.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), netns: None, mtu: None, address: None }
    }
}

impl<'a> NewLink<'a> {
    /// A link of that name and kind, all else left to the kernel.
    pub fn new(name: impl Into<String>, kind: NewKind<'a>) -> Self {
        Self {
            name: name.into(),
            kind,
            parent: None,
            netns: None,
            mtu: None,
            address: None,
            group: None,
            tx_queue_len: None,
            up: false,
        }
    }
}

impl NewKind<'_> {
    /// The kernel's name of the kind, as [`super::LinkKind::name`].
    pub fn name(&self) -> &'static str {
        match self {
            Self::Macvlan(_) => "macvlan",
            Self::Ipvlan(_) => "ipvlan",
            Self::Vlan(_) => "vlan",
            Self::Ipoib(_) => "ipoib",
            Self::Bond(_) => "bond",
            Self::Veth(_) => "veth",
            Self::Bridge => "bridge",
            Self::Dummy => "dummy",
        }
    }

    fn put(&self, info: &mut Vec<u8>) {
        body::text(info, IFLA_INFO_KIND, self.name());
        if !matches!(self, Self::Bridge | Self::Dummy) {
            body::nest(info, IFLA_INFO_DATA, |data| self.put_data(data));
        }
    }

    fn put_data(&self, data: &mut Vec<u8>) {
        match self {
            Self::Macvlan(macvlan) => put_macvlan(data, macvlan),
            Self::Ipvlan(ipvlan) => put_ipvlan(data, ipvlan),
            Self::Vlan(vlan) => put_vlan(data, vlan),
            Self::Ipoib(ipoib) => put_ipoib(data, ipoib),
            Self::Bond(bond) => put_bond(data, bond),
            Self::Veth(peer) => body::nest(data, VETH_INFO_PEER, |link| put_peer(link, peer)),
            Self::Bridge | Self::Dummy => {}
        }
    }
}

fn put_macvlan(data: &mut Vec<u8>, macvlan: &Macvlan) {
    body::u32(data, IFLA_MACVLAN_MODE, macvlan.mode.into());
    if let Some(length) = macvlan.bc_queue_len {
        body::u32(data, IFLA_MACVLAN_BC_QUEUE_LEN, length);
    }
}

fn put_ipvlan(data: &mut Vec<u8>, ipvlan: &Ipvlan) {
    body::u16(data, IFLA_IPVLAN_MODE, ipvlan.mode.into());
    body::u16(data, IFLA_IPVLAN_FLAGS, ipvlan.flags.bits());
}

fn put_vlan(data: &mut Vec<u8>, vlan: &Vlan) {
    body::u16(data, IFLA_VLAN_ID, vlan.id);
    body::u16(data, IFLA_VLAN_PROTOCOL, u16::from(vlan.protocol).to_be());
}

fn put_ipoib(data: &mut Vec<u8>, ipoib: &Ipoib) {
    let fields = [
        (IFLA_IPOIB_PKEY, ipoib.pkey),
        (IFLA_IPOIB_MODE, ipoib.mode.map(Into::into)),
        (IFLA_IPOIB_UMCAST, ipoib.umcast.map(u16::from)),
    ];
    for (kind, field) in fields {
        if let Some(number) = field {
            body::u16(data, kind, number);
        }
    }
}

fn put_bond(data: &mut Vec<u8>, bond: &Bond) {
    body::put(data, IFLA_BOND_MODE, &[bond.mode.into()]);
    for option in &bond.options {
        body::put(data, option.attribute, &option.value);
    }
}

/// The attribute holds a message of its own.
fn put_peer(message: &mut Vec<u8>, peer: &VethPeer<'_>) {
    message.extend_from_slice(&encode::header(0));
    put_end(message, &peer.name, peer.netns, peer.mtu, peer.address);
}

pub(super) fn request(link: &NewLink<'_>, flags: u16) -> Request {
    let flags = NLM_F_CREATE | NLM_F_EXCL | flags;
    Request::new("create link", &link.name, RTM_NEWLINK, flags, &Body(encode(link)))
}

fn encode(link: &NewLink<'_>) -> Vec<u8> {
    let up = if link.up { LinkFlags::Up } else { LinkFlags::empty() };
    let mut message = encode::changing(0, up, up);
    let numbers = [(IFLA_LINK, link.parent), (IFLA_GROUP, link.group), (IFLA_TXQLEN, link.tx_queue_len)];
    for (kind, number) in numbers {
        if let Some(number) = number {
            body::u32(&mut message, kind, number);
        }
    }
    put_end(&mut message, &link.name, link.netns, link.mtu, link.address);
    body::nest(&mut message, IFLA_LINKINFO, |info| link.kind.put(info));
    message
}

/// What both ends of a pair have.
fn put_end(
    message: &mut Vec<u8>,
    name: &str,
    netns: Option<BorrowedFd<'_>>,
    mtu: Option<u32>,
    address: Option<HwAddr>,
) {
    body::text(message, IFLA_IFNAME, name);
    if let Some(netns) = netns {
        body::u32(message, IFLA_NET_NS_FD, netns.as_raw_fd().cast_unsigned());
    }
    if let Some(mtu) = mtu {
        body::u32(message, IFLA_MTU, mtu);
    }
    if let Some(address) = address {
        body::put(message, IFLA_ADDRESS, address.as_bytes());
    }
}
