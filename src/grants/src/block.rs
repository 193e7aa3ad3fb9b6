//! A block of the ledger, read from its strings and written back.

mod places;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::net::IpAddr;

use api::RailBlockSpec;
use ipam::{Range, RangeSet};
use ipnet::IpNet;

use crate::mask::{BLOCK, Mask};
use crate::pins::pins_of;
pub(crate) use places::{address_of, addresses, index, numbers, places};

/// Nodes and their places on one rail.
pub(crate) type Owners = BTreeMap<String, Mask>;

/// Some indices of all rails of a group.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Block {
    /// The fabric, or the pool of none.
    pub group: String,
    /// The first index.
    pub first: u64,
    /// Grows with every change.
    pub epoch: i64,
    /// In their order.
    pub rails: Vec<Rail>,
    /// The epoch in which each owner last got an address here.
    pub since: BTreeMap<String, i64>,
}

/// One rail of a block.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Rail {
    /// The pool.
    pub pool: String,
    /// The subnet that indices count in; none where the group has no such rail.
    pub subnet: Option<IpNet>,
    /// Whose is what.
    pub owners: BTreeMap<String, Mask>,
    /// Of a sticky pool, who is to have which place again.
    pub pins: BTreeMap<u32, String>,
}

impl Block {
    /// A block in which everything is free.
    pub fn new(group: &str, number: u64) -> Self {
        let first = number * u64::from(BLOCK);
        Self { group: group.to_owned(), first, epoch: 0, rails: Vec::new(), since: BTreeMap::new() }
    }

    /// `gpu-0`: unique, for a group's name and the number are told apart by the last dash.
    pub fn name(&self) -> String {
        name(&self.group, self.first / u64::from(BLOCK))
    }

    /// Reads the object. What cannot be read decides nothing: its addresses stay where they are.
    pub fn read(spec: &RailBlockSpec) -> Result<Self, String> {
        let first = u64::try_from(spec.first).map_err(|_| format!("first {} is negative", spec.first))?;
        if spec.count != i64::from(BLOCK) || first % u64::from(BLOCK) != 0 {
            return Err(format!(
                "first {first} and count {} are not those of a block of {BLOCK}",
                spec.count
            ));
        }
        if spec.pools.len() != spec.rails.len() || spec.subnets.len() != spec.rails.len() {
            return Err("pools, subnets and rails are not of the same length".to_owned());
        }
        // A controller of an older release writes none.
        let pins = spec.pins.iter().map(String::as_str).chain(std::iter::repeat(""));
        let rails = spec.rails.iter().zip(&spec.pools).zip(&spec.subnets).zip(pins);
        let rail = |(((owners, pool), subnet), pins): (((&String, &String), &String), &str)| {
            let subnet = match subnet.as_str() {
                "" => None,
                text => Some(text.parse().map_err(|_| format!("subnet {text:?} is none"))?),
            };
            Ok(Rail { pool: pool.clone(), subnet, owners: owners_of(owners)?, pins: pinned_places(pins) })
        };
        let block = Self {
            group: spec.group.clone(),
            first,
            epoch: spec.epoch,
            rails: rails.map(rail).collect::<Result<_, String>>()?,
            since: pairs(&spec.since, |epoch| {
                epoch.parse().map_err(|_| format!("since: {epoch:?} is no epoch"))
            })?,
        };
        let owners = block.rails.iter().flat_map(|rail| rail.owners.keys());
        match owners.into_iter().find(|owner| !block.since.contains_key(*owner)) {
            Some(owner) => Err(format!("{owner} owns addresses since no epoch")),
            None => Ok(block),
        }
    }

    /// The object's spec.
    pub fn spec(&self) -> RailBlockSpec {
        let subnet = |rail: &Rail| rail.subnet.map_or(String::new(), |subnet| subnet.to_string());
        RailBlockSpec {
            group: self.group.clone(),
            first: i64::try_from(self.first).unwrap_or(i64::MAX),
            count: BLOCK.into(),
            epoch: self.epoch,
            pools: self.rails.iter().map(|rail| rail.pool.clone()).collect(),
            subnets: self.rails.iter().map(subnet).collect(),
            rails: self.rails.iter().map(|rail| text_of(&rail.owners)).collect(),
            since: text_of(&self.since),
            pins: self.pins(),
        }
    }

    fn pins(&self) -> Vec<String> {
        let has_none = self.rails.iter().all(|rail| rail.pins.is_empty());
        let rails = self.rails.iter().filter(|_| !has_none);
        rails.map(|rail| text_of(&rail.pins)).collect()
    }

    /// Whether the node has an address here.
    pub fn has(&self, node: &str) -> bool {
        self.rails.iter().any(|rail| rail.owners.contains_key(node))
    }

    /// The epoch in which the node last got an address here.
    pub fn since(&self, node: &str) -> i64 {
        self.since.get(node).copied().unwrap_or(0)
    }

