//! The agent of a node: what it makes of a new spec, what it gives back, and what it says.

use std::collections::BTreeMap;

use api::{NodePool, PoolUse, RailNode, RailNodeSpec, RailNodeStatus};
use ipam::{Range, RangeSet};
use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::block::{ranges_of, ranges_text};
use crate::world::union;

/// How soon a lower need is told: others may wait for what is free here.
pub const LESS: u64 = 1_000;
/// How soon a higher need is told that the grant still covers.
pub const MORE: u64 = 30_000;
/// How long a word that has been sent may take before it is sent again.
const AGAIN: u64 = 2_000;
/// How long more than a spare must have been free before it goes back unasked.
pub const IDLE: u64 = 60_000;
/// What a node keeps beyond its need.
const SPARE: u64 = 4;

/// What an agent keeps on disk: the plugins hand out `ranges` without `returned`.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default)]
pub struct Kept {
    /// Whose it is.
    pub node: String,
    /// The newest spec that has been seen.
    pub epoch: i64,
    /// Of that spec.
    pub pools: Vec<NodePool>,
    /// By pool, addresses that have been given up: dead until a spec has come without them.
    pub returned: BTreeMap<String, String>,
    /// No earlier life has left a memory: a spec newer than the one that was found is to come.
    pub waits: bool,
}

/// What the agent sees of its own node.
#[derive(Clone, Copy, Debug)]
pub struct Local<'l> {
    /// Addresses that pods have, and those that must not be used for another reason.
    pub leased: &'l RangeSet,
    /// Pods that wait for an address, by pool.
    pub waiting: &'l BTreeMap<String, u64>,
    /// VFs, by pool.
    pub most: &'l BTreeMap<String, u64>,
    /// Milliseconds of a clock that only grows.
    pub now: u64,
}

/// What is to be done, in this order.
#[derive(Clone, Debug, Default)]
pub struct Step {
    /// Write it to disk before anybody else may lease an address.
    pub keep: Option<Kept>,
    /// Tell the controller.
    pub say: Option<RailNodeStatus>,
}

/// Rules of the agent; see [`crate::Rules`].
#[derive(Clone, Copy, Debug)]
pub struct AgentRules {
    /// What has been given up is not used again before a spec has come without it.
    pub returned_is_dead: bool,
    /// A spec that is not newer than the last one is ignored.
    pub epochs_only_grow: bool,
    /// A life without a memory takes what has been given up from the API, and the rest not before a newer spec comes.
    pub memory_is_asked_for: bool,
}

impl Default for AgentRules {
    fn default() -> Self {
        Self { returned_is_dead: true, epochs_only_grow: true, memory_is_asked_for: true }
    }
}

/// An agent in one of its lives.
#[derive(Clone, Debug)]
pub struct Agent {
    life: String,
    rules: AgentRules,
    /// As on disk.
    kept: Kept,
    own: BTreeMap<String, Own>,
    /// The controller asked what the node holds.
    asked: bool,
    /// The API server knows this life.
    joined: bool,
    sent: Option<(RailNodeStatus, u64)>,
    /// Since when the API server knows less than the agent.
    changed: Option<u64>,
    /// Since when more than a spare has been free, by pool.
    idle: BTreeMap<String, u64>,
}

/// A pool, read from its strings.
#[derive(Clone, Debug, Default)]
struct Own {
    ranges: RangeSet,
    drain: RangeSet,
    returned: RangeSet,
    subnet: Option<IpNet>,
    give: u64,
}

impl Own {
    fn usable(&self) -> RangeSet {
        self.ranges.without(&self.returned)
    }

    fn held(&self, leased: &RangeSet) -> RangeSet {
        let subnet = self.subnet.map(|subnet| RangeSet::from(Range::subnet(&subnet))).unwrap_or_default();
        union(&union(&self.ranges, &self.drain).without(&self.returned), &leased.common(&subnet))
    }
}

