use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

const LONGEST: usize = 20;

/// A hardware address: 6 bytes (Ethernet), 8 (EUI-64) or 20 (IP over InfiniBand, RFC 4391 section 9.1.1).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct HwAddr {
    bytes: [u8; LONGEST],
    length: u8,
}

/// Text or bytes that are no hardware address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no hardware address: 6, 8 or 20 bytes in hex are wanted, as in 02:00:5e:10:00:01")]
pub struct InvalidHwAddr(pub String);

impl HwAddr {
    /// The address of these bytes; `None` unless there are 6, 8 or 20.
    pub fn new(bytes: &[u8]) -> Option<Self> {
        let length = u8::try_from(bytes.len()).ok().filter(|length| matches!(length, 6 | 8 | 20))?;
        let mut all = [0; LONGEST];
        all[..bytes.len()].copy_from_slice(bytes);
        Some(Self { bytes: all, length })
    }

    /// The bytes, in the order of transmission.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.length)]
    }

    /// The bytes of an Ethernet address.
    pub fn mac(&self) -> Option<[u8; 6]> {
        self.as_bytes().try_into().ok()
    }

    /// Whether all bytes are zero.
    pub fn is_zero(&self) -> bool {
        self.as_bytes().iter().all(|&byte| byte == 0)
    }

    /// Whether an Ethernet or EUI-64 address has the group bit (broadcast included). One of 20 bytes has none.
    pub fn is_multicast(&self) -> bool {
        usize::from(self.length) != LONGEST && self.bytes[0] & 1 == 1
    }

    /// The port GUID: the last 8 of 20 bytes, or all of an EUI-64.
    pub fn guid(&self) -> Option<Guid> {
        match self.length {
            8 | 20 => Some(Guid(u64::from_be_bytes(*self.as_bytes().last_chunk()?))),
            _ => None,
        }
    }
}

impl From<[u8; 6]> for HwAddr {
    fn from(mac: [u8; 6]) -> Self {
        let mut bytes = [0; LONGEST];
        bytes[..6].copy_from_slice(&mac);
        Self { bytes, length: 6 }
    }
}

impl fmt::Display for HwAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        colons(self.as_bytes(), f)
    }
}

impl fmt::Debug for HwAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for HwAddr {
    type Err = InvalidHwAddr;

    /// Accepts `02:00:5e:10:00:01`, `02-00-5e-10-00-01` and `0200.5e10.0001`, in either case.
    fn from_str(text: &str) -> Result<Self, InvalidHwAddr> {
        hex_groups(text).and_then(|bytes| Self::new(&bytes)).ok_or_else(|| InvalidHwAddr(text.to_owned()))
    }
}

impl TryFrom<String> for HwAddr {
    type Error = InvalidHwAddr;

    fn try_from(text: String) -> Result<Self, InvalidHwAddr> {
        text.parse()
    }
}

impl From<HwAddr> for String {
    fn from(address: HwAddr) -> Self {
        address.to_string()
    }
}

/// An InfiniBand GUID.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Guid(pub u64);

/// Text that is no GUID.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no GUID: 8 bytes in hex are wanted, as in 02:00:5e:ff:fe:10:00:01")]
pub struct InvalidGuid(pub String);

impl Guid {
    /// Whether it is 0 or all ones, which no port may have.
    pub fn is_reserved(self) -> bool {
        matches!(self.0, 0 | u64::MAX)
    }
}

impl fmt::Display for Guid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        colons(&self.0.to_be_bytes(), f)
    }
}

impl fmt::Debug for Guid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Guid {
    type Err = InvalidGuid;

    /// Accepts `02:00:5e:ff:fe:10:00:01`, with `-`, as `0200:5eff:fe10:0001`, and as 16 digits with or without `0x`.
    fn from_str(text: &str) -> Result<Self, InvalidGuid> {
        guid_value(text).map(Self).ok_or_else(|| InvalidGuid(text.to_owned()))
    }
}

impl TryFrom<String> for Guid {
    type Error = InvalidGuid;

    fn try_from(text: String) -> Result<Self, InvalidGuid> {
        text.parse()
    }
}

impl From<Guid> for String {
    fn from(guid: Guid) -> Self {
        guid.to_string()
    }
}

fn colons(bytes: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    for (position, byte) in bytes.iter().enumerate() {
        let colon = if position == 0 { "" } else { ":" };
        write!(f, "{colon}{byte:02x}")?;
    }
    Ok(())
}

fn guid_value(text: &str) -> Option<u64> {
    let digits = text.strip_prefix("0x").unwrap_or(text);
    if digits.len() == 16 {
        return digits
            .bytes()
            .all(|byte| byte.is_ascii_hexdigit())
            .then(|| u64::from_str_radix(digits, 16).ok())?;
    }
    let bytes: [u8; 8] = hex_groups(text)?.try_into().ok()?;
    Some(u64::from_be_bytes(bytes))
}

/// Groups of two or four hex digits, all of one width and with one separator.
fn hex_groups(text: &str) -> Option<Vec<u8>> {
    let separator = text.chars().find(|c| matches!(c, ':' | '-' | '.'))?;
    let width = text.find(separator).filter(|width| matches!(width, 2 | 4))?;
    let mut bytes = Vec::with_capacity(LONGEST);
    for group in text.split(separator) {
        if group.len() != width || !group.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        let value = u16::from_str_radix(group, 16).ok()?.to_be_bytes();
        bytes.extend_from_slice(&value[2 - width / 2..]);
    }
    Some(bytes)
}

#[cfg(test)]
mod tests;
