//! From what there is to what the blocks should say: all wishes of a moment in one pass.

mod believe;
mod choose;
mod pin;

use std::collections::{BTreeMap, BTreeSet};

use ipam::RangeSet;

use crate::block::{self, Block, Rail};
use crate::mask::{BLOCK, Mask};
use crate::world::{Offer, World};

/// How much a node gets beyond its need.
#[derive(Clone, Copy, Debug)]
pub struct Policy {
    /// At least so many.
    pub spare: u64,
    /// And at least this part of its need.
    pub part: u64,
    /// Neighbours that are granted together, while there is plenty.
    pub run: u32,
}

impl Default for Policy {
    fn default() -> Self {
        Self { spare: 4, part: 4, run: 8 }
    }
}

/// Rules of the protocol. In service all of them hold; tests break one at a time, to see that the auditor notices.
#[expect(clippy::struct_excessive_bools, reason = "each is a rule that a test breaks")]
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// What a node has given up counts only if it was said after the node last got an address of the block.
    pub returns_since_grant: bool,
    /// An address enters a spec only from a block that is newer than the spec for this node; where a spec lacks what a block has for
    /// the node, the block is written first.
    pub additions_are_newer: bool,
    /// A node that has seen more than the API server knows is asked before anything is granted.
    pub doubt_is_cleared: bool,
    /// After a restore, answers that the backup has count for nothing: it was made while nodes were asked.
    pub answers_are_new: bool,
    /// A node whose object is deleted, or was put back to a time before it was made, is waited for.
    pub deleted_are_awaited: bool,
    /// A question names all pools: a node without a memory knows no other.
    pub questions_name_pools: bool,
    /// An object that a list shows in an older version than before tells of a restore as a list of an older version does.
    pub older_objects_are_noticed: bool,
    /// After a restore, no block counts that was seen before it.
    pub blocks_are_read: bool,
    /// What a node says of the owners of its addresses counts only if it was said after the node last heard of them.
    pub owners_since_pinned: bool,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            returns_since_grant: true,
            additions_are_newer: true,
            doubt_is_cleared: true,
            answers_are_new: true,
            deleted_are_awaited: true,
            questions_name_pools: true,
            older_objects_are_noticed: true,
            blocks_are_read: true,
            owners_since_pinned: true,
        }
    }
}

/// What is to change.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// Blocks that are new or different, with the epoch that they were read in (none for a new one).
    pub blocks: Vec<Block>,
    /// By pool, what could not be granted.
    pub unmet: BTreeMap<String, u64>,
}

/// Decides. The same world gives the same plan.
pub fn plan(world: &World, policy: &Policy, rules: Rules) -> Plan {
    let mut ledger = Ledger::new(world, rules);
    ledger.release();
    ledger.believe();
    ledger.adopt();
    let doubt =
        rules.doubt_is_cleared && world.nodes.values().any(|node| node.is_in_doubt() || node.spec.confirm);
    let mut unmet = BTreeMap::new();
    if !doubt {
        if rules.additions_are_newer {
            ledger.renew();
        }
        ledger.pin();
        ledger.send();
        ledger.find_homes();
        for (name, offer) in &world.pools {
            let missing = ledger.grant(name, offer, policy);
            if missing > 0 {
                unmet.insert(name.clone(), missing);
            }
        }
    }
    Plan { blocks: ledger.finish(), unmet }
}

/// The blocks while they are being changed.
struct Ledger<'w> {
    world: &'w World,
    rules: Rules,
    blocks: BTreeMap<String, Block>,
    changed: BTreeSet<String>,
    /// Who has got something of a block.
    gained: BTreeSet<(String, String)>,
    /// The newest epoch whose word was believed in a block.
    believed: BTreeMap<String, i64>,
    /// By node, the blocks in which it has something before it is granted more: group and number.
    homes: BTreeMap<String, BTreeSet<(String, u64)>>,
}

impl<'w> Ledger<'w> {
    fn new(world: &'w World, rules: Rules) -> Self {
        let blocks = world.blocks.clone();
        let (changed, gained, believed, homes) = Default::default();
        Self { world, rules, blocks, changed, gained, believed, homes }
    }

    /// A look at every block for each node that wants something would be millions in a large cluster.
    fn find_homes(&mut self) {
        for block in self.blocks.values() {
            let home = (block.group.clone(), block.first / u64::from(BLOCK));
            for node in block.rails.iter().flat_map(|rail| rail.owners.keys()) {
                self.homes.entry(node.clone()).or_default().insert(home.clone());
            }
        }
    }

    /// The block of that number with the pool's rail in it; a new one where there is none.
    fn block_of(&mut self, pool: &str, offer: &Offer, number: u64) -> (String, usize) {
        let name = block::name(&offer.group, number);
        let block = self.blocks.entry(name.clone()).or_insert_with(|| Block::new(&offer.group, number));
        while block.rails.len() <= offer.rail {
            block.rails.push(Rail::default());
        }
        let rail = &mut block.rails[offer.rail];
        if rail.owners.is_empty() && (rail.pool != pool || rail.subnet != Some(offer.subnet)) {
            *rail = Rail { pool: pool.to_owned(), subnet: Some(offer.subnet), ..Rail::default() };
        }
        (name, offer.rail)
    }

    /// The places of a block that the pool could still grant.
    fn free(&self, pool: &str, offer: &Offer, offered: &RangeSet, number: u64) -> Mask {
        let places = block::places(&offer.subnet, number * u64::from(BLOCK), offered);
        let Some(block) = self.blocks.get(&block::name(&offer.group, number)) else { return places };
        match block.rails.get(offer.rail) {
            Some(rail) if rail.owners.is_empty() => places,
            Some(rail) if rail.pool == pool && rail.subnet == Some(offer.subnet) => {
                places.without(rail.owned())
            }
            Some(_) => Mask::default(),
            None => places,
        }
    }

    /// What nodes hold of pools that are no more, or have moved: nobody else may have it before it comes back.
    fn orphans(&self) -> RangeSet {
        let rails = self.blocks.values().flat_map(|block| block.rails.iter().map(move |rail| (block, rail)));
        let orphaned = rails.filter(|(block, rail)| {
            let offer = self.world.pools.get(&rail.pool);
            offer.is_none_or(|offer| rail.subnet != Some(offer.subnet) || offer.group != block.group)
        });
        let addresses = orphaned.flat_map(|(block, rail)| {
            let places = rail.owned();
            rail.subnet.into_iter().flat_map(move |subnet| block::addresses(&subnet, block.first, places))
        });
        addresses.collect()
    }

    /// Raises the epochs of what has changed.
    fn finish(mut self) -> Vec<Block> {
        for (name, node) in &self.gained {
            let epoch = self.world.nodes.get(node).map_or(0, |node| node.spec.epoch.max(node.status.epoch));
            let believed = self.believed.entry(name.clone()).or_default();
            *believed = epoch.max(*believed);
        }
        let mut changed = Vec::with_capacity(self.changed.len());
        for name in &self.changed {
            let Some(mut block) = self.blocks.remove(name) else { continue };
            block.epoch = block.epoch.max(self.believed.get(name).copied().unwrap_or(0)) + 1;
            for (_, node) in self.gained.iter().filter(|(gained, _)| gained == name) {
                block.since.insert(node.clone(), block.epoch);
            }
            let owners =
                block.rails.iter().flat_map(|rail| rail.owners.keys()).cloned().collect::<BTreeSet<_>>();
            block.since.retain(|node, _| owners.contains(node));
            changed.push(block);
        }
        changed
    }
}
