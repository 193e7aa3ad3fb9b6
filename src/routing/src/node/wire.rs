//! Who else has an address on the wires where the node would look for it. The machines that it speaks with are in its
//! neighbour table, and are asked once more: an entry may be of a pod that another node had an hour ago.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use attach::Error;
use netlink::{Group, Monitor, Neighbour, NeighbourState, RouteLookup, Rtnetlink};

use super::Claim;
use super::claim::name;
use crate::Failure;

/// Longer than the kernel's three questions, a second each.
const PATIENCE: Duration = Duration::from_secs(5);

/// Has the kernel ask the `others`; the error names one that is still there, and its hardware address. To be called without a
/// lock, because it may take its time.
pub(super) fn require_gone(
    host: &mut Rtnetlink,
    claims: &[Claim<'_>],
    others: &[Neighbour],
) -> Result<(), Error> {
    ask(host, others)?;
    let left = still_there(host, claims, others)?;
    let Some(Neighbour { index, ip, address, .. }) = left.first() else { return Ok(()) };
    let mac = address.map(|mac| mac.to_string()).unwrap_or_default();
    let whose = format!("the node speaks with it on {}, where {mac} has it", name(host, *index)?);
    Err(Failure::NotThePods { address: *ip, whose }.into())
}

/// Entries for addresses of the claims that are not of the pods' NICs.
pub(super) fn others(host: &mut Rtnetlink, claims: &[Claim<'_>]) -> Result<Vec<Neighbour>, Error> {
    let mut found = Vec::new();
    for entry in host.neighbours(None)?.into_iter().filter(Neighbour::is_known) {
        for claim in claims.iter().filter(|claim| claim.is_denied_by(&entry)) {
            if is_at_hand(host, claim, &entry)? {
                found.push(entry.clone());
            }
        }
    }
    Ok(found)
}

/// On a wire that the NIC is on, or that the node's way to the address leads to. The same address may be elsewhere, too, for those
/// who have tables of their own.
fn is_at_hand(host: &mut Rtnetlink, claim: &Claim<'_>, entry: &Neighbour) -> Result<bool, Error> {
    let lookup = RouteLookup { as_listed: true, ..RouteLookup::new(entry.ip) };
    let route = host.route_to(&lookup)?;
    let is_way = route.is_some_and(|route| route.oif == Some(entry.index) && route.table != claim.part.table);
    Ok(is_way || claim.masters()?.contains(&entry.index))
}

fn ask(host: &mut Rtnetlink, others: &[Neighbour]) -> Result<(), Error> {
    let fixed = [NeighbourState::Permanent, NeighbourState::Noarp];
    for entry in others.iter().filter(|entry| !fixed.contains(&entry.state)) {
        host.replace_neighbour(&Neighbour { state: NeighbourState::Probe, ..entry.clone() })?;
    }
    Ok(())
}

/// Those that have answered, or of which the kernel does not know yet.
fn still_there(
    host: &mut Rtnetlink,
    claims: &[Claim<'_>],
    asked: &[Neighbour],
) -> Result<Vec<Neighbour>, Error> {
    let mut monitor = Monitor::subscribe(&[Group::Neighbour])?;
    let ips: Vec<IpAddr> = asked.iter().map(|entry| entry.ip).collect();
    let mut last = asked.to_vec();
    monitor.wait_for(Instant::now() + PATIENCE, || -> Result<_, Error> {
        last = others(host, claims)?;
        let is_open = |entry: &Neighbour| ips.contains(&entry.ip) && entry.state == NeighbourState::Probe;
        Ok((!last.iter().any(is_open)).then_some(()))
    })?;
    Ok(last)
}
