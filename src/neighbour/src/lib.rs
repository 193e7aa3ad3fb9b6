//! ARP and NDP packets on one link, by a packet socket: announces the addresses of a new interface.
//!
//! The kernel's own announcement (`arp_notify`, `ndisc_notify`) is one packet when the link comes up, before it has
//! an address. A switch or a gateway that remembers the last owner of an address keeps it until then.

mod announce;
mod arp;
mod error;
mod link;
mod ndp;
mod socket;

pub use announce::{Announcer, ROUNDS};
pub use error::Error;
pub use link::Link;

/// What goes out on a link; the kernel puts the link header before it.
#[derive(Debug, PartialEq, Eq)]
struct Packet {
    ethertype: u16,
    destination: Vec<u8>,
    payload: Vec<u8>,
}
