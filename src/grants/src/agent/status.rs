//! What the agent says of its node, and when: at once where somebody waits, late where nobody does.

use api::{PoolUse, RailNode, RailNodeStatus};

use super::own::{Own, count, number};
use super::pin::{in_use, is_news, waits_newly};
use super::{AGAIN, Agent, LESS, Local, MORE};
use crate::block::ranges_text;

impl Agent {
    /// What is worth telling now.
    pub(super) fn speak(&mut self, seen: &RailNode, local: &Local<'_>) -> Option<RailNodeStatus> {
        let known = seen.status.clone().unwrap_or_default();
        let status = self.status(seen, local, &known);
        if (status.epoch, status.waits, &status.pools) == (known.epoch, known.waits, &known.pools) {
            (self.sent, self.changed) = (None, None);
            return None;
        }
        if let Some((sent, at)) = &self.sent
            && local.now.saturating_sub(*at) < self.patience(sent, &status)
        {
            return None;
        }
        if self.sent.is_none() && !self.is_urgent(&known, &status) && !self.is_due(&known, &status, local.now)
        {
            return None;
        }
        self.sent = Some((status.clone(), local.now));
        Some(status)
    }

    fn patience(&self, sent: &RailNodeStatus, status: &RailNodeStatus) -> u64 {
        if self.is_urgent(sent, status) { 0 } else { AGAIN }
    }

    /// Somebody waits for this: a pod for an address, another node for what is given up, or the controller for an answer.
    fn is_urgent(&self, known: &RailNodeStatus, status: &RailNodeStatus) -> bool {
        let pool = |name: &str| known.pools.iter().find(|pool| pool.name == name);
        let gives = status.pools.iter().any(|pool| !pool.returned.is_empty());
        let answers = self.asked || status.pools.iter().any(|pool| pool.held.is_some());
        let lacks = |own: &PoolUse| {
            let usable = self.own.get(&own.name).map_or(0, |pool| count(&pool.usable()));
            let short = u64::try_from(own.need).unwrap_or(0) > usable;
            short && pool(&own.name).is_none_or(|known| known.need < own.need)
        };
        let returns = |own: &PoolUse| pool(&own.name).map_or("", |known| &known.returned) != own.returned;
        let waits =
            |own: &PoolUse| waits_newly(pool(&own.name).map_or("", |known| &known.owners), &own.owners);
        // Only what was said in the newest epoch counts.
        let is_heard = |own: &PoolUse| {
            known.epoch == status.epoch && pool(&own.name).is_some_and(|pool| pool.pins == own.pins)
        };
        let uses =
            |own: &PoolUse| self.own.get(&own.name).is_some_and(|pool| is_news(pool, own)) && !is_heard(own);
        ((gives || answers) && known.epoch != status.epoch)
            || (status.waits && !known.waits)
            || status.pools.iter().any(|pool| lacks(pool) || returns(pool) || waits(pool) || uses(pool))
    }

    /// A change that nobody waits for is told when it has lasted.
    fn is_due(&mut self, known: &RailNodeStatus, status: &RailNodeStatus, now: u64) -> bool {
        // A node that uses none of a pool is asked by nobody who is about to remove it: its first use is told soon.
        let is_first = |known: &PoolUse, own: &PoolUse| known.used == 0 && own.used > 0;
        let is_soon = |known: &PoolUse, own: &PoolUse| {
            let is_other = known.owners != own.owners || known.most != own.most;
            known.need > own.need || is_other || is_first(known, own)
        };
        let soon = |own: &PoolUse| known.pools.iter().any(|pool| pool.name == own.name && is_soon(pool, own));
        let wait = if status.pools.iter().any(soon) { LESS } else { MORE };
        let since = *self.changed.get_or_insert(now);
        now.saturating_sub(since) >= wait
    }

    fn status(&self, seen: &RailNode, local: &Local<'_>, known: &RailNodeStatus) -> RailNodeStatus {
        let behind = seen.spec.epoch < self.kept.epoch;
        let subnet_of = |name: &str| {
            seen.spec.pools.iter().find(|pool| pool.name == name).and_then(|pool| pool.subnet.parse().ok())
        };
        // What an earlier life has counted holds until this one has.
        let counted =
            |name: &str| known.pools.iter().find(|pool| pool.name == name).and_then(|pool| pool.most);
        let most = |name: &String| match local.most {
            Some(most) => most.get(name).map(|most| number(*most)),
            None => counted(name),
        };
        let mut free = 0;
        let mut pools = Vec::with_capacity(self.own.len());
        for (name, own) in &self.own {
            let used = count(&own.ranges.common(local.leased));
            let need = used + local.waiting.get(name).copied().unwrap_or(0);
            free += count(&own.usable().without(local.leased));
            pools.push(PoolUse {
                name: name.clone(),
                need: number(need),
                used: number(used),
                returned: ranges_text(&own.returned),
                held: (behind || self.asked).then(|| ranges_text(&own.held(subnet_of(name), local.leased))),
                most: most(name),
                owners: self.waits(name),
                pins: in_use(own, local),
            });
        }
        // Pools that the API server has and this node does not know: it has nothing of them but what its pods have.
        let unknown = seen
            .spec
            .pools
            .iter()
            .filter(|pool| (behind || self.asked) && !self.own.contains_key(&pool.name));
        for pool in unknown {
            let held = Some(ranges_text(&Own::default().held(subnet_of(&pool.name), local.leased)));
            pools.push(PoolUse { name: pool.name.clone(), held, ..PoolUse::default() });
        }
        pools.sort_by(|one, other| one.name.cmp(&other.name));
        let (epoch, waits) = (self.kept.epoch, self.kept.waits);
        RailNodeStatus {
            epoch,
            waits,
            life: self.life.clone(),
            pools,
            free: Some(number(free)),
            ..known.clone()
        }
    }
}
