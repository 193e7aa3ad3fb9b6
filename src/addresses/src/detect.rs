//! Whether somebody else has an address before the pod gets it, and whether its gateways answer after that. Off unless
//! a network asks for it: a free address takes all of the time that it is given to object.

mod arp;
mod conflict;
mod gateway;
mod objectors;
mod probe;
mod settings;
mod socket;
mod tuning;

use attach::{Error, Pod};
use netlink::{Link, LinkFlags};

use crate::Failure;

pub(crate) use conflict::avoid_conflicts;
pub(crate) use gateway::require_gateways;
pub use settings::Detection;

/// Refuses a link on which nobody can be asked. It is up: before that an ipvlan does not say so
/// (`ipvlan_open`).
fn require_arp(pod: &mut Pod, link: &Link) -> Result<(), Error> {
    match pod.netlink.link_by_index(link.index)? {
        Some(now) if now.flags.contains(LinkFlags::Noarp) => {
            Err(Failure::NoArp { ifname: link.name.clone() }.into())
        }
        _ => Ok(()),
    }
}
