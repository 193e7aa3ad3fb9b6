//! Asking nodes that have more than they need for the sake of those that have less.

use std::collections::BTreeMap;

use crate::world::{Held, Node, World};

/// How long a node may think before others are asked, in milliseconds.
pub const PATIENCE: u64 = 1_000;

/// Who was asked for what, and when. Forgetting it costs nothing but time.
#[derive(Clone, Debug, Default)]
pub struct Recall {
    asked: BTreeMap<(String, String), Asked>,
}

#[derive(Clone, Copy, Debug)]
struct Asked {
    give: u64,
    at: u64,
}

impl Recall {
    /// What each node is to give of each pool, all in all. What has been asked for stays asked while anybody wants it.
    pub fn gives(
        &mut self,
        world: &World,
        unmet: &BTreeMap<String, u64>,
        now: u64,
    ) -> BTreeMap<String, BTreeMap<String, u64>> {
        let mut gives: BTreeMap<String, BTreeMap<String, u64>> = BTreeMap::new();
        for (pool, missing) in unmet {
            for (node, give) in self.of_pool(world, pool, *missing, now) {
                gives.entry(node).or_default().insert(pool.clone(), give);
            }
        }
        let still =
            |key: &(String, String)| gives.get(&key.0).is_some_and(|pools| pools.contains_key(&key.1));
        self.asked.retain(|key, _| still(key));
        for (node, pools) in &gives {
            for (pool, give) in pools {
                let asked =
                    self.asked.entry((node.clone(), pool.clone())).or_insert(Asked { give: 0, at: now });
                if asked.give != *give {
                    *asked = Asked { give: *give, at: now };
                }
            }
        }
        gives
    }

    fn of_pool(&self, world: &World, pool: &str, missing: u64, now: u64) -> BTreeMap<String, u64> {
        let here = world.nodes.iter().filter(|(name, _)| !world.gone.contains(*name));
        let mut donors = here.filter_map(|(name, node)| Some((name, donor(node, pool)?))).collect::<Vec<_>>();
        let mut gives = BTreeMap::new();
        let mut expected = 0;
        for (name, donor) in &donors {
            if donor.promised() > 0 {
                gives.insert((*name).clone(), donor.returned + donor.promised());
            }
            let is_late = self.is_late(name, pool, now);
            expected += donor.returned + if is_late { 0 } else { donor.promised() };
        }
        // Who has most, first.
        donors.sort_by_key(|(name, donor)| (std::cmp::Reverse(donor.surplus), *name));
        for (name, donor) in donors {
            if expected >= missing {
                break;
            }
            let more = donor.surplus.saturating_sub(donor.promised()).min(missing - expected);
            if more > 0 && !self.is_late(name, pool, now) {
                gives.insert(name.clone(), donor.returned + donor.promised() + more);
                expected += more;
            }
        }
        gives
    }

    /// Whether the node was asked long ago and has not answered in full.
    fn is_late(&self, node: &str, pool: &str, now: u64) -> bool {
        let asked = self.asked.get(&(node.to_owned(), pool.to_owned()));
        asked.is_some_and(|asked| now.saturating_sub(asked.at) >= PATIENCE)
    }
}

/// A node that has more of a pool than it needs.
struct Donor {
    /// Given up already, and not yet taken.
    returned: u64,
    /// Beyond its need.
    surplus: u64,
    /// As its spec has it.
    asked: u64,
}

impl Donor {
    /// What it has been asked for, has, and has not given yet.
    fn promised(&self) -> u64 {
        self.asked.saturating_sub(self.returned).min(self.surplus)
    }
}

fn donor(node: &Node, pool: &str) -> Option<Donor> {
    let Held { ranges, returned, need, give, .. } = node.pools.get(pool)?;
    let count = |number: u128| u64::try_from(number).unwrap_or(u64::MAX);
    let returned_here = count(ranges.common(returned).len());
    let has = count(ranges.len()) - returned_here;
    Some(Donor { returned: returned_here, surplus: has.saturating_sub(*need), asked: *give })
}
