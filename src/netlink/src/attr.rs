//! Reading attributes (`struct nlattr`) where they lie, without copying.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use netlink_packet_core::NLA_TYPE_MASK;

const HEADER: usize = 4;

/// The attributes of a message or of a nest, in their order. Ends at the first that does not fit.
#[derive(Clone)]
pub(crate) struct Attributes<'a>(pub(crate) &'a [u8]);

/// One attribute: its type without the nested and byte-order flags, and its value.
#[derive(Clone, Copy)]
pub(crate) struct Attribute<'a> {
    pub(crate) kind: u16,
    pub(crate) value: &'a [u8],
}

impl<'a> Iterator for Attributes<'a> {
    type Item = Attribute<'a>;

    fn next(&mut self) -> Option<Attribute<'a>> {
        let length = usize::from(u16_at(self.0, 0)?);
        let kind = u16_at(self.0, 2)? & NLA_TYPE_MASK;
        let value = self.0.get(HEADER..length)?;
        self.0 = self.0.get(length.next_multiple_of(HEADER)..).unwrap_or_default();
        Some(Attribute { kind, value })
    }
}

impl<'a> Attribute<'a> {
    pub(crate) fn nested(self) -> Attributes<'a> {
        Attributes(self.value)
    }

    pub(crate) fn u8(self) -> Option<u8> {
        self.value.first().copied()
    }

    pub(crate) fn u16(self) -> Option<u16> {
        u16_at(self.value, 0)
    }

    pub(crate) fn u16_be(self) -> Option<u16> {
        self.u16().map(u16::from_be)
    }

    pub(crate) fn u32(self) -> Option<u32> {
        u32_at(self.value, 0)
    }

    pub(crate) fn u32_be(self) -> Option<u32> {
        self.u32().map(u32::from_be)
    }

    pub(crate) fn i32(self) -> Option<i32> {
        self.u32().map(u32::cast_signed)
    }

    /// A NUL-terminated string. Names are bytes to the kernel, and need not be UTF-8.
    pub(crate) fn string(self) -> String {
        let end = self.value.iter().position(|&byte| byte == 0).unwrap_or(self.value.len());
        String::from_utf8_lossy(&self.value[..end]).into_owned()
    }

    pub(crate) fn ip(self) -> Option<IpAddr> {
        match self.value.len() {
            4 => Some(IpAddr::V4(Ipv4Addr::from(*self.value.first_chunk()?))),
            16 => Some(IpAddr::V6(Ipv6Addr::from(*self.value.first_chunk()?))),
            _ => None,
        }
    }
}

/// Native-endian field of a fixed header, `None` past its end.
pub(crate) fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// As [`u16_at`], four bytes wide.
pub(crate) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// As [`u16_at`], eight bytes wide.
pub(crate) fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_ne_bytes(*bytes.get(at..)?.first_chunk()?))
}
