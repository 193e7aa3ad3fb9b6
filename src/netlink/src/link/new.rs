use std::os::fd::{AsRawFd, BorrowedFd};

use netlink_packet_core::{DefaultNla, NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_route::link::{
    InfoBond, InfoData, InfoIpVlan, InfoIpoib, InfoKind, InfoMacVlan, InfoVeth, InfoVlan, LinkAttribute,
    LinkFlags, LinkInfo, LinkMessage,
};
use nix::libc::RTM_NEWLINK;

use super::kind::{Bond, BondOption, Ipoib, Ipvlan, Macvlan, Vlan};
use crate::hwaddr::HwAddr;
use crate::message::Request;

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
    /// Group, for [`crate::Route::delete_group`].
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

    fn info(&self) -> Vec<LinkInfo> {
        let (kind, data) = match self {
            Self::Macvlan(macvlan) => (InfoKind::MacVlan, Some(InfoData::MacVlan(macvlan_info(macvlan)))),
            Self::Ipvlan(ipvlan) => (InfoKind::IpVlan, Some(InfoData::IpVlan(ipvlan_info(ipvlan)))),
            Self::Vlan(vlan) => (InfoKind::Vlan, Some(InfoData::Vlan(vlan_info(vlan)))),
            Self::Ipoib(ipoib) => (InfoKind::Ipoib, Some(InfoData::Ipoib(ipoib_info(ipoib)))),
            Self::Bond(bond) => (InfoKind::Bond, Some(InfoData::Bond(bond_info(bond)))),
            Self::Veth(peer) => (InfoKind::Veth, Some(InfoData::Veth(InfoVeth::Peer(peer_message(peer))))),
            Self::Bridge => (InfoKind::Bridge, None),
            Self::Dummy => (InfoKind::Dummy, None),
        };
        let mut info = vec![LinkInfo::Kind(kind)];
        info.extend(data.map(LinkInfo::Data));
        info
    }
}

fn macvlan_info(macvlan: &Macvlan) -> Vec<InfoMacVlan> {
    let mut info = vec![InfoMacVlan::Mode(macvlan.mode)];
    info.extend(macvlan.bc_queue_len.map(InfoMacVlan::BcQueueLen));
    info
}

fn ipvlan_info(ipvlan: &Ipvlan) -> Vec<InfoIpVlan> {
    vec![InfoIpVlan::Mode(ipvlan.mode), InfoIpVlan::Flags(ipvlan.flags)]
}

fn vlan_info(vlan: &Vlan) -> Vec<InfoVlan> {
    vec![InfoVlan::Id(vlan.id), InfoVlan::Protocol(vlan.protocol)]
}

fn ipoib_info(ipoib: &Ipoib) -> Vec<InfoIpoib> {
    let optional = [
        ipoib.pkey.map(InfoIpoib::Pkey),
        ipoib.mode.map(InfoIpoib::Mode),
        ipoib.umcast.map(|on| InfoIpoib::UmCast(on.into())),
    ];
    optional.into_iter().flatten().collect()
}

fn bond_info(bond: &Bond) -> Vec<InfoBond> {
    let mut info = vec![InfoBond::Mode(bond.mode)];
    let other =
        |option: &BondOption| InfoBond::Other(DefaultNla::new(option.attribute, option.value.clone()));
    info.extend(bond.options.iter().map(other));
    info
}

fn peer_message(peer: &VethPeer<'_>) -> LinkMessage {
    let mut message = LinkMessage::default();
    let optional = [
        peer.netns.map(|netns| LinkAttribute::NetNsFd(netns.as_raw_fd())),
        peer.mtu.map(LinkAttribute::Mtu),
        peer.address.map(|address| LinkAttribute::Address(address.as_bytes().to_vec())),
    ];
    message.attributes = vec![LinkAttribute::IfName(peer.name.clone())];
    message.attributes.extend(optional.into_iter().flatten());
    message
}

pub(super) fn request(link: &NewLink<'_>, flags: u16) -> Request {
    Request::new("create link", &link.name, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL | flags, &encode(link))
}

fn encode(link: &NewLink<'_>) -> LinkMessage {
    let mut message = LinkMessage::default();
    if link.up {
        message.header.flags = LinkFlags::Up;
        message.header.change_mask = LinkFlags::Up;
    }
    let optional = [
        link.parent.map(LinkAttribute::Link),
        link.netns.map(|netns| LinkAttribute::NetNsFd(netns.as_raw_fd())),
        link.mtu.map(LinkAttribute::Mtu),
        link.address.map(|address| LinkAttribute::Address(address.as_bytes().to_vec())),
        link.group.map(LinkAttribute::Group),
        link.tx_queue_len.map(LinkAttribute::TxQueueLen),
    ];
    message.attributes = vec![LinkAttribute::IfName(link.name.clone())];
    message.attributes.extend(optional.into_iter().flatten());
    message.attributes.push(LinkAttribute::LinkInfo(link.kind.info()));
    message
}
