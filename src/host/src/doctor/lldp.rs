//! Which switch a NIC is plugged into, by what switches say of themselves (LLDP, IEEE 802.1AB). A frame comes from whoever is at the
//! other end of a cable: what it says is cut short, and told as a text.

use std::fmt::Write as _;
use std::net::{Ipv4Addr, Ipv6Addr};

use super::{Check, Finding, Level};

/// Of its frames.
const ETHERTYPE: [u8; 2] = [0x88, 0xcc];
/// Destination and source are before it.
const TYPE_AT: usize = 12;
/// Characters of a name that are told.
const LONGEST: usize = 64;

// TLVs
const CHASSIS: u8 = 1;
const PORT: u8 = 2;
const TIME_TO_LIVE: u8 = 3;
const PORT_DESCRIPTION: u8 = 4;
const SYSTEM_NAME: u8 = 5;

/// What a switch says of itself and of the port.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Neighbour {
    /// Its identity, most often a MAC address.
    pub chassis: String,
    /// The port's.
    pub port: String,
    /// Its name, if it tells one.
    pub system: Option<String>,
    /// Of the port, in words.
    pub description: Option<String>,
}

/// What was heard on a NIC, and where it is to be plugged in, if somebody has said so.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Heard {
    /// The interface.
    pub nic: String,
    /// `None`: nothing, as long as somebody listened.
    pub neighbour: Option<Neighbour>,
    /// Name or chassis of the switch.
    pub wanted: Option<String>,
}

impl Neighbour {
    /// Of a whole Ethernet frame; `None` if it is another, says that it ends (a time to live of 0), or breaks off.
    pub fn read(frame: &[u8]) -> Option<Self> {
        let payload = frame.get(TYPE_AT..)?.strip_prefix(&ETHERTYPE)?;
        let (mut neighbour, mut lives) = (Self::default(), false);
        for (kind, value) in Tlvs(payload) {
            match kind {
                CHASSIS => neighbour.chassis = identity(value, 4, 5)?,
                PORT => neighbour.port = identity(value, 3, 4)?,
                TIME_TO_LIVE => lives = value != [0, 0],
                PORT_DESCRIPTION => neighbour.description = name(value),
                SYSTEM_NAME => neighbour.system = name(value),
                _ => {}
            }
        }
        let is_whole = !neighbour.chassis.is_empty() && !neighbour.port.is_empty();
        (is_whole && lives).then_some(neighbour)
    }

    /// As people call the switch.
    fn name(&self) -> &str {
        self.system.as_ref().unwrap_or(&self.chassis)
    }

    fn is(&self, wanted: &str) -> bool {
        self.name().eq_ignore_ascii_case(wanted) || self.chassis.eq_ignore_ascii_case(wanted)
    }
}

/// Types and values: seven bits and nine of each header. Ends at the one that says so, or that does not fit.
struct Tlvs<'f>(&'f [u8]);

impl<'f> Iterator for Tlvs<'f> {
    type Item = (u8, &'f [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (header, rest) = self.0.split_first_chunk::<2>()?;
        let length = usize::from(u16::from_be_bytes(*header) & 0x1ff);
        let (value, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        let kind = header[0] >> 1;
        (kind != 0).then_some((kind, value))
    }
}

/// The first byte says what it is: of chassis and port, MAC and address have different numbers.
fn identity(value: &[u8], mac: u8, address: u8) -> Option<String> {
    let (&kind, value) = value.split_first()?;
    if kind == mac && value.len() == 6 {
        let mut text = value.iter().fold(String::new(), |mut text, byte| {
            // Writing to a String cannot fail.
            let _ = write!(text, "{byte:02x}:");
            text
        });
        text.pop();
        return Some(text);
    }
    match (kind == address, value) {
        (true, [1, rest @ ..]) if rest.len() == 4 => {
            Some(Ipv4Addr::from(*rest.first_chunk::<4>()?).to_string())
        }
        (true, [2, rest @ ..]) if rest.len() == 16 => {
            Some(Ipv6Addr::from(*rest.first_chunk::<16>()?).to_string())
        }
        _ => name(value),
    }
}

fn name(value: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(value);
    let text: String =
        text.trim_matches(|c: char| c.is_whitespace() || c == '\0').chars().take(LONGEST).collect();
    (!text.is_empty()).then_some(text)
}

/// Whether each NIC hangs where it should.
pub fn leaves(heard: &[Heard]) -> Vec<Finding> {
    heard.iter().map(|of| leaf(of, heard)).collect()
}

fn leaf(of: &Heard, all: &[Heard]) -> Finding {
    let Heard { nic, neighbour, wanted } = of;
    let source = format!("LLDP on {nic}");
    let Some(neighbour) = neighbour else {
        let level = if wanted.is_some() { Level::Warning } else { Level::Info };
        let cure = format!(
            "switch LLDP on at the switch's port; where the NIC keeps its frames to itself, ethtool --set-priv-flags {nic} disable-fw-lldp on"
        );
        return Finding::good(Check::Leaf, nic, "no switch has said its name", source).bad(
            level,
            wanted.as_ref().map_or_else(
                || "a switch that says its name".to_owned(),
                |leaf| format!("{leaf}, as the file says"),
            ),
            cure,
        );
    };
    let port = neighbour.description.as_ref().filter(|words| **words != neighbour.port);
    let port = port.map_or_else(|| neighbour.port.clone(), |words| format!("{} ({words})", neighbour.port));
    let finding = Finding::good(Check::Leaf, nic, format!("{}, port {port}", neighbour.name()), source);
    match wanted {
        Some(leaf) if !neighbour.is(leaf) => {
            finding.bad(Level::Error, format!("{leaf}, as the file says"), cure(of, neighbour, leaf, all))
        }
        _ => finding,
    }
}

/// Who has what this one wants: most often two cables are swapped.
fn cure(of: &Heard, neighbour: &Neighbour, leaf: &str, all: &[Heard]) -> String {
    let is_swapped = |other: &&Heard| {
        other.nic != of.nic
            && other.neighbour.as_ref().is_some_and(|there| there.is(leaf))
            && other.wanted.as_ref().is_some_and(|wanted| neighbour.is(wanted))
    };
    let nic = &of.nic;
    all.iter().find(is_swapped).map_or_else(
        || format!("plug {nic} into {leaf}, or write where it is into the file: leaf: {}", neighbour.name()),
        |other| format!("swap the cables of {nic} and {}: each is in the other's switch", other.nic),
    )
}

#[cfg(test)]
mod tests;
