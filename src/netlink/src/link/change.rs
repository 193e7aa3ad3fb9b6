use std::os::fd::{AsRawFd, BorrowedFd};

use netlink_packet_core::DefaultNla;
use netlink_packet_route::link::{LinkAttribute, LinkFlags, LinkMessage};
use nix::libc::{IFLA_IFALIAS, RTM_SETLINK};

use super::ipv4::{self, Ipv4Conf};
use crate::hwaddr::HwAddr;
use crate::message::Request;

/// Changes to a link that go into one `RTM_SETLINK`; `None` leaves things as they are.
///
/// With `netns`, the link moves, and `name` is its name there. The kernel works through the changes in an order of its
/// own and keeps those it made before one that it refuses.
#[derive(Clone, Debug, Default)]
pub struct LinkChange<'a> {
    /// Name. Without `netns`, many drivers want the link down.
    pub name: Option<String>,
    /// Namespace to move to.
    pub netns: Option<BorrowedFd<'a>>,
    /// MTU
    pub mtu: Option<u32>,
    /// Hardware address
    pub address: Option<HwAddr>,
    /// Up or down
    pub up: Option<bool>,
    /// Promiscuous mode
    pub promisc: Option<bool>,
    /// Reception of all multicast
    pub allmulti: Option<bool>,
    /// Length of the transmit queue
    pub tx_queue_len: Option<u32>,
    /// Group
    pub group: Option<u32>,
    /// Alias; empty removes it
    pub alias: Option<String>,
    /// Bond or bridge to join; 0 leaves it
    pub master: Option<u32>,
    /// IPv4 settings
    pub ipv4: Vec<(Ipv4Conf, u32)>,
}

impl LinkChange<'_> {
    /// Brings a link up.
    pub const UP: Self = LinkChange::state(true);
    /// Takes a link down.
    pub const DOWN: Self = LinkChange::state(false);

    const fn state(up: bool) -> Self {
        Self {
            name: None,
            netns: None,
            mtu: None,
            address: None,
            up: Some(up),
            promisc: None,
            allmulti: None,
            tx_queue_len: None,
            group: None,
            alias: None,
            master: None,
            ipv4: Vec::new(),
        }
    }
}

pub(super) fn request(index: u32, change: &LinkChange<'_>) -> Request {
    let mut message = LinkMessage::default();
    message.header.index = index;
    for (flag, state) in [
        (LinkFlags::Up, change.up),
        (LinkFlags::Promisc, change.promisc),
        (LinkFlags::Allmulti, change.allmulti),
    ] {
        message.header.change_mask.set(flag, state.is_some());
        message.header.flags.set(flag, state == Some(true));
    }
    message.attributes = attributes(change);
    Request::new("change link", describe(index, change), RTM_SETLINK, 0, &message)
}

fn attributes(change: &LinkChange<'_>) -> Vec<LinkAttribute> {
    let optional = [
        change.netns.map(|netns| LinkAttribute::NetNsFd(netns.as_raw_fd())),
        change.name.clone().map(LinkAttribute::IfName),
        change.mtu.map(LinkAttribute::Mtu),
        change.address.map(|address| LinkAttribute::Address(address.as_bytes().to_vec())),
        change.tx_queue_len.map(LinkAttribute::TxQueueLen),
        change.group.map(LinkAttribute::Group),
        // Without a NUL, so that an empty alias is none (net/core/dev.c).
        change
            .alias
            .as_ref()
            .map(|alias| LinkAttribute::Other(DefaultNla::new(IFLA_IFALIAS, alias.clone().into_bytes()))),
        change.master.map(LinkAttribute::Controller),
        (!change.ipv4.is_empty()).then(|| LinkAttribute::Other(ipv4::attribute(&change.ipv4))),
    ];
    optional.into_iter().flatten().collect()
}

/// An errno alone would not tell which of several changes the kernel did not like.
fn describe(index: u32, change: &LinkChange<'_>) -> String {
    let state = change.up.map(|up| if up { "up" } else { "down" }.to_owned());
    let parts = [
        change.name.as_ref().map(|name| format!("name {name}")),
        change.netns.map(|_| "another namespace".to_owned()),
        change.mtu.map(|mtu| format!("mtu {mtu}")),
        change.address.map(|address| format!("address {address}")),
        state,
        change.promisc.map(|on| format!("promisc {on}")),
        change.allmulti.map(|on| format!("allmulti {on}")),
        change.tx_queue_len.map(|length| format!("txqueuelen {length}")),
        change.group.map(|group| format!("group {group}")),
        change.alias.as_ref().map(|alias| format!("alias {alias:?}")),
        change.master.map(|master| format!("master {master}")),
    ];
    let settings = change.ipv4.iter().map(|(setting, value)| format!("{setting} {value}"));
    let parts: Vec<String> = parts.into_iter().flatten().chain(settings).collect();
    format!("{index} ({})", parts.join(", "))
}
