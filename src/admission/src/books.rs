//! Who may have the addresses that a pool is about to lose, by the cluster's own books: a block says which node may hand an address out, and the node how many
//! it has in use. What a pod says of itself, in an annotation that its owner can write, says no more than which address it is.

use std::collections::{BTreeMap, BTreeSet};

use api::{PoolUse, RailBlockSpec};
use grants::Block;
use ipam::RangeSet;

use crate::pool::{losing, name};
use crate::request::Request;
use crate::users::User;

/// How many nodes' pods are asked for their names, where it is certain already that some have addresses.
const NAMED: usize = 5;

/// What blocks and nodes say.
#[derive(Clone, Debug, Default)]
pub struct Books {
    blocks: Vec<Block>,
    /// Pools of blocks that cannot be read, and why.
    unreadable: BTreeMap<String, String>,
    /// Addresses in use, by node and pool.
    used: BTreeMap<String, BTreeMap<String, u64>>,
}

/// What a node may lose.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Loss {
    /// Its name.
    pub node: String,
    /// Those of the pool that it may hand out, and is to lose.
    pub addresses: RangeSet,
    /// How many of them are certainly in use: more than what it keeps.
    pub certain: u64,
    /// Pods of this node that say which of them they have.
    pub pods: Vec<User>,
}

impl Books {
    /// Adds a block.
    pub fn add_block(&mut self, spec: &RailBlockSpec) {
        match Block::read(spec) {
            Ok(block) => self.blocks.push(block),
            Err(problem) => {
                let problem = format!("a block of {}: {problem}", spec.group);
                self.unreadable.extend(spec.pools.iter().map(|pool| (pool.clone(), problem.clone())));
            }
        }
    }

    /// Adds what a node says of its use.
    pub fn add_node(&mut self, node: &str, pools: &[PoolUse]) {
        let used = pools.iter().map(|pool| (pool.name.clone(), u64::try_from(pool.used).unwrap_or(u64::MAX)));
        self.used.insert(node.to_owned(), used.collect());
    }

    /// What nodes may lose, by the edit of a pool. A node that uses none of it loses nothing.
    pub fn losses(&self, request: &Request) -> Result<Vec<Loss>, String> {
        let (pool, losing) = (name(&request.old_object), losing(request));
        if let Some(problem) = self.unreadable.get(pool).filter(|_| !losing.is_empty()) {
            return Err(problem.clone());
        }
        let mut granted: BTreeMap<&str, RangeSet> = BTreeMap::new();
        for (node, ranges) in self.blocks.iter().flat_map(|block| block.of_pool(pool)) {
            let all = granted.entry(node).or_default();
            *all = std::mem::take(all).joined(ranges);
        }
        Ok(granted
            .into_iter()
            .filter_map(|(node, granted)| self.loss(pool, node, &granted, &losing))
            .collect())
    }

    fn loss(&self, pool: &str, node: &str, granted: &RangeSet, losing: &RangeSet) -> Option<Loss> {
        let addresses = granted.common(losing);
        // A node that says nothing of the pool has not seen it yet, or not said so: what pods say of it counts.
        let used = self.used.get(node)?.get(pool).copied();
        if addresses.is_empty() || used == Some(0) {
            return None;
        }
        let kept = granted.len() - addresses.len();
        let certain = u128::from(used.unwrap_or(0)).saturating_sub(kept);
        let certain = u64::try_from(certain).unwrap_or(u64::MAX);
        Some(Loss { node: node.to_owned(), addresses, certain, pods: Vec::new() })
    }
}

/// The nodes whose pods are to be asked which addresses they have: a few for their names, where the answer is certain, else all.
pub fn asked(losses: &[Loss]) -> BTreeSet<String> {
    let certain: BTreeSet<_> =
        losses.iter().filter(|loss| loss.certain > 0).map(|loss| loss.node.clone()).take(NAMED).collect();
    if certain.is_empty() { losses.iter().map(|loss| loss.node.clone()).collect() } else { certain }
}
