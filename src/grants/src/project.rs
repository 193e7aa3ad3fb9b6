//! From the blocks to what a node is told.

use std::collections::BTreeMap;
use std::net::IpAddr;

use api::{NodePool, RailNodeSpec};
use ipam::RangeSet;

use crate::block::{self, ranges_text, text_of};
use crate::mask::Mask;
use crate::pins::{self, Told};
use crate::plan::Rules;
use crate::world::{Node, World, union};

/// How far an epoch jumps when the API server knows less than a node: beyond everything that the node can have seen.
const JUMP: i64 = 1 << 20;

/// What the node should be told, if that is not what it has been told. `give` is what it is asked to give back, by pool.
pub fn project(
    world: &World,
    name: &str,
    give: &BTreeMap<String, u64>,
    rules: Rules,
) -> Option<RailNodeSpec> {
    project_with(world, &free(world), name, give, rules)
}

/// The same for one of many nodes: what no node has is counted once for all.
pub(crate) fn project_with(
    world: &World,
    free: &BTreeMap<&str, i64>,
    name: &str,
    give: &BTreeMap<String, u64>,
    rules: Rules,
) -> Option<RailNodeSpec> {
    let node = world.nodes.get(name)?;
    let is_gone = world.gone.contains(name);
    let (mut pools, since) =
        if is_gone { nothing(world, name) } else { pools(world, name, node, give, rules) };
    // A grant that came to nothing still bars what the node says before it has seen a newer epoch.
    let is_told = same(&pools, &node.spec.pools) && since <= node.spec.epoch;
    // A node that is gone and has seen more than the API server knows would not obey, should it come back.
    let is_told = is_told && !(is_gone && node.status.epoch > node.spec.epoch);
    let waits = node.status.waits && node.status.epoch >= node.spec.epoch;
    if is_told && !node.spec.confirm && !waits {
        return None;
    }
    for pool in &mut pools {
        pool.free = free.get(pool.name.as_str()).copied();
    }
    Some(RailNodeSpec {
        epoch: since.max(node.spec.epoch + 1).max(node.status.epoch + 1),
        confirm: false,
        pools,
    })
}

/// A node that is no more has nothing, from after its last grant on.
fn nothing(world: &World, name: &str) -> (Vec<NodePool>, i64) {
    (Vec::new(), granted_since(world, name))
}

/// The epoch in which a node last got something of any block; 0 if it has nothing.
pub(crate) fn granted_since(world: &World, name: &str) -> i64 {
    let blocks = world.blocks.values().filter(|block| block.has(name));
    blocks.map(|block| block.since(name)).max().unwrap_or(0)
}

/// The question what a node holds: nothing of what it has been told changes. It names every pool with its subnet, as a node that
/// has lost its memory knows the addresses that its pods have, and not which pool they are of. It is newer than what the blocks last gave to
/// the node: an older answer would not count.
pub(crate) fn question(world: &World, name: &str, node: &Node, rules: Rules) -> RailNodeSpec {
    let epoch = node.spec.epoch.max(node.status.epoch).max(granted_since(world, name)) + JUMP;
    let mut pools = node.spec.pools.clone();
    for (name, offer) in world.pools.iter().filter(|_| rules.questions_name_pools) {
        if pools.iter().all(|pool| pool.name != *name) {
            pools.push(NodePool {
                name: name.clone(),
                subnet: offer.subnet.to_string(),
                ..NodePool::default()
            });
        }
    }
    RailNodeSpec { epoch, confirm: true, pools }
}