impl Agent {
    /// A new life, named so that no other ever had the name, with what an earlier one has left on disk.
    pub fn new(life: String, node: String, kept: Option<Kept>, rules: AgentRules) -> Self {
        let kept = kept.unwrap_or(Kept { node, ..Kept::default() });
        let own = own(&kept.pools, &kept.returned);
        Self {
            life,
            rules,
            kept,
            own,
            asked: false,
            joined: false,
            sent: None,
            changed: None,
            idle: BTreeMap::new(),
        }
    }

    /// The name of this life.
    pub fn life(&self) -> &str {
        &self.life
    }

    /// Whether the API server knows this life; nothing else may be said before.
    pub fn has_joined(&self) -> bool {
        self.joined
    }

    /// The API server knows this life, and answered with the node as it then was: what an earlier life sent and the network
    /// still holds is refused from now on.
    pub fn join(&mut self, node: &RailNode) -> Step {
        self.joined = true;
        let status = node.status.clone().unwrap_or_default();
        // A memory that is older than what this node has said since was put back by somebody: it is none.
        let remembers = self.kept.epoch > 0 && self.kept.epoch >= status.epoch;
        if remembers || !self.rules.memory_is_asked_for {
            return Step::default();
        }
        self.kept = Kept { node: std::mem::take(&mut self.kept.node), ..Kept::default() };
        self.own.clear();
        // What has been given up stands in the API. The rest may be of an older state that was put back while this node was
        // down: only a controller that has no doubts writes a newer one.
        for pool in status.pools.iter().filter(|pool| !pool.returned.is_empty()) {
            let returned = ranges_of(&pool.returned).unwrap_or_default();
            self.own.insert(pool.name.clone(), Own { returned, ..Own::default() });
            self.kept.returned.insert(pool.name.clone(), pool.returned.clone());
        }
        self.kept.epoch = status.epoch.max(node.spec.epoch);
        self.kept.waits = true;
        Step { keep: Some(self.kept.clone()), say: None }
    }

    /// What the plugins may hand out.
    pub fn usable(&self) -> BTreeMap<String, RangeSet> {
        self.own.iter().map(|(name, own)| (name.clone(), own.usable())).collect()
    }

    /// As on disk.
    pub fn kept(&self) -> &Kept {
        &self.kept
    }

    /// A word that was sent was not heard, or may not have been.
    pub fn unheard(&mut self) {
        self.sent = None;
    }

    /// One look at everything, with the lease store locked so that no address changes hands meanwhile.
    pub fn step(&mut self, seen: Option<&RailNode>, local: &Local<'_>) -> Step {
        let Some(seen) = seen.filter(|_| self.joined) else { return Step::default() };
        let before = self.kept.clone();
        self.see(&seen.spec);
        self.give_back(local);
        let returned = self.own.iter().filter(|(_, own)| !own.returned.is_empty());
        self.kept.returned = returned.map(|(name, own)| (name.clone(), ranges_text(&own.returned))).collect();
        let keep = (self.kept != before).then(|| self.kept.clone());
        Step { keep, say: self.speak(seen, local) }
    }

    /// Takes a newer spec over.
    fn see(&mut self, spec: &RailNodeSpec) {
        if spec.epoch < self.kept.epoch && self.rules.epochs_only_grow {
            return;
        }
        if spec.epoch == self.kept.epoch {
            // Of a life that was asked and died.
            self.asked = spec.confirm;
            return;
        }
        self.kept.epoch = spec.epoch;
        self.asked = spec.confirm;
        if spec.confirm {
            return;
        }
        let mut own = own(&spec.pools, &BTreeMap::new());
        for (name, pool) in &mut own {
            let dead = self.own.get(name).map(|before| before.returned.clone()).unwrap_or_default();
            let told = union(&pool.ranges, &pool.drain);
            pool.returned =
                if self.rules.returned_is_dead { dead.common(&told) } else { RangeSet::default() };
        }
        self.kept.waits = false;
        self.kept.pools.clone_from(&spec.pools);
        self.own = own;
    }

