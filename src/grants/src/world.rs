//! What there is, as the objects say it, read once from their strings.

mod offers;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use api::{LabelSelector, NodePool, RailNodeSpec, RailNodeStatus};
use ipam::RangeSet;
use ipnet::IpNet;

use crate::block::{Block, ranges_of};
use crate::controller::Expected;
use crate::pins::{pins_of, wishes_of};
pub use offers::{FABRIC, NICS, RAIL, offers};

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
