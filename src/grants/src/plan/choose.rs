//! Which addresses a node gets: neighbours while there is plenty, single ones when there is not, and the same places on all
//! rails where that can be.

use std::collections::BTreeMap;

use ipam::RangeSet;

use crate::block::{self, Rail};
use crate::mask::{BLOCK, Mask};
use crate::plan::{Ledger, Policy};
use crate::world::Offer;

/// A pool with one node goes to it whole, unless it is larger than anybody can use.
const WHOLE: u128 = 1 << 16;
/// Free addresses beyond what is asked for that are looked for, to know whether there is plenty.
const AHEAD: u64 = 1 << 16;

/// The free places of a pool, block by block, as far as they have been looked for.
#[derive(Default)]
struct Free {
    blocks: BTreeMap<u64, Mask>,
    /// Those that somebody is to have again.
    pinned: BTreeMap<u64, Mask>,
}

impl Free {
    fn len(&self) -> u64 {
        self.blocks.values().map(|places| u64::from(places.len())).sum()
    }

    fn with_pinned(&self) -> u64 {
        self.len() + self.pinned.values().map(|places| u64::from(places.len())).sum::<u64>()
    }

    /// Nothing but those that somebody is to have again is left.
    fn take_pinned(&mut self) {
        for (number, pinned) in std::mem::take(&mut self.pinned) {
            let places = self.blocks.entry(number).or_default();
            *places = places.or(pinned);
        }
    }

    fn add(&mut self, number: u64, places: Mask, pinned: Mask) {
        for (blocks, places) in
            [(&mut self.blocks, places.without(pinned)), (&mut self.pinned, places.and(pinned))]
        {
            if !places.is_empty() {
                blocks.insert(number, places);
            }
        }
    }
}

/// A node's demand.
struct Demand<'w> {
    node: &'w str,
    /// Addresses that pods use or wait for, and that the node does not have.
    hard: u64,
    /// What it would rather have beyond that, so that it need not ask again.
    soft: u64,
    /// It never wants more than both, for it has no more VFs, or the pool is its own.
    is_bounded: bool,
}