    /// Gives up what the controller asks for, what is to go, and what has been idle for long.
    fn give_back(&mut self, local: &Local<'_>) {
        if self.asked {
            return;
        }
        for (name, own) in &mut self.own {
            own.returned = union(&own.returned, &own.drain.without(local.leased));
            let free = own.usable().without(local.leased);
            let asked = own.give.saturating_sub(count(&own.ranges.common(&own.returned)));
            let waiting = local.waiting.get(name).copied().unwrap_or(0);
            let spared = count(&free).saturating_sub(waiting);
            let mut going = asked.min(spared);
            going += idle(&mut self.idle, name, own, local, count(&free).saturating_sub(going));
            own.returned = union(&own.returned, &last(&free, going));
        }
    }

    /// What is worth telling now.
    fn speak(&mut self, seen: &RailNode, local: &Local<'_>) -> Option<RailNodeStatus> {
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
        ((gives || answers) && known.epoch != status.epoch)
            || (status.waits && !known.waits)
            || status.pools.iter().any(|pool| lacks(pool) || returns(pool))
    }

    /// A change that nobody waits for is told when it has lasted.
    fn is_due(&mut self, known: &RailNodeStatus, status: &RailNodeStatus, now: u64) -> bool {
        let less =
            |own: &PoolUse| known.pools.iter().any(|pool| pool.name == own.name && pool.need > own.need);
        let wait = if status.pools.iter().any(less) { LESS } else { MORE };
        let since = *self.changed.get_or_insert(now);
        now.saturating_sub(since) >= wait
    }

    fn status(&self, seen: &RailNode, local: &Local<'_>, known: &RailNodeStatus) -> RailNodeStatus {
        let behind = seen.spec.epoch < self.kept.epoch;
        let mut pools = Vec::with_capacity(self.own.len());
        for (name, own) in &self.own {
            let used = count(&own.ranges.common(local.leased));
            let need = used + local.waiting.get(name).copied().unwrap_or(0);
            pools.push(PoolUse {
                name: name.clone(),
                need: number(need),
                used: number(used),
                returned: ranges_text(&own.returned),
                held: (behind || self.asked).then(|| ranges_text(&own.held(local.leased))),
                most: local.most.get(name).map(|most| number(*most)),
            });
        }
        // Pools that the API server has and this node does not know: it has nothing of them but what its pods have.
        let unknown = seen
            .spec
            .pools
            .iter()
            .filter(|pool| (behind || self.asked) && !self.own.contains_key(&pool.name));
        for pool in unknown {
            let own = Own { subnet: pool.subnet.parse().ok(), ..Own::default() };
            let held = Some(ranges_text(&own.held(local.leased)));
            pools.push(PoolUse { name: pool.name.clone(), held, ..PoolUse::default() });
        }
        pools.sort_by(|one, other| one.name.cmp(&other.name));
        let (epoch, waits) = (self.kept.epoch, self.kept.waits);
        RailNodeStatus { epoch, waits, life: self.life.clone(), pools, ..known.clone() }
    }
}

/// What has been free beyond a spare for long enough; nothing where VFs say how many are needed.
fn idle(idle: &mut BTreeMap<String, u64>, name: &str, own: &Own, local: &Local<'_>, free: u64) -> u64 {
    let need = count(&own.ranges.common(local.leased)) + local.waiting.get(name).copied().unwrap_or(0);
    let surplus = free.saturating_sub(SPARE.max(need / SPARE) * 2);
    if surplus == 0 || local.most.contains_key(name) {
        idle.remove(name);
        return 0;
    }
    let since = *idle.entry(name.to_owned()).or_insert(local.now);
    if local.now.saturating_sub(since) < IDLE {
        return 0;
    }
    idle.remove(name);
    surplus
}

fn own(pools: &[NodePool], returned: &BTreeMap<String, String>) -> BTreeMap<String, Own> {
    let read = |text: &str| ranges_of(text).unwrap_or_default();
    let own = |pool: &NodePool| Own {
        ranges: read(&pool.ranges),
        drain: read(&pool.drain),
        returned: returned.get(&pool.name).map(|text| read(text)).unwrap_or_default(),
        subnet: pool.subnet.parse().ok(),
        give: u64::try_from(pool.give).unwrap_or(0),
    };
    pools.iter().map(|pool| (pool.name.clone(), own(pool))).collect()
}

