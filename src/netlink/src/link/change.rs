use std::fmt;
use std::os::fd::{AsRawFd, BorrowedFd};

use netlink_packet_route::link::LinkFlags;
use nix::libc::{
    IFLA_ADDRESS, IFLA_GROUP, IFLA_IFALIAS, IFLA_IFNAME, IFLA_LINKMODE, IFLA_MASTER, IFLA_MTU,
    IFLA_NET_NS_FD, IFLA_TXQLEN, RTM_SETLINK,
};

use super::encode;
use super::ipv4::{self, Ipv4Conf};
use super::offload::Limits;
use crate::body::{self, Body};
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
    /// How large the stack builds packets
    pub limits: Limits,
    /// `IFLA_LINKMODE`: 0 default, 1 dormant
    pub link_mode: Option<u8>,
    /// Further flags, those of the second set to what they are in the first: ARP, multicast and the like
    pub flags: Option<(LinkFlags, LinkFlags)>,
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

    /// Whether nothing is to change where the link is.
    pub fn is_empty(&self) -> bool {
        self.parts().is_empty()
    }

    /// In words; the namespace left out.
    fn parts(&self) -> Vec<String> {
        let parts = [
            self.name.as_ref().map(|name| format!("name {name}")),
            self.mtu.map(|mtu| format!("mtu {mtu}")),
            self.address.map(|address| format!("address {address}")),
            self.up.map(|up| if up { "up" } else { "down" }.to_owned()),
            self.promisc.map(|on| format!("promisc {on}")),
            self.allmulti.map(|on| format!("allmulti {on}")),
            self.tx_queue_len.map(|length| format!("txqueuelen {length}")),
            (self.limits != Limits::default()).then(|| format!("{:?}", self.limits)),
            self.link_mode.map(|mode| format!("mode {mode}")),
            self.flags.map(|(flags, mask)| format!("flags {:#x} of {:#x}", flags.bits(), mask.bits())),
            self.group.map(|group| format!("group {group}")),
            self.alias.as_ref().map(|alias| format!("alias {alias:?}")),
            self.master.map(|master| format!("master {master}")),
        ];
        let settings = self.ipv4.iter().map(|(setting, value)| format!("{setting} {value}"));
        parts.into_iter().flatten().chain(settings).collect()
    }

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
            limits: Limits {
                gso_max_size: None,
                gso_max_segs: None,
                gro_max_size: None,
                gso_ipv4_max_size: None,
                gro_ipv4_max_size: None,
                tso_max_size: None,
                tso_max_segs: None,
            },
            link_mode: None,
            flags: None,
            group: None,
            alias: None,
            master: None,
            ipv4: Vec::new(),
        }
    }
}

pub(super) fn request(index: u32, change: &LinkChange<'_>) -> Request {
    let (flags, mut mask) = change.flags.unwrap_or((LinkFlags::empty(), LinkFlags::empty()));
    let mut flags = flags & mask;
    for (flag, state) in [
        (LinkFlags::Up, change.up),
        (LinkFlags::Promisc, change.promisc),
        (LinkFlags::Allmulti, change.allmulti),
    ] {
        if let Some(on) = state {
            mask.insert(flag);
            flags.set(flag, on);
        }
    }
    let mut message = encode::changing(index, flags, mask);
    put(&mut message, change);
    let kept = LinkChange { netns: None, ..change.clone() };
    let object = Described { index, change: kept, moves: change.netns.is_some() };
    Request::about("change link", object, RTM_SETLINK, 0, &Body(message))
}

fn put(message: &mut Vec<u8>, change: &LinkChange<'_>) {
    let numbers = [
        (IFLA_NET_NS_FD, change.netns.map(|netns| netns.as_raw_fd().cast_unsigned())),
        (IFLA_MTU, change.mtu),
        (IFLA_TXQLEN, change.tx_queue_len),
        (IFLA_GROUP, change.group),
        (IFLA_MASTER, change.master),
    ];
    for (kind, number) in numbers {
        if let Some(number) = number {
            body::u32(message, kind, number);
        }
    }
    change.limits.put(message);
    if let Some(mode) = change.link_mode {
        body::put(message, IFLA_LINKMODE, &[mode]);
    }
    if let Some(name) = &change.name {
        body::text(message, IFLA_IFNAME, name);
    }
    if let Some(address) = change.address {
        body::put(message, IFLA_ADDRESS, address.as_bytes());
    }
    // Without a NUL, so that an empty alias is none (net/core/dev.c).
    if let Some(alias) = &change.alias {
        body::put(message, IFLA_IFALIAS, alias.as_bytes());
    }
    ipv4::put(message, &change.ipv4);
}

/// An errno alone would not tell which of several changes the kernel did not like.
struct Described {
    index: u32,
    change: LinkChange<'static>,
    moves: bool,
}

impl fmt::Display for Described {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let moves = self.moves.then(|| "another namespace".to_owned());
        let parts: Vec<String> = moves.into_iter().chain(self.change.parts()).collect();
        write!(f, "{} ({})", self.index, parts.join(", "))
    }
}
