//! Pools: in the words of the node's own files, beside the other pools of the cluster, and never from under a pod.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipam::{Catalog, RangeSet};
use ipnet::IpNet;
use serde_json::Value;

use crate::answer::Answer;
use crate::books::Loss;
use crate::request::Request;
use crate::users::User;
use crate::world::World;

/// Pods are named in a refusal, but not hundreds of them.
const NAMED: usize = 5;
/// On a pool: its admin means it, and knows that pods may lose their addresses.
const MEANT: &str = "railcni.dev/take-addresses-in-use";

/// The addresses that the pool would offer no more. Where there are any, [`judge`](crate::judge) wants to know who has them.
pub fn losing(request: &Request) -> RangeSet {
    let is_pool = request.kind.kind == "SpiderIPPool";
    // Disabled, it gives no new addresses, and takes none away.
    let last = if request.object.is_null() { &request.old_object } else { &request.object };
    if last["metadata"]["annotations"][MEANT] == "true" {
        return RangeSet::default();
    }
    let offered = |pool: &Value| if is_pool { offered(pool) } else { RangeSet::default() };
    offered(&request.old_object).without(&offered(&request.object))
}

/// Whether the pool or Fabric, as it was, is the one that the cluster has: whoever can say that may read it, and does not make it up.
pub fn is_as_known(request: &Request, world: &World) -> bool {
    let old = &request.old_object;
    let is_same = |known: &Value| {
        let uid = known["metadata"]["uid"].as_str().filter(|uid| !uid.is_empty());
        uid.is_some() && old["metadata"]["uid"].as_str() == uid && old["spec"] == known["spec"]
    };
    let known = if request.kind.kind == "Fabric" { &world.fabrics } else { &world.pools };
    known.get(name(old)).is_some_and(is_same)
}

pub(crate) fn judge(request: &Request, world: &World, losses: &[Loss]) -> Answer {
    match orphans(request, losses) {
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

/// Whose addresses the pool would offer no more, of those that `losses` tell.
pub fn holders(request: &Request, losses: &[Loss]) -> Option<String> {
    let losing = losing(request);
    if losing.is_empty() {
        return None;
    }
    let of_pool = User::of_pool(&request.old_object);
    let mut held: BTreeMap<IpAddr, &str> = held(&of_pool, &losing).collect();
    for loss in losses {
        held.extend(self::held(&loss.pods, &loss.addresses).filter(|(address, _)| losing.contains(*address)));
    }
    let mut named: Vec<_> = held.iter().map(|(address, pod)| format!("{address} of pod {pod}")).collect();
    for loss in losses {
        let told = held.keys().filter(|address| loss.addresses.contains(**address)).count();
        let more = loss.certain.saturating_sub(u64::try_from(told).unwrap_or(u64::MAX));
        if more > 0 {
            named.push(format!("{more} in use on node {}", loss.node));
        }
    }
    if named.is_empty() {
        return None;
    }
    let more = named.len().saturating_sub(NAMED);
    named.truncate(NAMED);
    let more = if more == 0 { String::new() } else { format!(" and {more} more") };
    Some(format!("{}{more}", named.join(", ")))
}

fn orphans(request: &Request, losses: &[Loss]) -> Option<String> {
    let holders = holders(request, losses)?;
    Some(format!(
        "pool {:?} would lose addresses that pods have: {holders}; set spec.disable: true, so that it gives no new ones, and repeat this when these pods have ended; where they may lose them, annotate the pool with {MEANT}: \"true\"",
        name(&request.old_object)
    ))
}

fn held<'u>(users: &'u [User], of: &RangeSet) -> impl Iterator<Item = (IpAddr, &'u str)> {
    let all =
        users.iter().flat_map(|user| user.addresses.iter().map(|address| (*address, user.pod.as_str())));
    all.filter(|(address, _)| of.contains(*address))
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

pub(crate) fn name(pool: &Value) -> &str {
    pool["metadata"]["name"].as_str().unwrap_or_default()
}

fn subnet(pool: &Value) -> Option<IpNet> {
    pool["spec"]["subnet"].as_str()?.parse::<IpNet>().ok().map(|net| net.trunc())
}