/// All pools that the node may have, and those of which it has something; and the newest epoch of what is in them.
fn pools(
    world: &World,
    name: &str,
    node: &Node,
    give: &BTreeMap<String, u64>,
    rules: Rules,
) -> (Vec<NodePool>, i64) {
    let mut pools: BTreeMap<String, (RangeSet, RangeSet, NodePool)> = BTreeMap::new();
    for (pool, offer) in &world.pools {
        if offer.allowed.contains(name, &node.labels) {
            pools.insert(pool.clone(), (RangeSet::default(), RangeSet::default(), offer.template.clone()));
        }
    }
    let Told { called_for, mut answers } = pins::told(world, name);
    let mut pinned: BTreeMap<String, BTreeMap<IpAddr, &str>> = BTreeMap::new();
    let mut newest = 0;
    for block in world.blocks.values().filter(|block| block.has(name)) {
        newest = newest.max(block.since(name));
        for rail in &block.rails {
            let (Some(subnet), Some(places)) = (rail.subnet, rail.owners.get(name)) else { continue };
            let held = node.pools.get(&rail.pool).cloned().unwrap_or_default();
            let told = block::places(&subnet, block.first, &union(&held.ranges, &held.drain));
            let is_newer = block.since(name) > node.spec.epoch || !rules.additions_are_newer;
            let places = if is_newer { *places } else { places.and(told) };
            let offer = world.pools.get(&rail.pool).filter(|offer| {
                offer.subnet == subnet
                    && offer.group == block.group
                    && offer.allowed.contains(name, &node.labels)
            });
            let offered =
                offer.map_or(Mask::default(), |offer| block::places(&subnet, block.first, &offer.offered));
            let (ranges, drain, _) = pools.entry(rail.pool.clone()).or_insert_with(|| {
                let template =
                    NodePool { name: rail.pool.clone(), subnet: subnet.to_string(), ..NodePool::default() };
                (RangeSet::default(), RangeSet::default(), template)
            });
            let addresses = |places| block::addresses(&subnet, block.first, places).collect::<RangeSet>();
            let called = called_for.get(&rail.pool).map(|ips| block::places(&subnet, block.first, ips));
            let kept = offered.without(called.unwrap_or_default());
            *ranges = union(ranges, &addresses(places.and(kept)));
            *drain = union(drain, &addresses(places.without(kept)));
            let of_rail = pinned.entry(rail.pool.clone()).or_default();
            for (place, owner) in
                rail.pins.iter().filter(|(place, _)| !places.and(Mask::one(**place)).is_empty())
            {
                of_rail
                    .extend(block::address_of(&subnet, block.first, *place).map(|ip| (ip, owner.as_str())));
            }
        }
    }
    let mut told = |(ranges, drain, template): (RangeSet, RangeSet, NodePool)| NodePool {
        pins: template.sticky.then(|| pinned.get(&template.name).map(text_of).unwrap_or_default()),
        owners: answers.remove(&template.name).unwrap_or_default(),
        ranges: ranges_text(&ranges),
        drain: ranges_text(&drain),
        give: give.get(&template.name).and_then(|give| i64::try_from(*give).ok()).unwrap_or(0),
        ..template
    };
    (pools.into_values().map(&mut told).collect(), newest)
}

/// How many addresses of each pool no node has.
pub(crate) fn free(world: &World) -> BTreeMap<&str, i64> {
    let mut granted: BTreeMap<&str, i64> = BTreeMap::new();
    for rail in world.blocks.values().flat_map(|block| &block.rails) {
        *granted.entry(&rail.pool).or_default() += i64::from(rail.owned().len());
    }
    let mut free = BTreeMap::new();
    for (name, offer) in &world.pools {
        let granted = granted.get(name.as_str()).copied().unwrap_or(0);
        free.extend(i64::try_from(offer.offered.len()).ok().map(|all| (name.as_str(), all - granted)));
    }
    free
}

/// How many addresses of a pool nodes have.
pub(crate) fn granted(world: &World, pool: &str) -> i64 {
    let rails = world.blocks.values().flat_map(|block| &block.rails).filter(|rail| rail.pool == pool);
    rails.map(|rail| i64::from(rail.owned().len())).sum()
}

/// Whether two specs say the same; a figure for messages is not worth a write.
fn same(one: &[NodePool], other: &[NodePool]) -> bool {
    let silent = |pools: &[NodePool]| {
        let mut pools = pools.to_vec();
        for pool in &mut pools {
            pool.free = None;
        }
        pools.sort_by(|one, other| one.name.cmp(&other.name));
        pools
    };
    silent(one) == silent(other)
}
