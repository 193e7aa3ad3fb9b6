//! Data Center Bridging of a link (`RTM_GETDCB`, `RTM_SETDCB`): priority flow control, which DSCP is which priority,
//! and what each class has of line and memory.

mod classes;
#[cfg(test)]
mod tests;

use netlink_packet_core::NLA_F_NESTED;
use nix::errno::Errno;

pub use classes::{Buffers, Ets};

use crate::attr::{Attribute, Attributes, u16_at, u64_at};
use crate::body::{self, Body};
use crate::error::{Error, Refusal};
use crate::handle::Rtnetlink;
use crate::message::{Message, Request};

// include/uapi/linux/rtnetlink.h
const RTM_GETDCB: u16 = 78;
const RTM_SETDCB: u16 = 79;

// include/uapi/linux/dcbnl.h
const IEEE_SET: u8 = 20;
const IEEE_GET: u8 = 21;
const IEEE_DEL: u8 = 27;
const ATTR_IFNAME: u16 = 1;
const ATTR_IEEE: u16 = 13;
const ATTR_DCBX: u16 = 14;
const IEEE_PFC: u16 = 2;
const IEEE_APP_TABLE: u16 = 3;
const IEEE_APP: u16 = 1;
const SELECTOR_DSCP: u8 = 5;
/// `DCB_CAP_DCBX_LLD_MANAGED`
const FIRMWARE_MANAGES: u8 = 2;
/// `struct dcbmsg`
const HEADER: usize = 4;
/// `struct ieee_pfc` up to its counters, and whole.
const PFC_COUNTERS: usize = 8;
const PFC: usize = PFC_COUNTERS + 2 * 8 * 8;

/// What a port does with priorities.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dcb {
    /// Priority flow control; `None` where the driver has none.
    pub pfc: Option<Pfc>,
    /// Pause frames since the driver began; of all priorities zero where it does not count them.
    pub frames: PfcFrames,
    /// How traffic classes share the line; `None` where the driver has nothing to set.
    pub ets: Option<Ets>,
    /// Memory of priorities; `None` where the driver has nothing to set.
    pub buffers: Option<Buffers>,
    /// The DSCP map. A driver such as mlx5 trusts DSCPs while it has an entry.
    pub dscp: Vec<DscpPriority>,
    /// `DCB_CAP_DCBX_*`
    pub dcbx: Option<u8>,
}

/// Priority flow control (`struct ieee_pfc`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pfc {
    /// How many priorities can pause.
    pub capability: u8,
    /// Those that do, a bit each.
    pub enabled: u8,
    /// `MACsec` bypass capability.
    pub mbc: u8,
    /// Allowance for what is under way, in bits.
    pub delay: u16,
}

/// Pause frames of priority flow control, by priority.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PfcFrames {
    /// Sent: this host stops the network.
    pub sent: [u64; 8],
    /// Received: the network stops this host.
    pub received: [u64; 8],
}

/// One entry of the DSCP map.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DscpPriority {
    /// 0 to 63
    pub dscp: u8,
    /// 0 to 7
    pub priority: u8,
}

impl Dcb {
    /// The firmware runs DCBX by itself, and refuses what the host wants.
    pub fn is_managed_by_firmware(&self) -> bool {
        self.dcbx.is_some_and(|dcbx| dcbx & FIRMWARE_MANAGES != 0)
    }
}

impl Rtnetlink {
    /// What the port does; `None` where the driver has no DCB.
    pub fn dcb(&mut self, ifname: &str) -> Result<Option<Dcb>, Error> {
        let request = request("read DCB of", ifname, RTM_GETDCB, IEEE_GET, |_| {});
        match self.query(&request, decode) {
            Err(error) if error.is_unsupported() => Ok(None),
            other => other,
        }
    }

    /// Sets which priorities pause; the rest of `pfc` as it was read.
    pub fn set_pfc(&mut self, ifname: &str, pfc: Pfc) -> Result<(), Error> {
        self.set_dcb(&set_pfc(ifname, pfc))
    }

    /// Adds an entry to the DSCP map.
    pub fn add_dscp(&mut self, ifname: &str, entry: DscpPriority) -> Result<(), Error> {
        self.set_dcb(&dscp("add to the DSCP map of", ifname, IEEE_SET, entry))
    }

    /// Removes an entry from the DSCP map.
    pub fn delete_dscp(&mut self, ifname: &str, entry: DscpPriority) -> Result<(), Error> {
        self.set_dcb(&dscp("delete from the DSCP map of", ifname, IEEE_DEL, entry))
    }

