//! Partition keys of InfiniBand ports: 15 bits that name the partition, and bit 15 for full membership.

use std::path::Path;
use std::str::FromStr;
use std::{fmt, fs};

use attach::Error;
use sysfs::Root;

const FULL_MEMBER: u16 = 0x8000;

/// A partition key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pkey(u16);

/// Text that is no partition key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "pkey \"{0}\": expected 0x and up to four hexadecimal digits, and not 0x0000 or 0x8000, such as 0x8001"
)]
pub struct InvalidPkey(String);

impl FromStr for Pkey {
    type Err = InvalidPkey;

    fn from_str(text: &str) -> Result<Self, InvalidPkey> {
        let digits = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
        let plain = digits.filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let value = plain.and_then(|digits| u16::from_str_radix(digits, 16).ok());
        value.and_then(Self::new).ok_or_else(|| InvalidPkey(text.to_owned()))
    }
}

impl Pkey {
    /// `None` for partition 0, which no port is in.
    pub fn new(value: u16) -> Option<Self> {
        (value & !FULL_MEMBER != 0).then_some(Self(value))
    }

    /// All 16 bits.
    pub fn value(self) -> u16 {
        self.0
    }

    /// Whether both name the same partition, with whatever membership.
    pub fn is_partition_of(self, other: u16) -> bool {
        self.0 | FULL_MEMBER == other | FULL_MEMBER
    }

    /// Whether the port of the interface `ifname` on this host is in the partition; `None` if its table cannot be read.
    pub fn is_in_table_of(self, ifname: &str) -> Option<bool> {
        let table = table(ifname).ok().flatten()?;
        Some(table.iter().any(|other| self.is_partition_of(*other)))
    }
}

impl fmt::Display for Pkey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#06x}", self.0)
    }
}

fn table(ifname: &str) -> Result<Option<Vec<u16>>, Error> {
    let root = Root::system();
    let netdev = root.net(ifname)?;
    let Some(bdf) = netdev.pci_function()? else { return Ok(None) };
    let port = netdev.dev_port()? + 1;
    let Some(rdma) = root.pci(bdf)?.infiniband()?.into_iter().next() else { return Ok(None) };
    let folder = Path::new("/sys/class/infiniband").join(rdma).join(format!("ports/{port}/pkeys"));
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let texts = entries.filter_map(|entry| fs::read_to_string(entry.path()).ok());
    let value = |text: String| u16::from_str_radix(text.trim().trim_start_matches("0x"), 16).ok();
    Ok(Some(texts.filter_map(value).filter(|value| *value != 0).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_hexadecimal_and_name_a_partition() {
        assert_eq!("0x8001".parse::<Pkey>().unwrap().value(), 0x8001);
        assert_eq!("0x7fff".parse::<Pkey>().unwrap().to_string(), "0x7fff");
        for bad in ["", "0x", "8001", "0x8000", "0x0", "0x12345", "0x+1", "1x1"] {
            let said = bad.parse::<Pkey>().unwrap_err().to_string();
            assert!(said.contains(&format!("pkey \"{bad}\"")) && said.contains("0x8001"), "{said}");
        }
    }

    #[test]
    fn membership_does_not_tell_partitions_apart() {
        let limited: Pkey = "0x0001".parse().unwrap();
        assert!(limited.is_partition_of(0x8001) && limited.is_partition_of(1));
        assert!(!limited.is_partition_of(0x8002));
    }
}
