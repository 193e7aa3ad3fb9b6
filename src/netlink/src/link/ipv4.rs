//! IPv4 settings of a link, by `IFLA_AF_SPEC`: what /proc/sys/net/ipv4/conf/LINK holds, without entering the namespace
//! (`inet_set_link_af` in net/ipv4/devinet.c).

use std::fmt;

use netlink_packet_core::NLA_F_NESTED;
use nix::libc::IFLA_AF_SPEC;

use crate::attr::{Attribute, u32_at};
use crate::body;

/// `IFLA_INET_CONF`
const CONF: u16 = 1;
/// `AF_INET`
const INET: u16 = 2;

/// A setting, by its number (`IPV4_DEVCONF_*` in include/uapi/linux/ip.h).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub enum Ipv4Conf {
    /// `rp_filter`: 1 drops what would not be answered by the link it came in by, 2 what could not be answered at all.
    RpFilter = 8,
    /// `arp_announce`: 2 asks with an address of the link itself.
    ArpAnnounce = 18,
    /// `arp_ignore`: 1 answers for addresses of the link itself only.
    ArpIgnore = 19,
    /// `arp_notify`: 1 announces the addresses when the link comes up or gets its hardware address.
    ArpNotify = 22,
}

impl Ipv4Conf {
    /// Those that a [`Link`](super::Link) has.
    pub(super) const ALL: [Self; 3] = [Self::RpFilter, Self::ArpAnnounce, Self::ArpIgnore];
}

/// As the file below /proc is called.
impl fmt::Display for Ipv4Conf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::RpFilter => "rp_filter",
            Self::ArpAnnounce => "arp_announce",
            Self::ArpIgnore => "arp_ignore",
            Self::ArpNotify => "arp_notify",
        })
    }
}

pub(super) fn put(message: &mut Vec<u8>, settings: &[(Ipv4Conf, u32)]) {
    if settings.is_empty() {
        return;
    }
    body::nest(message, IFLA_AF_SPEC | NLA_F_NESTED, |families| {
        body::nest(families, INET | NLA_F_NESTED, |inet| {
            body::nest(inet, CONF | NLA_F_NESTED, |conf| {
                for &(setting, value) in settings {
                    body::u32(conf, setting as u16, value);
                }
            });
        });
    });
}

/// Of a listing, where the values stand one after another, the first being number 1.
pub(super) fn read(specs: Attribute<'_>) -> Option<[u32; 3]> {
    let of_inet = specs.nested().find(|spec| spec.kind == INET)?;
    let conf = of_inet.nested().find(|attribute| attribute.kind == CONF)?;
    let mut values = [0; 3];
    for (value, setting) in values.iter_mut().zip(Ipv4Conf::ALL) {
        *value = u32_at(conf.value, (setting as usize - 1) * size_of::<u32>())?;
    }
    Some(values)
}
