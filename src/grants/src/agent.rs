//! The agent of a node: what it makes of a new spec, what it gives back, and what it says.

mod own;
mod pin;
mod status;
#[cfg(test)]
mod tests;
mod vfs;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use api::{NodePool, RailNode, RailNodeSpec, RailNodeStatus};
use ipam::RangeSet;
use serde::{Deserialize, Serialize};

use crate::block::{ranges_of, ranges_text};
use crate::world::union;
use own::{Own, count, last, own};
pub use pin::Pin;
pub use vfs::{Pf, most};

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
    /// After a reboot, say: nothing is handed out before the controller has written a newer spec.
    pub waits: bool,
}

/// What the agent sees of its own node.
#[derive(Clone, Copy, Debug)]
pub struct Local<'l> {
    /// Addresses that pods have, and those that must not be used for another reason.
    pub leased: &'l RangeSet,
    /// Pods that wait for an address, by pool.
    pub waiting: &'l BTreeMap<String, u64>,
    /// VFs, by pool, as [`most`] counts them; none before somebody has looked.
    pub most: Option<&'l BTreeMap<String, u64>>,
    /// Whose pods have these addresses, as far as they are to have them again.
    pub owners: &'l BTreeMap<IpAddr, String>,
    /// Owners that wait for the address that they had, by pool.
    pub wishes: &'l BTreeMap<String, BTreeSet<String>>,
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
#[expect(clippy::struct_excessive_bools, reason = "each is a rule that a test breaks")]
#[derive(Clone, Copy, Debug)]
pub struct AgentRules {
    /// What has been given up is not used again before a spec has come without it.
    pub returned_is_dead: bool,
    /// A spec that is not newer than the last one is ignored.
    pub epochs_only_grow: bool,
    /// A life without a memory takes what has been given up from the API, and the rest not before a newer spec comes.
    pub memory_is_asked_for: bool,
    /// An answer to an owner counts for the wish that it was given to, and for no later one.
    pub answers_are_to_one_wish: bool,
}

impl Default for AgentRules {
    fn default() -> Self {
        Self {
            returned_is_dead: true,
            epochs_only_grow: true,
            memory_is_asked_for: true,
            answers_are_to_one_wish: true,
        }
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
    /// Owners that wait, by pool and name, with the mark of the wish.
    wishes: BTreeMap<(String, String), String>,
    /// How many there have been in this life.
    wished: u64,
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
            wishes: BTreeMap::new(),
            wished: 0,
        }
    }

    /// The name of this life.
    pub fn life(&self) -> &str {
        &self.life
    }

    /// The epoch of an object that this node makes where there is none: later than all that an object of its name may have
    /// had before somebody deleted it. `now` is in microseconds since 1970: no node gets as many specs, and a question after a restore, which
    /// goes a million ahead, is a second ahead.
    pub fn first_epoch(&self, now: u64) -> i64 {
        i64::try_from(now).unwrap_or(i64::MAX).max(self.kept.epoch.saturating_add(1))
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
        self.keep_leased(local);
        self.note_wishes(local);
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

    /// A pod got its address after it had been given up and granted again: then a life without a memory has found a late copy of an
    /// older word in the API.
    fn keep_leased(&mut self, local: &Local<'_>) {
        for own in self.own.values_mut().filter(|own| !own.returned.is_empty()) {
            own.returned = own.returned.without(local.leased);
        }
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
}

/// What has been free beyond a spare for long enough; where VFs say how many can be used, what is beyond those.
fn idle(idle: &mut BTreeMap<String, u64>, name: &str, own: &Own, local: &Local<'_>, free: u64) -> u64 {
    let need = count(&own.ranges.common(local.leased)) + local.waiting.get(name).copied().unwrap_or(0);
    let vfs = local.most.and_then(|most| most.get(name)).filter(|most| **most >= need);
    let kept = vfs.map_or(SPARE.max(need / SPARE) * 2, |vfs| vfs - need);
    let surplus = free.saturating_sub(kept);
    if surplus == 0 {
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