    /// The kernel acknowledges what the driver has refused, and says so in an answer of its own.
    fn set_dcb(&mut self, request: &Request) -> Result<(), Error> {
        match self.query(request, verdict)?.unwrap_or_default() {
            0 => Ok(()),
            // A negative errno, of which one byte is left (`dcbnl_ieee_set` in net/dcb/dcbnl.c).
            code => Err(request.refused(Refusal {
                errno: Errno::from_raw(i32::from(code.wrapping_neg())),
                message: None,
                offset: None,
            })),
        }
    }
}

fn request(
    operation: &'static str,
    ifname: &str,
    kind: u16,
    command: u8,
    fill: impl FnOnce(&mut Vec<u8>),
) -> Request {
    let mut body = vec![0, command, 0, 0];
    body::text(&mut body, ATTR_IFNAME, ifname);
    fill(&mut body);
    Request::new(operation, ifname, kind, 0, &Body(body))
}

fn set_pfc(ifname: &str, pfc: Pfc) -> Request {
    request("set priority flow control of", ifname, RTM_SETDCB, IEEE_SET, |body| {
        body::nest(body, ATTR_IEEE | NLA_F_NESTED, |ieee| body::put(ieee, IEEE_PFC, &pfc.bytes()));
    })
}

fn dscp(operation: &'static str, ifname: &str, command: u8, entry: DscpPriority) -> Request {
    request(operation, ifname, RTM_SETDCB, command, |body| {
        body::nest(body, ATTR_IEEE | NLA_F_NESTED, |ieee| {
            body::nest(ieee, IEEE_APP_TABLE | NLA_F_NESTED, |table| {
                body::put(table, IEEE_APP, &entry.bytes());
            });
        });
    })
}

impl Pfc {
    fn bytes(self) -> [u8; PFC] {
        let mut bytes = [0; PFC];
        [bytes[0], bytes[1], bytes[2]] = [self.capability, self.enabled, self.mbc];
        bytes[4..6].copy_from_slice(&self.delay.to_ne_bytes());
        bytes
    }

    fn read(attribute: Attribute<'_>) -> Option<Self> {
        let &[capability, enabled, mbc, ..] = attribute.value else { return None };
        Some(Self { capability, enabled, mbc, delay: u16_at(attribute.value, 4)? })
    }
}

impl PfcFrames {
    /// `requests` and `indications` of `struct ieee_pfc`.
    fn read(attribute: Attribute<'_>) -> Option<Self> {
        let mut frames = Self::default();
        for (place, frames) in frames.sent.iter_mut().chain(&mut frames.received).enumerate() {
            *frames = u64_at(attribute.value, PFC_COUNTERS + 8 * place)?;
        }
        Some(frames)
    }
}

impl DscpPriority {
    /// `struct dcb_app`
    fn bytes(self) -> [u8; 4] {
        let [low, high] = u16::from(self.dscp).to_ne_bytes();
        [SELECTOR_DSCP, self.priority, low, high]
    }

    fn read(attribute: Attribute<'_>) -> Option<Self> {
        let &[selector, priority, ..] = attribute.value else { return None };
        let dscp = u8::try_from(u16_at(attribute.value, 2)?).ok()?;
        (selector == SELECTOR_DSCP).then_some(Self { dscp, priority })
    }
}

pub(crate) fn decode(message: &Message<'_>) -> Option<Dcb> {
    let attributes = answer(message, RTM_GETDCB)?;
    let mut dcb = Dcb::default();
    for attribute in attributes {
        match attribute.kind {
            ATTR_IEEE => ieee(&mut dcb, attribute),
            ATTR_DCBX => dcb.dcbx = attribute.u8(),
            _ => {}
        }
    }
    Some(dcb)
}

fn ieee(dcb: &mut Dcb, ieee: Attribute<'_>) {
    for attribute in ieee.nested() {
        match attribute.kind {
            IEEE_PFC => {
                dcb.pfc = Pfc::read(attribute);
                dcb.frames = PfcFrames::read(attribute).unwrap_or_default();
            }
            classes::IEEE_ETS => dcb.ets = Ets::read(attribute),
            classes::DCB_BUFFER => dcb.buffers = Buffers::read(attribute),
            IEEE_APP_TABLE => dcb.dscp = attribute.nested().filter_map(DscpPriority::read).collect(),
            _ => {}
        }
    }
    dcb.dscp.sort_unstable();
}

fn verdict(message: &Message<'_>) -> Option<u8> {
    answer(message, RTM_SETDCB)?.find(|attribute| attribute.kind == ATTR_IEEE)?.u8()
}

fn answer<'a>(message: &Message<'a>, kind: u16) -> Option<Attributes<'a>> {
    (message.kind == kind).then_some(Attributes(message.payload.get(HEADER..)?))
}