/// The last so many addresses: the plugins hand out the first.
fn last(free: &RangeSet, mut count: u64) -> RangeSet {
    let mut chosen = Vec::new();
    for range in free.ranges().iter().rev() {
        if count == 0 {
            break;
        }
        let size = self::count(&RangeSet::from(*range));
        let part = if size <= count { *range } else { upper(range, count) };
        count -= size.min(count);
        chosen.push(part);
    }
    chosen.into_iter().collect()
}

/// The upper end of a range that is longer.
fn upper(range: &Range, count: u64) -> Range {
    let first = match range.last() {
        std::net::IpAddr::V4(last) => {
            std::net::IpAddr::V4((u32::from(last) - u32::try_from(count - 1).unwrap_or(0)).into())
        }
        std::net::IpAddr::V6(last) => std::net::IpAddr::V6((u128::from(last) - u128::from(count - 1)).into()),
    };
    Range::new(first, range.last()).unwrap_or(*range)
}

fn count(ranges: &RangeSet) -> u64 {
    u64::try_from(ranges.len()).unwrap_or(u64::MAX)
}

fn number(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use api::Metadata;

    use super::*;

    fn pools(ranges: &str, give: i64) -> Vec<NodePool> {
        let subnet = "10.0.0.0/24".to_owned();
        vec![NodePool {
            name: "p".to_owned(),
            ranges: ranges.to_owned(),
            subnet,
            give,
            ..NodePool::default()
        }]
    }

    fn node(epoch: i64, pools: Vec<NodePool>, status: RailNodeStatus) -> RailNode {
        let spec = RailNodeSpec { epoch, pools, ..RailNodeSpec::default() };
        RailNode { metadata: Metadata::default(), spec, status: Some(status), ..RailNode::default() }
    }

    fn agent(kept: Option<Kept>) -> Agent {
        Agent::new("life".to_owned(), "n".to_owned(), kept, AgentRules::default())
    }

    fn look(agent: &mut Agent, node: &RailNode) -> Step {
        let (leased, nothing) = (RangeSet::default(), BTreeMap::new());
        agent.step(Some(node), &Local { leased: &leased, waiting: &nothing, most: &nothing, now: 0 })
    }

    /// A node that has given up two of its four addresses, which its spec still has; and what it kept before that.
    fn given() -> (Kept, RailNode) {
        let before = node(6, pools("10.0.0.1-10.0.0.4", 0), RailNodeStatus::default());
        let mut agent = agent(Some(Kept { node: "n".to_owned(), epoch: 5, ..Kept::default() }));
        agent.join(&before);
        look(&mut agent, &before);
        let older = agent.kept().clone();
        let asked = node(7, pools("10.0.0.1-10.0.0.4", 2), RailNodeStatus::default());
        let said = look(&mut agent, &asked).say.unwrap();
        assert_eq!(said.pools[0].returned, "10.0.0.3-10.0.0.4");
        (older, node(7, pools("10.0.0.1-10.0.0.4", 2), said))
    }

    #[test]
    fn a_memory_from_before_addresses_were_given_up_is_none() {
        let (older, known) = given();
        let mut agent = agent(Some(older));
        agent.join(&known);
        assert!(agent.kept().waits && agent.usable().values().all(RangeSet::is_empty));
        // Not before a newer spec has come does it hand out anything, and then not what it has given up.
        look(&mut agent, &known);
        assert!(agent.usable().values().all(RangeSet::is_empty));
        look(&mut agent, &node(8, pools("10.0.0.1-10.0.0.4", 2), known.status.unwrap()));
        assert_eq!(ranges_text(&agent.usable()["p"]), "10.0.0.1-10.0.0.2");
    }

    #[test]
    fn a_memory_that_is_up_to_date_counts_at_once() {
        let (_, known) = given();
        let returned = [("p".to_owned(), "10.0.0.3-10.0.0.4".to_owned())].into();
        let kept =
            Kept { node: "n".to_owned(), epoch: 7, pools: known.spec.pools.clone(), returned, waits: false };
        let mut agent = agent(Some(kept));
        agent.join(&known);
        assert_eq!(ranges_text(&agent.usable()["p"]), "10.0.0.1-10.0.0.2");
    }
}
