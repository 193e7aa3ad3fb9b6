//! Which pools of a cluster can be granted from, and what is wrong with the others.

use std::collections::{BTreeMap, BTreeSet};

use api::{Metadata, NodePool, Route, SpiderIPPool, SpiderReservedIP};
use ipam::{Catalog, RangeSet};
use serde_json::json;

use super::{Allowed, Offer};
use crate::others::of_spiderpool;

/// The fabric that a pool is a rail of.
pub const FABRIC: &str = "railcni.dev/fabric";
/// Which rail of it, from 1.
pub const RAIL: &str = "railcni.dev/rail";
/// An annotation of a pool: the NICs whose VFs take its addresses, by interface or PCI address.
pub const NICS: &str = "railcni.dev/nics";
/// More rails than any node has: what a label may ask for.
const MOST_RAILS: usize = 64;

/// The pools of a cluster that can be granted from, and what is wrong with the others.
///
/// The words about a bad pool are those of the node's files, for the same code reads it. Of two pools that overlap the
/// older one stays: a new mistake takes nothing from what has worked.
pub fn offers(
    pools: &[SpiderIPPool],
    reserved: &[SpiderReservedIP],
) -> (BTreeMap<String, Offer>, Vec<(String, String)>) {
    let mut oldest_first = pools.iter().collect::<Vec<_>>();
    oldest_first.sort_by_key(|pool| (&pool.metadata.creation_timestamp, &pool.metadata.name));
    let mut catalog = Catalog::default();
    for pool in &oldest_first {
        catalog.add("cluster", &document("SpiderIPPool", &pool.metadata, &json!(pool.spec)));
    }
    for reserved in reserved {
        catalog.add("cluster", &document("SpiderReservedIP", &reserved.metadata, &json!(reserved.spec)));
    }
    let catalog = catalog.complete();
    let mut refused = catalog
        .refused()
        .map(|error| (named(error.pool()).to_owned(), error.to_string()))
        .collect::<Vec<_>>();
    let mut offers = BTreeMap::new();
    let mut rails: BTreeMap<(String, usize), String> = BTreeMap::new();
    let fabrics =
        pools.iter().filter_map(|pool| pool.metadata.labels.get(FABRIC)).cloned().collect::<BTreeSet<_>>();
    for valid in catalog.pools() {
        let Some(object) = oldest_first.iter().find(|pool| pool.metadata.name == valid.name) else {
            continue;
        };
        let taken = selectors(&valid.name, &valid.scope).and_then(|()| of_spiderpool(object));
        match taken.and_then(|taken| Ok((taken, place(&object.metadata, &fabrics, &mut rails)?))) {
            Ok((taken, (group, rail))) => {
                let mut offer = offer(object, valid, group, rail);
                offer.offered = offer.offered.without(&taken.iter().map(|taken| taken.range).collect());
                offers.insert(valid.name.clone(), offer);
            }
            Err(problem) => refused.push((valid.name.clone(), problem)),
        }
    }
    (offers, refused)
}

fn document(kind: &str, metadata: &Metadata, spec: &serde_json::Value) -> serde_json::Value {
    json!({ "kind": kind, "metadata": { "name": metadata.name }, "spec": spec })
}

/// `pool "rail1"`, as messages have it.
fn named(pool: &str) -> &str {
    pool.strip_prefix("pool ").unwrap_or(pool).trim_matches('"')
}

/// Nobody in a cluster looks at a pod's labels before its address is chosen: any pod would get one of such a pool.
fn selectors(name: &str, scope: &ipam::Scope) -> Result<(), String> {
    let of_pods = scope.unanswerable.iter().find(|selector| **selector != "nodeAffinity");
    of_pods.map_or(Ok(()), |selector| {
        Err(format!(
            "pool {name:?}: spec.{selector} is not answered, and nothing is granted of the pool: use namespaceName, multusName, \
             or name the pool where it is wanted"
        ))
    })
}

/// The group of a pool and its rail there.
fn place(
    metadata: &Metadata,
    fabrics: &BTreeSet<String>,
    rails: &mut BTreeMap<(String, usize), String>,
) -> Result<(String, usize), String> {
    let name = &metadata.name;
    let Some(fabric) = metadata.labels.get(FABRIC) else {
        if fabrics.contains(name) {
            return Err(format!(
                "pool {name:?} has the name of a fabric that it is no rail of: name it otherwise"
            ));
        }
        return Ok((name.clone(), 0));
    };
    let number = metadata.labels.get(RAIL).and_then(|rail| rail.parse::<usize>().ok());
    let Some(rail) = number.filter(|rail| (1..=MOST_RAILS).contains(rail)).map(|rail| rail - 1) else {
        return Err(format!("pool {name:?}: label {RAIL} is missing or no number from 1 to {MOST_RAILS}"));
    };
    match rails.insert((fabric.clone(), rail), name.clone()) {
        None => Ok((fabric.clone(), rail)),
        Some(other) => {
            rails.insert((fabric.clone(), rail), other.clone());
            Err(format!("pool {name:?}: rail {} of fabric {fabric:?} is pool {other:?} already", rail + 1))
        }
    }
}

fn offer(object: &SpiderIPPool, valid: &ipam::Pool, group: String, rail: usize) -> Offer {
    let spec = &object.spec;
    let allowed = match (&spec.node_affinity, spec.node_name.is_empty()) {
        (_, false) => Allowed::Names(spec.node_name.clone()),
        (Some(selector), true) if !selector.is_empty() => Allowed::Labels(selector.clone()),
        _ => Allowed::All,
    };
    let template = NodePool {
        name: valid.name.clone(),
        subnet: valid.subnet.to_string(),
        gateway: valid.gateway.map(|gateway| gateway.to_string()),
        routes: valid
            .routes
            .iter()
            .map(|route| Route { dst: route.dst.to_string(), gw: route.gw.to_string() })
            .collect(),
        namespaces: spec.namespace_name.clone(),
        networks: spec.multus_name.clone(),
        default: spec.default,
        sticky: spec.sticky,
        rest: spec.rest,
        nics: object.metadata.annotations.get(NICS).cloned().unwrap_or_default(),
        ..NodePool::default()
    };
    let offered = if valid.disabled { RangeSet::default() } else { valid.offered.clone() };
    Offer { group, rail, subnet: valid.subnet, offered, allowed, template }
}
