//! The owners of addresses of sticky pools: noted where their pods run, and their addresses sent to where they wait.

use std::collections::{BTreeMap, BTreeSet};

use ipam::RangeSet;

use super::Ledger;
use crate::block;
use crate::mask::{BLOCK, Mask};
use crate::pins::wishes;

/// What a node says of one of its addresses.
struct Report<'w> {
    pool: &'w str,
    /// Nobody, where the address is taken otherwise.
    owner: &'w str,
    at: Place,
}

/// A block's name, a rail of it, and a place there.
type Place = (String, usize, u32);

impl<'w> Ledger<'w> {
    /// Notes who uses which address. An owner who has got another one does not have the first again.
    pub(super) fn pin(&mut self) {
        self.unpin_others();
        let reports = self.reports();
        let in_use = reports.iter().map(|report| (report.owner, &report.at)).collect::<BTreeSet<_>>();
        let pinned = if reports.is_empty() { BTreeMap::new() } else { self.pinned() };
        for Report { pool, owner, at } in &reports {
            let before = pinned.get(&((*pool).to_owned(), (*owner).to_owned()));
            let is_over = |before: &&Place| *before != at && !in_use.contains(&(*owner, *before));
            for before in before.into_iter().flatten().filter(is_over) {
                self.set_pin(before, "");
            }
            if self.is_news(owner, at) {
                self.set_pin(at, owner);
            }
        }
    }

    /// Sends addresses that no node has to where their owners wait.
    pub(super) fn send(&mut self) {
        let wishes = wishes(self.world, &self.blocks);
        let places = wishes.iter().filter_map(|wish| {
            let home = wish.home.filter(|home| home.node.is_none())?;
            Some((wish.node.to_owned(), wish.pool.to_owned(), home.block.to_owned(), home.rail, home.place))
        });
        let places = places.collect::<Vec<_>>();
        let orphans = if places.is_empty() { RangeSet::default() } else { self.orphans() };
        for (node, pool, name, rail, place) in places {
            let dead = self.dead(&node, &pool);
            let (Some(offer), Some(block)) = (self.world.pools.get(&pool), self.blocks.get_mut(&name)) else {
                continue;
            };
            let offered = block::places(&offer.subnet, block.first, &offer.offered.without(&orphans));
            let dead = dead.map(|dead| block::places(&offer.subnet, block.first, dead)).unwrap_or_default();
            let rail = &mut block.rails[rail];
            let place = Mask::one(place).and(offered).without(rail.owned()).without(dead);
            if !place.is_empty() {
                rail.give(&node, place);
                self.gained.insert((name.clone(), node));
                self.changed.insert(name);
            }
        }
    }

    /// Pools that are not sticky any more have no owners.
    fn unpin_others(&mut self) {
        let pools = &self.world.pools;
        for (name, block) in &mut self.blocks {
            for rail in &mut block.rails {
                let is_other = pools.get(&rail.pool).is_some_and(|offer| !offer.template.sticky);
                if is_other && !rail.pins.is_empty() {
                    rail.pins.clear();
                    self.changed.insert(name.clone());
                }
            }
        }
    }

    /// Those that count: of addresses that the node has, said since they were last noted there.
    fn reports(&self) -> Vec<Report<'w>> {
        let mut reports = Vec::new();
        let world = self.world;
        for (node, view) in world.nodes.iter().filter(|(name, _)| !world.gone.contains(*name)) {
            for (pool, held) in &view.pools {
                let Some(of_pool) = world.pools.get(pool).filter(|offer| offer.template.sticky) else {
                    continue;
                };
                for (ip, owner) in &held.pins {
                    let Some(index) = block::index(&of_pool.subnet, *ip) else { continue };
                    let name = block::name(&of_pool.group, index / u64::from(BLOCK));
                    let Some(block) = self.blocks.get(&name) else { continue };
                    let Some(rail) = block.rail_of(pool, &of_pool.subnet) else { continue };
                    let Ok(place) = u32::try_from(index - block.first) else { continue };
                    let counts = view.status.epoch >= block.since(node) || !self.rules.owners_since_pinned;
                    if counts && block.rails[rail].owner(place) == Some(node) {
                        reports.push(Report { pool, owner, at: (name, rail, place) });
                    }
                }
            }
        }
        reports
    }

    fn is_news(&self, owner: &str, (name, rail, place): &Place) -> bool {
        let pinned = self.blocks.get(name).and_then(|block| block.rails[*rail].pins.get(place));
        pinned.map_or("", String::as_str) != owner
    }

    /// Where owners are noted, by pool and owner.
    fn pinned(&self) -> BTreeMap<(String, String), Vec<Place>> {
        let mut pinned: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for (name, block) in &self.blocks {
            for (index, rail) in block.rails.iter().enumerate() {
                for (place, owner) in &rail.pins {
                    let owner = (rail.pool.clone(), owner.clone());
                    pinned.entry(owner).or_default().push((name.clone(), index, *place));
                }
            }
        }
        pinned
    }

    /// Nobody: the place is anybody's. What its node said of owners before it has heard of this counts no more.
    fn set_pin(&mut self, (name, rail, place): &Place, owner: &str) {
        let Some(block) = self.blocks.get_mut(name) else { return };
        let rail = &mut block.rails[*rail];
        if owner.is_empty() {
            rail.pins.remove(place);
        } else {
            rail.pins.insert(*place, owner.to_owned());
        }
        let node = rail.owner(*place).map(str::to_owned);
        self.gained.extend(node.map(|node| (name.clone(), node)));
        self.changed.insert(name.clone());
    }
}
