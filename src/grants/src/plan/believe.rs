//! What nodes say, taken over into the blocks: what they have given up, and what they have that no block gives them.

use ipam::{Range, RangeSet};
use ipnet::IpNet;

use super::Ledger;
use crate::block::{self, Block};
use crate::mask::BLOCK;
use crate::world::{Node, union};

impl Ledger<'_> {
    /// What nodes had that are no more. Their specs are emptied first, after the last grant: a node that comes back, however
    /// late, finds nothing there that somebody else may have by then.
    pub(super) fn release(&mut self) {
        let world = self.world;
        for (name, block) in &mut self.blocks {
            let Block { rails, since, .. } = block;
            let is_over = |node: &String| {
                let since = since.get(node).copied().unwrap_or(0);
                let emptied =
                    |node: &Node| node.spec.epoch >= since.max(node.status.epoch) && node.has_nothing();
                world.gone.contains(node) && world.nodes.get(node).is_none_or(emptied)
            };
            for rail in rails {
                let before = rail.owners.len();
                rail.owners.retain(|node, _| !is_over(node));
                if rail.owners.len() != before {
                    self.changed.insert(name.clone());
                }
            }
        }
    }

    /// Takes what nodes have given up.
    pub(super) fn believe(&mut self) {
        for (name, block) in &mut self.blocks {
            let Block { first, rails, since, .. } = block;
            for rail in rails {
                let Some(subnet) = rail.subnet else { continue };
                let owners = rail.owners.clone();
                for (node, places) in owners {
                    let Some(view) = self.world.nodes.get(&node) else { continue };
                    let given = given_up(view, &rail.pool, &subnet);
                    let given = block::places(&subnet, *first, &given).and(places);
                    let since = since.get(&node).copied().unwrap_or(i64::MAX);
                    let counts = view.status.epoch >= since || !self.rules.returns_since_grant;
                    if given.is_empty() || !counts {
                        continue;
                    }
                    rail.take(&node, given);
                    self.changed.insert(name.clone());
                    let believed = self.believed.entry(name.clone()).or_default();
                    *believed = view.status.epoch.max(*believed);
                }
            }
        }
    }

    /// Writes down what nodes have and no block says: of a block that was deleted, or put back to an older state.
    pub(super) fn adopt(&mut self) {
        let world = self.world;
        for (name, node) in &world.nodes {
            if world.gone.contains(name) {
                continue;
            }
            for (pool, held) in &node.pools {
                let claimed = match &held.held {
                    Some(held) if node.has_confirmed() => held.clone(),
                    _ if node.is_in_doubt() => continue,
                    _ => held.claimed(),
                };
                // A spec that was put back may be older than the pool on this node.
                let subnet = held.subnet.or_else(|| world.pools.get(pool).map(|offer| offer.subnet));
                if let Some(subnet) = subnet.filter(|_| !claimed.is_empty()) {
                    self.adopt_pool(name, pool, &subnet, &claimed);
                }
            }
        }
    }

    fn adopt_pool(&mut self, node: &str, pool: &str, subnet: &IpNet, claimed: &RangeSet) {
        let world = self.world;
        let offer = world.pools.get(pool).filter(|offer| offer.subnet == *subnet);
        for number in block::numbers(subnet, claimed) {
            let first = number * u64::from(BLOCK);
            let places = block::places(subnet, first, claimed);
            let found = self.blocks.iter().find_map(|(name, block)| {
                let rail = (block.first == first).then(|| block.rail_of(pool, subnet))??;
                Some((name.clone(), rail))
            });
            let (name, rail) = match (found, offer) {
                (Some(found), _) => found,
                (None, Some(offer)) => self.block_of(pool, offer, number),
                // A block of a pool that is no more, and that nobody can place again.
                (None, None) => continue,
            };
            let Some(block) = self.blocks.get_mut(&name) else { continue };
            if world.nodes.get(node).is_some_and(Node::has_confirmed) {
                // What it holds beyond doubt, no node can hold that is not there to say so.
                block.rails[rail].take_from(places, |owner| {
                    world.gone.contains(owner) || !world.nodes.contains_key(owner)
                });
            }
            let missing = places.without(block.rails[rail].owned());
            if !missing.is_empty() {
                block.rails[rail].give(node, missing);
                self.gained.insert((name.clone(), node.to_owned()));
                self.changed.insert(name);
            }
        }
    }

    /// Grants again what a block gives to a node and the node's spec lacks; after this, nothing that the node said before counts. Not
    /// if the block is newer than the spec: then the spec is written next anyway.
    pub(super) fn renew(&mut self) {
        let world = self.world;
        for (name, block) in &self.blocks {
            for rail in &block.rails {
                let Some(subnet) = rail.subnet else { continue };
                for (node, places) in &rail.owners {
                    let Some(view) = world.nodes.get(node).filter(|_| !world.gone.contains(node)) else {
                        continue;
                    };
                    if block.since(node) > view.spec.epoch {
                        continue;
                    }
                    let told = view.pools.get(&rail.pool).map(|held| union(&held.ranges, &held.drain));
                    let told = block::places(&subnet, block.first, &told.unwrap_or_default());
                    if !places.without(told).is_empty() {
                        self.gained.insert((name.clone(), node.clone()));
                        self.changed.insert(name.clone());
                    }
                }
            }
        }
    }
}

/// What a node says that it does not use any more.
fn given_up(node: &Node, pool: &str, subnet: &IpNet) -> RangeSet {
    let Some(held) = node.pools.get(pool) else { return RangeSet::default() };
    match &held.held {
        // All but what it holds, whatever an older state says.
        Some(own) if node.has_confirmed() => RangeSet::from(Range::subnet(subnet)).without(own),
        _ if node.is_in_doubt() => RangeSet::default(),
        _ => held.returned.clone(),
    }
}