impl<'w> Ledger<'w> {
    /// Meets the demands for a pool, the needs of all before the spares of any. Returns what was missing.
    pub(super) fn grant(&mut self, pool: &str, offer: &Offer, policy: &Policy) -> u64 {
        let demands = self.demands(pool, offer, policy);
        let sum = |part: fn(&Demand<'w>) -> u64| demands.iter().map(part).sum::<u64>();
        let (hard, soft) = (sum(|demand| demand.hard), sum(|demand| demand.soft));
        if hard + soft == 0 {
            return 0;
        }
        let offered = offer.offered.without(&self.orphans());
        let all = hard.saturating_add(soft);
        let mut free = self.look(pool, offer, &offered, all);
        if hard > free.with_pinned() {
            free.take_pinned();
            return self.share(pool, offer, &demands, &mut free);
        }
        // Where there is one for each VF of all nodes, nobody can ever lack what another has.
        let fits = all <= free.len() && demands.iter().all(|demand| demand.is_bounded);
        let reserve = if fits { 0 } else { quarter(&offered) };
        let ahead = free.len().saturating_sub(hard.saturating_add(reserve));
        let run = if fits || ahead > 0 { policy.run } else { 1 };
        for demand in &demands {
            let first = demand.hard.min(free.len());
            self.give(pool, offer, demand.node, first, &mut free, run);
            if first < demand.hard {
                free.take_pinned();
                self.give(pool, offer, demand.node, demand.hard - first, &mut free, run);
            }
        }
        let spares = shares(&demands, ahead, |demand| demand.soft);
        for (demand, spare) in demands.iter().zip(spares) {
            // What VFs ask for is large, and is shared; a spare of pods is small, and whole: it saves the next question.
            let spare = if ahead > 0 && !demand.is_bounded { demand.soft } else { spare };
            self.give(pool, offer, demand.node, spare.min(free.len()), &mut free, run);
        }
        0
    }

    /// There is not enough: one each, until nothing is left.
    fn share(&mut self, pool: &str, offer: &Offer, demands: &[Demand<'_>], free: &mut Free) -> u64 {
        let mut got = shares(demands, free.len(), |demand| demand.hard);
        for (demand, got) in demands.iter().zip(&mut got) {
            *got = self.give(pool, offer, demand.node, *got, free, 1);
        }
        // What is dead for one is another's.
        for (demand, got) in demands.iter().zip(&mut got) {
            *got += self.give(pool, offer, demand.node, demand.hard - *got, free, 1);
        }
        demands.iter().zip(got).map(|(demand, got)| demand.hard - got).sum()
    }

    /// In the order of their names.
    fn demands(&self, pool: &str, offer: &Offer, policy: &Policy) -> Vec<Demand<'w>> {
        let world = self.world;
        let usable = self.usable(pool, offer);
        let mut demands = Vec::new();
        for (name, node) in world.nodes.iter().filter(|(name, _)| !world.gone.contains(*name)) {
            if !offer.allowed.contains(name, &node.labels) {
                continue;
            }
            let has = usable.get(name.as_str()).copied().unwrap_or(0);
            let demand = demand(
                name,
                offer,
                node.pools.get(pool).map_or((0, None), |own| (own.need, own.most)),
                has,
                policy,
            );
            demands.push(demand);
        }
        demands
    }

    /// How many addresses each node has that it can hand out.
    fn usable(&self, pool: &str, offer: &Offer) -> BTreeMap<&str, u64> {
        let mut usable = BTreeMap::new();
        for block in self.blocks.values().filter(|block| block.group == offer.group) {
            let Some(rail) = block.rail_of(pool, &offer.subnet) else { continue };
            let offered = block::places(&offer.subnet, block.first, &offer.offered);
            for (node, own) in &block.rails[rail].owners {
                let returned =
                    self.world.nodes.get(node).and_then(|node| Some(&node.pools.get(pool)?.returned));
                let returned = returned.filter(|returned| !returned.is_empty());
                let returned = returned.map(|returned| block::places(&offer.subnet, block.first, returned));
                let own = own.and(offered).without(returned.unwrap_or_default());
                *usable.entry(node.as_str()).or_default() += u64::from(own.len());
            }
        }
        usable
    }

    /// The pool's free places: enough for what is wanted, and to know whether there is plenty.
    fn look(&self, pool: &str, offer: &Offer, offered: &RangeSet, wanted: u64) -> Free {
        let mut free = Free::default();
        let mut found = 0;
        for number in block::numbers(&offer.subnet, offered) {
            let places = self.free(pool, offer, offered, number);
            if !places.is_empty() {
                found += u64::from(places.len());
                free.add(number, places, self.pinned_in(pool, offer, number));
            }
            if found > wanted.saturating_add(AHEAD) {
                break;
            }
        }
        free
    }

    /// The places of a block that somebody is to have again.
    fn pinned_in(&self, pool: &str, offer: &Offer, number: u64) -> Mask {
        let block = self.blocks.get(&block::name(&offer.group, number));
        let rail = block.and_then(|block| block.rails.get(block.rail_of(pool, &offer.subnet)?));
        rail.map_or(Mask::default(), Rail::pinned)
    }

    /// Gives so many addresses to a node, as far as there are any that are not dead there; how many.
    fn give(&mut self, pool: &str, offer: &Offer, node: &str, count: u64, free: &mut Free, run: u32) -> u64 {
        let mut left = u32::try_from(count).unwrap_or(u32::MAX);
        let dead = self.dead(node, pool);
        while left > 0 {
            let Some((number, places)) = self.choose(offer, node, left, (free, dead), run) else { break };
            let (name, rail) = self.block_of(pool, offer, number);
            if let Some(block) = self.blocks.get_mut(&name) {
                block.rails[rail].give(node, places);
            }
            self.gained.insert((name.clone(), node.to_owned()));
            self.changed.insert(name);
            self.homes.entry(node.to_owned()).or_default().insert((offer.group.clone(), number));
            left -= places.len();
            let rest = free.blocks.get(&number).copied().unwrap_or_default().without(places);
            if rest.is_empty() {
                free.blocks.remove(&number)
            } else {
                free.blocks.insert(number, rest)
            };
        }
        count.saturating_sub(left.into())
    }

    /// What a node has given up, and may not use again before a spec has come without it.
    pub(super) fn dead(&self, node: &str, pool: &str) -> Option<&'w RangeSet> {
        let held = self.world.nodes.get(node)?.pools.get(pool)?;
        Some(&held.returned).filter(|returned| !returned.is_empty())
    }

