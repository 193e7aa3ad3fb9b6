//! How a port shares its line among traffic classes, and its memory among priorities.

use super::{ATTR_IEEE, IEEE_SET, RTM_SETDCB, request};
use crate::attr::{Attribute, u32_at};
use crate::body;
use crate::error::Error;
use crate::handle::Rtnetlink;
use crate::message::Request;
use netlink_packet_core::NLA_F_NESTED;

// include/uapi/linux/dcbnl.h
pub(super) const IEEE_ETS: u16 = 1;
pub(super) const DCB_BUFFER: u16 = 10;
/// `struct ieee_ets`, with `tc_tx_bw`, `tc_tsa` and `prio_tc` in it.
const ETS: usize = 3 + 7 * 8;
const BANDWIDTH: usize = 3;
const SELECTION: usize = 19;
const CLASSES: usize = 27;
/// `struct dcbnl_buffer`, with `buffer_size` and `total_size` in it.
const BUFFER: usize = 8 + 9 * 4;
const SIZES: usize = 8;
const TOTAL: usize = 40;

/// Enhanced transmission selection (`struct ieee_ets`). What is not here stays as it was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ets {
    /// The traffic class of each priority.
    pub classes: [u8; 8],
    /// How each traffic class is sent: `IEEE_8021QAZ_TSA_*`, 0 strict, 2 by its share.
    pub selection: [u8; 8],
    /// The share of each traffic class, in percent.
    pub bandwidth: [u8; 8],
    whole: [u8; ETS],
}

/// Memory for what is received (`struct dcbnl_buffer`), in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Buffers {
    /// The buffer of each priority.
    pub priorities: [u8; 8],
    /// The size of each buffer.
    pub sizes: [u32; 8],
    /// What there is to share.
    pub total: u32,
}

impl Rtnetlink {
    /// Sets how traffic classes share the line; the rest of `ets` as it was read.
    pub fn set_ets(&mut self, ifname: &str, ets: &Ets) -> Result<(), Error> {
        self.set_dcb(&set_ets(ifname, ets))
    }

    /// Sets the buffers of priorities.
    pub fn set_buffers(&mut self, ifname: &str, buffers: &Buffers) -> Result<(), Error> {
        self.set_dcb(&set_buffers(ifname, buffers))
    }
}

pub(super) fn set_ets(ifname: &str, ets: &Ets) -> Request {
    request("set the shares of traffic classes (ETS) of", ifname, RTM_SETDCB, IEEE_SET, |body| {
        body::nest(body, ATTR_IEEE | NLA_F_NESTED, |ieee| body::put(ieee, IEEE_ETS, &ets.bytes()));
    })
}

pub(super) fn set_buffers(ifname: &str, buffers: &Buffers) -> Request {
    request("set the buffers of", ifname, RTM_SETDCB, IEEE_SET, |body| {
        body::nest(body, ATTR_IEEE | NLA_F_NESTED, |ieee| body::put(ieee, DCB_BUFFER, &buffers.bytes()));
    })
}

impl Ets {
    pub(super) fn bytes(&self) -> [u8; ETS] {
        let mut bytes = self.whole;
        for (at, values) in
            [(BANDWIDTH, self.bandwidth), (SELECTION, self.selection), (CLASSES, self.classes)]
        {
            bytes[at..at + 8].copy_from_slice(&values);
        }
        bytes
    }

    pub(super) fn read(attribute: Attribute<'_>) -> Option<Self> {
        let whole: [u8; ETS] = *attribute.value.first_chunk()?;
        let eight = |at: usize| whole[at..].first_chunk().copied();
        Some(Self {
            classes: eight(CLASSES)?,
            selection: eight(SELECTION)?,
            bandwidth: eight(BANDWIDTH)?,
            whole,
        })
    }
}

impl Buffers {
    pub(super) fn bytes(&self) -> [u8; BUFFER] {
        let mut bytes = [0; BUFFER];
        bytes[..SIZES].copy_from_slice(&self.priorities);
        for (place, size) in bytes[SIZES..].chunks_mut(4).zip(self.sizes.iter().chain([&self.total])) {
            place.copy_from_slice(&size.to_ne_bytes());
        }
        bytes
    }

    pub(super) fn read(attribute: Attribute<'_>) -> Option<Self> {
        let mut buffers = Self {
            priorities: *attribute.value.first_chunk()?,
            total: u32_at(attribute.value, TOTAL)?,
            ..Self::default()
        };
        for (place, size) in buffers.sizes.iter_mut().enumerate() {
            *size = u32_at(attribute.value, SIZES + 4 * place)?;
        }
        Some(buffers)
    }
}
