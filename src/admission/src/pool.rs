//! Pools: in the words of the node's own files, beside the other pools of the cluster, and never from under a pod.

use std::net::IpAddr;

use ipam::{Catalog, RangeSet};
use ipnet::IpNet;
use serde_json::Value;

use crate::answer::Answer;
use crate::request::Request;
use crate::users::User;
use crate::world::World;

/// Pods are named in a refusal, but not hundreds of them.
const NAMED: usize = 5;

/// The addresses that the pool would offer no more. Where there are any, [`judge`](crate::judge) wants to know who has them.
pub fn losing(request: &Request) -> RangeSet {
    let is_pool = request.kind.kind == "SpiderIPPool";
    // Disabled, it gives no new addresses, and takes none away.
    let offered = |pool: &Value| if is_pool { offered(pool) } else { RangeSet::default() };
    offered(&request.old_object).without(&offered(&request.object))
}

pub(crate) fn judge(request: &Request, world: &World, users: &[User]) -> Answer {
    match orphans(request, users) {
        Some(refusal) => Answer::refused(refusal),
        None if request.operation == "DELETE" => Answer::allowed(),
        None => beside_others(&request.object, world),
    }
}

pub(crate) fn reserved(object: &Value) -> Answer {
    added(Catalog::default(), object)
}

fn offered(pool: &Value) -> RangeSet {
    let mut catalog = Catalog::default();
    catalog.add("the cluster", pool);
    catalog.pools().flat_map(|pool| pool.offered.ranges().to_vec()).collect()
}

fn orphans(request: &Request, users: &[User]) -> Option<String> {
    let losing = losing(request);
    if losing.is_empty() {
        return None;
    }
    let of_pool = User::of_pool(&request.old_object);
    let holders = users.iter().chain(&of_pool);
    let mut held: Vec<(IpAddr, &str)> = holders
        .flat_map(|user| user.addresses.iter().map(|address| (*address, user.pod.as_str())))
        .filter(|(address, _)| losing.contains(*address))
        .collect();
    held.sort_unstable();
    held.dedup_by_key(|(address, _)| *address);
    if held.is_empty() {
        return None;
    }
    let named: Vec<_> =
        held.iter().take(NAMED).map(|(address, pod)| format!("{address} of pod {pod}")).collect();
    let more = held.len().saturating_sub(NAMED);
    let more = if more == 0 { String::new() } else { format!(" and {more} more") };
    Some(format!(
        "pool {:?} would lose addresses that pods have: {}{more}; set spec.disable: true, so that it gives no new ones, and repeat this when these pods have ended",
        name(&request.old_object),
        named.join(", ")
    ))
}

/// Pools share a subnet or do not meet at all, and no address is in two of them: it is enough to look at those that meet this one.
fn beside_others(object: &Value, world: &World) -> Answer {
    let own = subnet(object);
    let meets = |other: &&Value| match (own, subnet(other)) {
        (Some(own), Some(other)) => own.contains(&other) || other.contains(&own),
        _ => false,
    };
    let mut catalog = Catalog::default();
    let others = world.pools.values().filter(|other| name(other) != name(object)).filter(meets);
    others.for_each(|other| catalog.add("the cluster", other));
    added(catalog, object)
}

/// What the object is refused for, and warned of, beside what the catalog has already.
fn added(mut catalog: Catalog, object: &Value) -> Answer {
    let (refused, warned) = (catalog.refused().count(), catalog.warnings().len());
    catalog.add("the cluster", object);
    let refusal = catalog.refused().skip(refused).last().map(ToString::to_string);
    let unreadable = catalog.unreadable().first().cloned();
    let warnings = catalog.warnings()[warned..].to_vec();
    Answer { refusal: refusal.or(unreadable), warnings, ..Answer::default() }
}

fn name(pool: &Value) -> &str {
    pool["metadata"]["name"].as_str().unwrap_or_default()
}

fn subnet(pool: &Value) -> Option<IpNet> {
    pool["spec"]["subnet"].as_str()?.parse::<IpNet>().ok().map(|net| net.trunc())
}