    /// The pool and the node that may hand an address out.
    pub fn holder(&self, ip: IpAddr) -> Option<(&str, &str)> {
        let range = RangeSet::from(Range::one(ip));
        self.rails.iter().find_map(|rail| {
            let place = places(&rail.subnet.filter(|subnet| subnet.contains(&ip))?, self.first, &range);
            let (node, _) = rail.owners.iter().find(|(_, own)| !own.and(place).is_empty())?;
            Some((rail.pool.as_str(), node.as_str()))
        })
    }

    /// What each node may hand out of a pool here.
    pub fn of_pool(&self, pool: &str) -> impl Iterator<Item = (&str, RangeSet)> {
        let rails = self.rails.iter().filter(move |rail| rail.pool == pool);
        rails.filter_map(|rail| Some((rail, rail.subnet?))).flat_map(move |(rail, subnet)| {
            let owned = move |places: Mask| addresses(&subnet, self.first, places).collect();
            rail.owners.iter().map(move |(node, places)| (node.as_str(), owned(*places)))
        })
    }

    /// The rail of a pool. A pool of the same name and another subnet is another pool.
    pub fn rail_of(&self, pool: &str, subnet: &IpNet) -> Option<usize> {
        self.rails.iter().position(|rail| rail.pool == pool && rail.subnet == Some(*subnet))
    }
}

impl Rail {
    /// Every place that has an owner.
    pub fn owned(&self) -> Mask {
        self.owners.values().fold(Mask::default(), |all, own| all.or(*own))
    }

    /// The node that has a place.
    pub(crate) fn owner(&self, place: u32) -> Option<&str> {
        let has = |(_, own): &(&String, &Mask)| !own.and(Mask::one(place)).is_empty();
        self.owners.iter().find(has).map(|(node, _)| node.as_str())
    }

    /// Places that somebody is to have again.
    pub(crate) fn pinned(&self) -> Mask {
        self.pins.keys().fold(Mask::default(), |all, place| all.or(Mask::one(*place)))
    }

    /// Adds places to those of a node.
    pub fn give(&mut self, node: &str, places: Mask) {
        if !places.is_empty() {
            let own = self.owners.entry(node.to_owned()).or_default();
            *own = own.or(places);
        }
    }

    /// Takes places from all owners that are meant.
    pub fn take_from(&mut self, places: Mask, meant: impl Fn(&str) -> bool) {
        let owners = self.owners.keys().filter(|owner| meant(owner)).cloned().collect::<Vec<_>>();
        for owner in owners {
            self.take(&owner, places);
        }
    }

    /// Takes places from a node.
    pub fn take(&mut self, node: &str, places: Mask) {
        if let Some(own) = self.owners.get_mut(node) {
            *own = own.without(places);
            if own.is_empty() {
                self.owners.remove(node);
            }
        }
    }
}

/// The object's name.
pub(crate) fn name(group: &str, number: u64) -> String {
    format!("{group}-{number}")
}

/// `worker-1=0-7,16;worker-2=8-15`
pub fn owners_of(text: &str) -> Result<BTreeMap<String, Mask>, String> {
    let owners: Owners = pairs(text, str::parse)?;
    let mut seen = Mask::default();
    for (node, places) in &owners {
        if !seen.and(*places).is_empty() {
            return Err(format!("{node} and another node both own place {}", seen.and(*places)));
        }
        seen = seen.or(*places);
    }
    Ok(owners)
}

/// `7=ai/train-0/net1;9=ai/train-1/net1`. They say who would like to have a place, and nothing of whose it is.
fn pinned_places(text: &str) -> BTreeMap<u32, String> {
    let mut pins = pins_of(text);
    pins.retain(|place, _| *place < BLOCK);
    pins
}

/// The same as text.
pub(crate) fn text_of<K: ToString, T: ToString>(owners: &BTreeMap<K, T>) -> String {
    let entries = owners.iter().map(|(key, value)| format!("{}={}", key.to_string(), value.to_string()));
    entries.collect::<Vec<_>>().join(";")
}

fn pairs<T>(text: &str, parse: impl Fn(&str) -> Result<T, String>) -> Result<BTreeMap<String, T>, String> {
    let mut all = BTreeMap::new();
    for entry in text.split(';').filter(|entry| !entry.is_empty()) {
        let (node, value) = entry.split_once('=').ok_or_else(|| format!("{entry:?} is not NODE=PLACES"))?;
        if node.is_empty() || all.insert(node.to_owned(), parse(value)?).is_some() {
            return Err(format!("{entry:?}: the node is missing or repeated"));
        }
    }
    Ok(all)
}

/// `172.16.1.1-172.16.1.8,172.16.1.17`
pub fn ranges_of(text: &str) -> Result<RangeSet, String> {
    let parts = text.split(',').filter(|part| !part.is_empty());
    parts.map(|part| part.parse::<Range>().map_err(|error| error.to_string())).collect()
}

/// The same as text.
pub fn ranges_text(ranges: &RangeSet) -> String {
    ranges.ranges().iter().map(Range::to_string).collect::<Vec<_>>().join(",")
}
