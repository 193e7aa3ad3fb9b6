//! A node: agent, disk, lease store, and plugins that run for a while and may be beaten to it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use api::RailNode;
use grants::agent::{Agent, AgentRules, Kept, Local, Pin, Step};
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
    /// Who had which address last: on disk, and there after a reboot.
    pub(crate) owners: BTreeMap<IpAddr, String>,
    /// Pods that wait to hear where their address is: pool and owner.
    pub(crate) asking: BTreeMap<u64, (String, String)>,
    /// Pods that have heard that they have none.
    pub(crate) told: BTreeSet<u64>,
    /// VFs, by pool, where the node has any.
    pub(crate) most: BTreeMap<String, u64>,
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

    /// Of a sticky pool, what the plugins read of the owners of these addresses.
    pub(crate) fn pins(&self, pool: &str) -> Option<BTreeMap<IpAddr, String>> {
        let own = self.disk.as_ref()?.pools.iter().find(|own| own.name == pool)?;
        let pins = own.pins.as_ref()?.split(';').filter_map(|pin| pin.split_once('='));
        Some(pins.map(|(ip, owner)| (ip.parse().unwrap(), owner.to_owned())).collect())
    }

    /// Whether the agent, asked, has said that the pod's owner has no address anywhere.
    pub(crate) fn hears(&mut self, pod: u64) -> bool {
        if let (Some((pool, owner)), Some(agent)) = (self.asking.get(&pod), &self.agent)
            && agent.pin(pool, owner) == Pin::Nowhere
        {
            self.asking.remove(&pod);
            self.told.insert(pod);
        }
        self.told.contains(&pod)
    }

    /// The owner has this address from now on, and no other of the pool.
    pub(crate) fn note_owner(&mut self, ip: IpAddr, pool: &RangeSet, owner: &str) {
        self.owners.retain(|had, own| own != owner || !pool.contains(*had));
        self.owners.insert(ip, owner.to_owned());
    }

    pub(crate) fn waits_no_more(&mut self, pod: u64) {
        self.waiting.remove(&pod);
        self.asking.remove(&pod);
        self.told.remove(&pod);
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
        let mut wishes: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (pool, owner) in self.asking.values() {
            wishes.entry(pool.clone()).or_default().insert(owner.clone());
        }
        let mut owners = self.owners.clone();
        owners.retain(|ip, _| self.leases.contains_key(ip));
        let local = Local {
            leased: &leased,
            waiting: &waiting,
            most: Some(&self.most),
            owners: &owners,
            wishes: &wishes,
            now: now + self.skew,
        };
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
        self.asking.clear();
        self.told.clear();
        std::mem::take(&mut self.leases).into_keys().collect()
    }
}
