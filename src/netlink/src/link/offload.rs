//! What is done to packets before and beside the stack: XDP programs, and how large the stack builds packets.

use std::fmt;

use netlink_packet_core::NLA_F_NESTED;
use nix::libc::{IFLA_XDP, RTM_SETLINK};
use serde::{Deserialize, Serialize};

use super::encode;
use crate::attr::Attribute;
use crate::body::{self, Body};
use crate::message::Request;

// include/uapi/linux/if_link.h; some are younger than the C library's list.
const IFLA_GSO_MAX_SEGS: u16 = 40;
const IFLA_GSO_MAX_SIZE: u16 = 41;
const IFLA_GRO_MAX_SIZE: u16 = 58;
const IFLA_TSO_MAX_SIZE: u16 = 59;
const IFLA_TSO_MAX_SEGS: u16 = 60;
const IFLA_GSO_IPV4_MAX_SIZE: u16 = 63;
const IFLA_GRO_IPV4_MAX_SIZE: u16 = 64;
const IFLA_XDP_FD: u16 = 1;
const IFLA_XDP_FLAGS: u16 = 3;

/// `GSO_LEGACY_MAX_SIZE`, `GRO_LEGACY_MAX_SIZE` (`include/linux/netdevice.h`)
const LEGACY_SIZE: u32 = 65536;
/// `GSO_MAX_SEGS`
const MOST_SEGMENTS: u32 = 65535;

/// How large the stack builds packets for a link, and puts them together. `None` is unknown to the kernel, or left alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[expect(missing_docs, reason = "the names are ip's")]
pub struct Limits {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gso_max_size: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gso_max_segs: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gro_max_size: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gso_ipv4_max_size: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gro_ipv4_max_size: Option<u32>,
    /// The driver's: nobody can set it.
    #[serde(skip)]
    pub tso_max_size: Option<u32>,
    /// The driver's.
    #[serde(skip)]
    pub tso_max_segs: Option<u32>,
}

/// A way to attach an XDP program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum XdpMode {
    /// In the stack: any link can.
    Generic,
    /// In the driver.
    Driver,
    /// In the NIC.
    Offload,
}

impl XdpMode {
    const ALL: [Self; 3] = [Self::Generic, Self::Driver, Self::Offload];

    /// `IFLA_XDP_*_PROG_ID`
    fn program(self) -> u16 {
        match self {
            Self::Driver => 5,
            Self::Generic => 6,
            Self::Offload => 7,
        }
    }

    /// `XDP_FLAGS_*_MODE`
    fn flag(self) -> u32 {
        match self {
            Self::Generic => 1 << 1,
            Self::Driver => 1 << 2,
            Self::Offload => 1 << 3,
        }
    }
}

/// As `ip` calls them.
impl fmt::Display for XdpMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Generic => "xdpgeneric",
            Self::Driver => "xdpdrv",
            Self::Offload => "xdpoffload",
        })
    }
}

/// Those in which a program is attached.
pub(super) fn xdp(attached: Attribute<'_>) -> Vec<XdpMode> {
    let has = |mode: &XdpMode| attached.nested().any(|attribute| attribute.kind == mode.program());
    XdpMode::ALL.into_iter().filter(has).collect()
}

pub(super) fn detach(index: u32, mode: XdpMode) -> Request {
    let mut message = encode::header(index);
    body::nest(&mut message, IFLA_XDP | NLA_F_NESTED, |xdp| {
        // No program: -1 in the place of its descriptor.
        body::u32(xdp, IFLA_XDP_FD, u32::MAX);
        body::u32(xdp, IFLA_XDP_FLAGS, mode.flag());
    });
    let object = format!("{mode} program of link {index}");
    Request::about("detach", object, RTM_SETLINK, 0, &Body(message))
}

impl Limits {
    pub(super) fn read(&mut self, attribute: Attribute<'_>) {
        let place = match attribute.kind {
            IFLA_GSO_MAX_SIZE => &mut self.gso_max_size,
            IFLA_GSO_MAX_SEGS => &mut self.gso_max_segs,
            IFLA_GRO_MAX_SIZE => &mut self.gro_max_size,
            IFLA_GSO_IPV4_MAX_SIZE => &mut self.gso_ipv4_max_size,
            IFLA_GRO_IPV4_MAX_SIZE => &mut self.gro_ipv4_max_size,
            IFLA_TSO_MAX_SIZE => &mut self.tso_max_size,
            IFLA_TSO_MAX_SEGS => &mut self.tso_max_segs,
            _ => return,
        };
        *place = attribute.u32();
    }

    /// After those that the kernel derives others from.
    pub(super) fn put(self, message: &mut Vec<u8>) {
        for (kind, limit) in [
            (IFLA_GSO_MAX_SIZE, self.gso_max_size),
            (IFLA_GSO_MAX_SEGS, self.gso_max_segs),
            (IFLA_GRO_MAX_SIZE, self.gro_max_size),
            (IFLA_GSO_IPV4_MAX_SIZE, self.gso_ipv4_max_size),
            (IFLA_GRO_IPV4_MAX_SIZE, self.gro_ipv4_max_size),
        ] {
            if let Some(limit) = limit {
                body::u32(message, kind, limit);
            }
        }
    }

    /// As the kernel begins with a link of such a driver.
    #[must_use]
    pub fn initial(self) -> Self {
        let size = |now: Option<u32>| now.map(|_| self.tso_max_size.unwrap_or(LEGACY_SIZE).min(LEGACY_SIZE));
        Self {
            gso_max_size: size(self.gso_max_size),
            gso_max_segs: self
                .gso_max_segs
                .map(|_| self.tso_max_segs.unwrap_or(MOST_SEGMENTS).min(MOST_SEGMENTS)),
            gro_max_size: self.gro_max_size.map(|_| LEGACY_SIZE),
            gso_ipv4_max_size: size(self.gso_ipv4_max_size),
            gro_ipv4_max_size: self.gro_ipv4_max_size.map(|_| LEGACY_SIZE),
            ..self
        }
    }

    /// What has to change for `now` to become this: all of them, since setting one may move another.
    #[must_use]
    pub fn change(self, now: Self) -> Self {
        let wanted = Self { tso_max_size: None, tso_max_segs: None, ..self };
        if wanted == (Self { tso_max_size: None, tso_max_segs: None, ..now }) {
            Self::default()
        } else {
            wanted
        }
    }
}
