//! IPv4 settings of a link, by `IFLA_AF_SPEC`: what /proc/sys/net/ipv4/conf/LINK holds, without entering the namespace
//! (`inet_set_link_af` in net/ipv4/devinet.c).

use std::fmt;

use netlink_packet_core::{DefaultNla, NLA_F_NESTED};
use nix::libc::IFLA_AF_SPEC;

use crate::attr::{Attribute, u32_at};

/// `IFLA_INET_CONF`
const CONF: u16 = 1;
/// `AF_INET`
const INET: u16 = 2;
const HEADER: usize = 4;

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
}

impl Ipv4Conf {
    pub(super) const ALL: [Self; 3] = [Self::RpFilter, Self::ArpAnnounce, Self::ArpIgnore];
}

/// As the file below /proc is called.
impl fmt::Display for Ipv4Conf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::RpFilter => "rp_filter",
            Self::ArpAnnounce => "arp_announce",
            Self::ArpIgnore => "arp_ignore",
        })
    }
}

pub(super) fn attribute(settings: &[(Ipv4Conf, u32)]) -> DefaultNla {
    let values: Vec<u8> =
        settings.iter().flat_map(|&(setting, value)| nla(setting as u16, &value.to_ne_bytes())).collect();
    let conf = nla(CONF | NLA_F_NESTED, &values);
    DefaultNla::new(IFLA_AF_SPEC | NLA_F_NESTED, nla(INET | NLA_F_NESTED, &conf))
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

/// `value` is a multiple of four bytes long.
fn nla(kind: u16, value: &[u8]) -> Vec<u8> {
    let length = u16::try_from(HEADER + value.len()).unwrap_or(u16::MAX);
    [&length.to_ne_bytes(), &kind.to_ne_bytes(), value].concat()
}
