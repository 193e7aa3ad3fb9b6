//! Pods with names, which come back on other nodes and are to have their addresses again.

use std::collections::BTreeMap;
use std::net::IpAddr;

use grants::Block;
use ipam::{Range, RangeSet};

use super::Run;
use crate::server::Server;

/// Of each sticky pool: a few more than it has addresses.
const NAMES: u64 = 24;

/// A pool, and who is to have an address of it again.
type Owner = (String, String);

#[derive(Default)]
pub(crate) struct Owners {
    /// The names of pods.
    of_pods: BTreeMap<u64, String>,
    /// What an owner had when his pod ended, if the API server had heard of it.
    had: BTreeMap<Owner, (IpAddr, usize)>,
    /// Who had an address last.
    last: BTreeMap<IpAddr, Owner>,
    /// Owners who came back and did not get the address that nobody had had since.
    pub(crate) strayed: u64,
    /// Those who had it again on another node.
    pub(crate) followed: u64,
}

impl Run {
    /// Names a new pod; none where all that there are run already.
    pub(super) fn name(&mut self, pod: u64, pool: &str) -> bool {
        if !self.pools.iter().any(|own| own.metadata.name == pool && own.spec.sticky) {
            return true;
        }
        self.owners.of_pods.retain(|pod, _| self.pods.contains_key(pod));
        let first = self.rng.below(NAMES);
        let names = (0..NAMES).map(|number| format!("{pool}/pod-{}/net1", (first + number) % NAMES));
        let running = self.owners.of_pods.values().collect::<Vec<_>>();
        let Some(name) = names.into_iter().find(|name| !running.contains(&name)) else { return false };
        self.owners.of_pods.insert(pod, name);
        true
    }

    /// What a plugin may choose from; none where it asks first whether its pod has an address somewhere else.
    pub(super) fn choice(&mut self, node: usize, pod: u64, pool: &str, free: RangeSet) -> Option<RangeSet> {
        let (Some(owner), Some(pins)) = (self.owners.of_pods.get(&pod), self.nodes[node].pins(pool)) else {
            return Some(free);
        };
        let model = &mut self.nodes[node];
        let usable = model.usable(pool);
        // What this node knows of its own pods is newer.
        let knows = self.story.plugin_knows_its_own;
        let is_ours = |ip: &IpAddr| !knows || model.owners.get(ip).is_none_or(|last| last == owner);
        let here = pins.iter().find(|(ip, own)| *own == owner && usable.contains(**ip) && is_ours(ip));
        match here {
            Some((ip, _)) if free.contains(*ip) => return Some(Range::one(*ip).into()),
            None if self.story.plugin_asks && !model.hears(pod) => return None,
            Some(_) | None => (),
        }
        let of_others = pins.iter().filter(|(_, own)| *own != owner).map(|(ip, _)| Range::one(*ip));
        let rest = free.without(&of_others.collect());
        Some(if rest.is_empty() { free } else { rest })
    }

    pub(super) fn ask(&mut self, node: usize, pod: u64, pool: &str) -> bool {
        let owner = self.owners.of_pods[&pod].clone();
        self.nodes[node].asking.insert(pod, (pool.to_owned(), owner)).is_none()
    }

    pub(super) fn note_owner(&mut self, node: usize, pod: u64, pool: &str, ip: IpAddr) {
        let Some(owner) = self.owners.of_pods.get(&pod) else { return };
        let subnet = self.pools.iter().find(|own| own.metadata.name == pool).unwrap();
        let subnet = Range::subnet(&subnet.spec.subnet.parse().unwrap()).into();
        self.nodes[node].note_owner(ip, &subnet, owner);
        let owner = (pool.to_owned(), owner.clone());
        match self.owners.had.remove(&owner) {
            Some((had, on)) if had == ip => self.owners.followed += u64::from(on != node),
            Some((had, _)) if self.owners.last.get(&had) == Some(&owner) => self.owners.strayed += 1,
            _ => (),
        }
        self.owners.last.insert(ip, owner);
    }

    /// The pod ends: it is to have the address again if the API server knows of it.
    pub(super) fn note_end(&mut self, node: usize, ip: IpAddr) {
        let pinned = pinned(&self.server);
        let Some(owner) = self.owners.last.get(&ip).filter(|(_, owner)| pinned.get(&ip) == Some(owner))
        else {
            return;
        };
        self.owners.had.insert(owner.clone(), (ip, node));
    }

    /// The API server has forgotten what it knew.
    pub(super) fn forget_owners(&mut self) {
        let pinned = pinned(&self.server);
        self.owners.had.retain(|(_, owner), (ip, _)| pinned.get(ip) == Some(owner));
    }

    pub(crate) fn strayed(&self) -> u64 {
        self.owners.strayed
    }

    pub(crate) fn followed(&self) -> u64 {
        self.owners.followed
    }
}

fn pinned(server: &Server) -> BTreeMap<IpAddr, String> {
    let mut pinned = BTreeMap::new();
    for block in server.blocks.values() {
        let block = Block::read(&block.spec).unwrap();
        for rail in &block.rails {
            let Some(subnet) = rail.subnet else { continue };
            let ip =
                |place: &u32| subnet.hosts().nth(usize::try_from(block.first).unwrap() + *place as usize - 1);
            pinned.extend(rail.pins.iter().filter_map(|(place, owner)| Some((ip(place)?, owner.clone()))));
        }
    }
    pinned
}
