//! Pods and their plugins.

use std::net::IpAddr;

use ipam::{Range, RangeSet};

use super::{Happening, PATIENCE, POOLS, Run};

impl Run {
    pub(super) fn new_pods(&mut self) {
        self.at(20, Happening::Pods);
        while (self.pods.len() as u64) < self.demand {
            let hot = (self.now / 4_000 % self.nodes.len() as u64, self.rng.once_in(2));
            let any = self.rng.below(self.nodes.len() as u64);
            let node = usize::try_from(if hot.1 { hot.0 } else { any }).unwrap();
            let pool = POOLS[usize::try_from(self.rng.below(POOLS.len() as u64)).unwrap()];
            let (node, pool) = self.only.unwrap_or((node, pool));
            if !self.name(self.next_pod + 1, pool) {
                return;
            }
            self.next_pod += 1;
            self.pods.insert(self.next_pod, (node, pool.to_owned()));
            self.at(1, Happening::Try(node, self.next_pod, self.now + PATIENCE));
        }
    }

    /// A plugin reads the grants.
    pub(super) fn try_lease(&mut self, node: usize, pod: u64, deadline: u64) {
        let Some((_, pool)) = self.pods.get(&pod).filter(|_| self.nodes[node].up) else {
            self.pods.remove(&pod);
            return;
        };
        let loaded = self.nodes[node].usable(pool);
        // Now and then it waits for the lock, or for its turn on a busy CPU.
        let delay = if self.rng.once_in(20) { self.rng.below(2_000) } else { self.rng.below(4) };
        self.at(delay, Happening::Lock(node, pod, deadline, loaded));
    }

    /// It has the lock of the lease store.
    pub(super) fn lock(&mut self, node: usize, pod: u64, deadline: u64, loaded: &RangeSet) {
        let Some((_, pool)) = self.pods.get(&pod).cloned().filter(|_| self.nodes[node].up) else {
            self.pods.remove(&pod);
            return;
        };
        let usable =
            if self.story.plugin_looks_again { self.nodes[node].usable(&pool) } else { loaded.clone() };
        let free = usable.without(&self.nodes[node].leased());
        let Some(free) = self.choice(node, pod, &pool, free) else {
            let is_new = self.ask(node, pod, &pool);
            return self.wait(node, pod, is_new, deadline);
        };
        let Some(ip) = free.ranges().first().map(Range::first) else {
            let is_new = self.nodes[node].waiting.insert(pod, pool).is_none();
            return self.wait(node, pod, is_new, deadline);
        };
        let model = &mut self.nodes[node];
        model.waits_no_more(pod);
        model.leases.insert(ip, pod);
        self.note_owner(node, pod, &pool, ip);
        self.met += 1;
        self.audit(ip, node);
        if !self.stay {
            let life = self.rng.between(100, 3_000);
            self.at(life, Happening::End(node, ip, pod));
        }
    }

    /// No address is ever held by two living leases.
    fn audit(&mut self, ip: IpAddr, node: usize) {
        if let Some(other) = self.holders.insert(ip, node)
            && other != node
        {
            self.duplicates += 1;
        }
    }

    fn wait(&mut self, node: usize, pod: u64, is_new: bool, deadline: u64) {
        if self.now > deadline {
            self.given_up += 1;
            self.nodes[node].waits_no_more(pod);
            self.pods.remove(&pod);
            return;
        }
        if is_new {
            self.look(node);
        }
        let delay = self.rng.between(50, 250);
        self.at(delay, Happening::Try(node, pod, deadline));
    }

    pub(super) fn end(&mut self, node: usize, ip: IpAddr, pod: u64) {
        if self.nodes[node].leases.get(&ip) == Some(&pod) {
            self.nodes[node].leases.remove(&ip);
            self.note_end(node, ip);
            self.forget(ip, node);
        }
        self.pods.remove(&pod);
    }

    pub(super) fn forget(&mut self, ip: IpAddr, node: usize) {
        if self.holders.get(&ip) == Some(&node) {
            self.holders.remove(&ip);
        }
    }
}
