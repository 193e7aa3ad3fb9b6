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

pub use conflict::{Candidate, avoid_conflicts};
pub use gateway::require_gateways;
pub use settings::Settings;

/// The addresses of one link, with what the network wants to have detected before and after.
pub fn configure(pod: &mut Pod, mut candidate: Candidate<'_, '_>) -> Result<(), cni::Error> {
    avoid_conflicts(pod, std::slice::from_mut(&mut candidate))?;
    let Candidate { link, settings, result, .. } = candidate;
    crate::configure(pod, link, result)?;
    Ok(require_gateways(pod, &[(link, result, settings)])?)
}

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
