//! A node: agent, disk, lease store, and plugins that run for a while and may be beaten to it.

use std::collections::BTreeMap;
use std::net::IpAddr;

use api::RailNode;
use grants::agent::{Agent, AgentRules, Kept, Local, Step};
use grants::ranges_of;
use ipam::{Range, RangeSet};

#[derive(Default)]
pub(crate) struct NodeModel {
    pub(crate) name: String,
    pub(crate) up: bool,
    pub(crate) agent: Option<Agent>,
    /// Counts lives; never repeated, as a boot id and a start time are not.
    pub(crate) lives: u64,
    pub(crate) disk: Option<Kept>,
    /// The newest that the watch has shown.
    pub(crate) seen: Option<RailNode>,
    pub(crate) leases: BTreeMap<IpAddr, u64>,
    /// Pods without an address: number and pool.
    pub(crate) waiting: BTreeMap<u64, String>,
    /// This clock's distance from everybody else's.
    pub(crate) skew: u64,
}

impl NodeModel {
    /// What a plugin reads.
    pub(crate) fn usable(&self, pool: &str) -> RangeSet {
        let Some(kept) = &self.disk else { return RangeSet::default() };
        let Some(own) = kept.pools.iter().find(|own| own.name == pool) else { return RangeSet::default() };
        let read = |text: &str| ranges_of(text).unwrap();
        let returned = kept.returned.get(pool).map(|text| read(text)).unwrap_or_default();
        read(&own.ranges).without(&returned)
    }

    pub(crate) fn leased(&self) -> RangeSet {
        self.leases.keys().map(|ip| Range::one(*ip)).collect()
    }

    pub(crate) fn start_agent(&mut self, rules: AgentRules) -> String {
        self.lives += 1;
        let life = format!("{}/{}", self.name, self.lives);
        self.agent = Some(Agent::new(life.clone(), self.name.clone(), self.disk.clone(), rules));
        self.seen = None;
        life
    }

    /// The agent looks at everything; the lease store is locked meanwhile.
    pub(crate) fn look(&mut self, now: u64) -> Step {
        let leased = self.leased();
        let mut waiting: BTreeMap<String, u64> = BTreeMap::new();
        for pool in self.waiting.values() {
            *waiting.entry(pool.clone()).or_default() += 1;
        }
        let most = BTreeMap::new();
        let local = Local { leased: &leased, waiting: &waiting, most: &most, now: now + self.skew };
        self.agent.as_mut().map(|agent| agent.step(self.seen.as_ref(), &local)).unwrap_or_default()
    }

    /// Shows the agent its node as it was at some time; a watch that begins again may go back.
    pub(crate) fn show(&mut self, node: &RailNode, again: bool) {
        let version =
            |node: &RailNode| node.metadata.resource_version.as_ref().unwrap().parse::<u64>().unwrap();
        if !again && self.seen.as_ref().is_some_and(|seen| version(seen) > version(node)) {
            return;
        }
        self.seen = Some(node.clone());
    }

    pub(crate) fn power_off(&mut self) -> Vec<IpAddr> {
        (self.up, self.agent, self.disk, self.seen) = (false, None, None, None);
        self.waiting.clear();
        std::mem::take(&mut self.leases).into_keys().collect()
    }
}
