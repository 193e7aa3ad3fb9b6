//! What links have carried.

use nix::libc::{IFLA_IFNAME, IFLA_STATS64, RTM_GETLINK, RTM_NEWLINK};

use super::encode;
use crate::attr::{Attribute, Attributes, u32_at, u64_at};
use crate::body::Body;
use crate::error::Error;
use crate::handle::Rtnetlink;
use crate::message::{Message, Request};

const HEADER: usize = 16;

/// Counters of a link or a VF since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Bytes received.
    pub rx_bytes: u64,
    /// Packets received.
    pub rx_packets: u64,
    /// Packets received with errors.
    pub rx_errors: u64,
    /// Packets received that were dropped, for want of room too: what /proc/net/dev calls `drop`.
    pub rx_dropped: u64,
    /// Bytes sent.
    pub tx_bytes: u64,
    /// Packets sent.
    pub tx_packets: u64,
    /// Packets that could not be sent.
    pub tx_errors: u64,
    /// Packets that were dropped before they were sent.
    pub tx_dropped: u64,
}

/// A link and its counters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkStatistics {
    /// Index in its namespace.
    pub index: u32,
    /// Name there.
    pub name: String,
    /// Its counters.
    pub statistics: Statistics,
}

impl Rtnetlink {
    /// The counters of all links of the namespace, in one dump.
    pub fn statistics(&mut self) -> Result<Vec<LinkStatistics>, Error> {
        let message = encode::header(0);
        let request = Request::about("list counters", "of the namespace", RTM_GETLINK, 0, &Body(message));
        self.dump(&request, decode)
    }
}

fn decode(message: &Message<'_>) -> Option<LinkStatistics> {
    if message.kind != RTM_NEWLINK {
        return None;
    }
    let index = u32_at(message.payload, 4)?;
    let attributes = Attributes(message.payload.get(HEADER..)?);
    let part = |kind| attributes.clone().find(|attribute| attribute.kind == kind);
    let name = part(IFLA_IFNAME).map(Attribute::string)?;
    Some(LinkStatistics { index, name, statistics: structure(part(IFLA_STATS64)?.value)? })
}

/// `struct rtnl_link_stats64`; longer in newer kernels.
fn structure(value: &[u8]) -> Option<Statistics> {
    let word = |place: usize| u64_at(value, place * 8);
    let missed = word(15)?;
    Some(Statistics {
        rx_packets: word(0)?,
        tx_packets: word(1)?,
        rx_bytes: word(2)?,
        tx_bytes: word(3)?,
        rx_errors: word(4)?,
        tx_errors: word(5)?,
        rx_dropped: word(6)?.saturating_add(missed),
        tx_dropped: word(7)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_at_its_place() {
        let value: Vec<u8> = (1..=24u64).flat_map(|word| (word * 100).to_ne_bytes()).collect();
        let expected = Statistics {
            rx_packets: 100,
            tx_packets: 200,
            rx_bytes: 300,
            tx_bytes: 400,
            rx_errors: 500,
            tx_errors: 600,
            rx_dropped: 700 + 1600,
            tx_dropped: 800,
        };
        assert_eq!(structure(&value), Some(expected));
        assert_eq!(structure(&value[..8 * 15]), None);
    }
}