    /// First what the node has on other rails, then what is beside its own, then a run of its own, then anything.
    fn choose(
        &self,
        offer: &Offer,
        node: &str,
        left: u32,
        (free, dead): (&Free, Option<&RangeSet>),
        run: u32,
    ) -> Option<(u64, Mask)> {
        let mut beside = None;
        let alive = |(number, places): (&u64, &Mask)| {
            let first = number * u64::from(BLOCK);
            let dead = dead.map(|dead| block::places(&offer.subnet, first, dead));
            Some((*number, places.without(dead.unwrap_or_default()))).filter(|(_, places)| !places.is_empty())
        };
        let homes = self.homes.get(node).into_iter().flatten().filter(|(group, _)| *group == offer.group);
        let homes = homes.filter_map(|(_, number)| alive((number, free.blocks.get(number)?)));
        for (number, places) in homes {
            let Some(block) = self.blocks.get(&block::name(&offer.group, number)) else { continue };
            let own = block.rails.iter().filter_map(|rail| rail.owners.get(node));
            let own = own.fold(Mask::default(), |all, own| all.or(*own));
            let same = places.and(own);
            if !same.is_empty() {
                return Some((number, same.lowest(left)));
            }
            if beside.is_none() && !own.is_empty() {
                beside = Some((number, piece(places, left, run)));
            }
        }
        let mut all = free.blocks.iter().filter_map(alive);
        let whole = || {
            let mut all = free.blocks.iter().filter_map(alive);
            all.find_map(|(number, places)| Some((number, aligned(places, run)?.lowest(left))))
        };
        let any = || all.next().map(|(number, places)| (number, places.lowest(left)));
        beside.or_else(whole).or_else(any)
    }
}

/// A run where there is one.
fn piece(places: Mask, left: u32, run: u32) -> Mask {
    aligned(places, run).unwrap_or(places).lowest(left)
}

/// The first whole run. Where runs are single addresses, all of them: one by one they would come out the same, a look at every block for each.
fn aligned(places: Mask, run: u32) -> Option<Mask> {
    if run == 1 {
        return (!places.is_empty()).then_some(places);
    }
    let runs = (0..BLOCK / run).map(|index| Mask::range(index * run, (index + 1) * run - 1));
    runs.into_iter().find(|whole| whole.without(places).is_empty())
}

/// What a node wants that needs some addresses, can use at most some, and has some.
fn demand<'w>(
    name: &'w str,
    offer: &Offer,
    (need, most): (u64, Option<u64>),
    has: u64,
    policy: &Policy,
) -> Demand<'w> {
    let whole =
        (offer.allowed.single() == Some(name)).then(|| offer.offered.len()).filter(|all| *all <= WHOLE);
    let hard = need.saturating_sub(has);
    let spare = policy.spare.max(need / policy.part.max(1));
    // More pods than VFs: something else than VFs takes these addresses.
    let bound = whole.and_then(|all| u64::try_from(all).ok()).or(most.filter(|most| need <= *most));
    let wanted = match bound {
        Some(bound) => bound,
        // Whoever has something left is not topped up: it would cost a write per pod.
        None if hard > 0 || (need > 0 && has == need) => need + spare,
        None => need,
    };
    Demand { node: name, hard, soft: wanted.saturating_sub(has.max(need)), is_bounded: bound.is_some() }
}

/// One each, as long as there are so many, to those who want more.
fn shares(demands: &[Demand<'_>], mut left: u64, wanted: impl Fn(&Demand<'_>) -> u64) -> Vec<u64> {
    let mut got = vec![0; demands.len()];
    while left > 0 {
        let before = left;
        for (demand, got) in demands.iter().zip(&mut got) {
            if left > 0 && wanted(demand) > *got {
                (*got, left) = (*got + 1, left - 1);
            }
        }
        if left == before {
            break;
        }
    }
    got
}

/// As much of a pool as is not granted ahead of need.
fn quarter(offered: &RangeSet) -> u64 {
    u64::try_from(offered.len().div_ceil(4)).map_or(AHEAD, |quarter| quarter.min(AHEAD))
}
