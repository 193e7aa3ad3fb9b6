//! What there is, as the objects say it, read once from their strings.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use api::{
    LabelSelector, Metadata, NodePool, RailNodeSpec, RailNodeStatus, Route, SpiderIPPool, SpiderReservedIP,
};
use ipam::{Catalog, RangeSet};
use ipnet::IpNet;
use serde_json::json;

use crate::block::{Block, ranges_of};
use crate::controller::Expected;
use crate::others::of_spiderpool;
use crate::pins::{pins_of, wishes_of};

/// The fabric that a pool is a rail of.
pub const FABRIC: &str = "railcni.dev/fabric";
/// Which rail of it, from 1.
pub const RAIL: &str = "railcni.dev/rail";
/// More rails than any node has: what a label may ask for.
const MOST_RAILS: usize = 64;

/// Everything that a decision depends on.
#[derive(Clone, Debug, Default)]
pub struct World {
    /// By name.
    pub pools: BTreeMap<String, Offer>,
    /// By name.
    pub nodes: BTreeMap<String, Node>,
    /// By name.
    pub blocks: BTreeMap<String, Block>,
    /// Nodes that are no more, or of whom an admin says so: what they had is free.
    pub gone: BTreeSet<String>,
}

/// A pool that has been validated.
#[derive(Clone, Debug)]
pub struct Offer {
    /// The fabric, or the pool itself.
    pub group: String,
    /// Its place in the group, from 0.
    pub rail: usize,
    /// Without host bits.
    pub subnet: IpNet,
    /// What may be granted: excluded and reserved addresses and the gateway are taken out.
    pub offered: RangeSet,
    /// The nodes that may have it.
    pub allowed: Allowed,
    /// What a node is told of it.
    pub template: NodePool,
}

/// The nodes that may have a pool.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Allowed {
    /// All.
    All,
    /// By name. A single one gets the pool whole.
    Names(Vec<String>),
    /// By label.
    Labels(LabelSelector),
}

/// A node that runs an agent.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Node {
    /// Of this object: another one of the same name has another.
    pub uid: String,
    /// Of the Node object.
    pub labels: BTreeMap<String, String>,
    /// What it has been told.
    pub spec: RailNodeSpec,
    /// What it says.
    pub status: RailNodeStatus,
    /// Both, by pool.
    pub pools: BTreeMap<String, Held>,
}

/// A pool on a node, read from its strings.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Held {
    /// Of the spec: the node was told to hand these out.
    pub ranges: RangeSet,
    /// Of the spec: the node was told to let go of these.
    pub drain: RangeSet,
    /// Of the spec.
    pub subnet: Option<IpNet>,
    /// Of the spec.
    pub give: u64,
    /// Of the status.
    pub need: u64,
    /// Of the status.
    pub used: u64,
    /// Of the status: the node has given these up.
    pub returned: RangeSet,
    /// Of the status: all that the node has, when it was asked.
    pub held: Option<RangeSet>,
    /// Of the status.
    pub most: Option<u64>,
    /// Of the status: owners that wait for the address that they had, and the mark of each wish.
    pub wishes: BTreeMap<String, String>,
    /// Of the status: who uses which address.
    pub pins: BTreeMap<IpAddr, String>,
}

impl Allowed {
    /// Whether a node may have addresses of the pool.
    pub fn contains(&self, name: &str, labels: &BTreeMap<String, String>) -> bool {
        match self {
            Self::All => true,
            Self::Names(names) => names.iter().any(|own| own == name),
            Self::Labels(selector) => selector.matches(labels),
        }
    }

    /// The one node that gets the pool whole.
    pub fn single(&self) -> Option<&str> {
        match self {
            Self::Names(names) if names.len() == 1 => names.first().map(String::as_str),
            _ => None,
        }
    }
}

impl Node {
    /// Reads both halves of the object. A string that is no range counts as empty: nothing is granted or believed by it.
    pub fn new(labels: BTreeMap<String, String>, spec: RailNodeSpec, status: RailNodeStatus) -> Self {
        let mut pools: BTreeMap<String, Held> = BTreeMap::new();
        let read = |text: &str| ranges_of(text).unwrap_or_default();
        let count = |number: i64| u64::try_from(number).unwrap_or(0);
        for pool in &spec.pools {
            let held = pools.entry(pool.name.clone()).or_default();
            held.ranges = read(&pool.ranges);
            held.drain = read(&pool.drain);
            held.subnet = pool.subnet.parse().ok();
            held.give = count(pool.give);
        }
        for pool in &status.pools {
            let held = pools.entry(pool.name.clone()).or_default();
            held.need = count(pool.need);
            held.used = count(pool.used);
            held.returned = read(&pool.returned);
            held.held = pool.held.as_deref().map(read);
            held.most = pool.most.map(count);
            held.wishes = wishes_of(&pool.owners);
            held.pins = pins_of(&pool.pins);
        }
        Self { uid: String::new(), labels, spec, status, pools }
    }

    /// Whether somebody waits here for the address that he had.
    pub(crate) fn has_wishes(&self) -> bool {
        self.pools.values().any(|held| !held.wishes.is_empty())
    }

    /// What it has to be for a new spec to replace the one that is known.
    pub(crate) fn expected(&self) -> Expected {
        Expected { uid: self.uid.clone(), epoch: self.spec.epoch }
    }

    /// Whether its spec gives it no address.
    pub fn has_nothing(&self) -> bool {
        self.pools.values().all(|held| held.ranges.is_empty() && held.drain.is_empty())
    }

    /// Whether the node has seen a newer spec than there is, or has been asked what it holds and has not answered yet.
    pub fn is_in_doubt(&self) -> bool {
        self.status.epoch > self.spec.epoch || (self.spec.confirm && !self.has_confirmed())
    }

    /// Whether the node has said all that it holds, under the spec that asked.
    pub fn has_confirmed(&self) -> bool {
        self.spec.confirm && self.status.epoch == self.spec.epoch
    }
}

impl Held {
    /// What the node was told to have and has not given up.
    pub fn claimed(&self) -> RangeSet {
        union(&self.ranges, &self.drain).without(&self.returned)
    }
}

/// Those of either.
pub(crate) fn union(one: &RangeSet, other: &RangeSet) -> RangeSet {
    one.ranges().iter().chain(other.ranges()).copied().collect()
}

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
        ..NodePool::default()
    };
    let offered = if valid.disabled { RangeSet::default() } else { valid.offered.clone() };
    Offer { group, rail, subnet: valid.subnet, offered, allowed, template }
}
