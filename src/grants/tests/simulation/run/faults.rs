//! What goes wrong.

use grants::Event;

use super::{Client, Happening, Run};

impl Run {
    pub(super) fn faults(&mut self) {
        let faults = self.story.faults;
        if self.restoring {
            let is_at_it = |client: &Client| {
                !client.up || client.listed != (true, true) || client.controller.waits_for().is_some()
            };
            self.restoring = self.clients.iter().any(is_at_it);
        }
        let node = usize::try_from(self.rng.below(self.nodes.len() as u64)).unwrap();
        let controller = usize::try_from(self.rng.below(self.clients.len() as u64)).unwrap();
        if self.rng.once_in(faults.agent) && self.nodes[node].agent.is_some() {
            let lose_disk = self.rng.once_in(4);
            self.crash_agent(node, lose_disk);
        }
        if self.rng.once_in(faults.paused) {
            self.clients[controller].paused_until = self.now + self.rng.between(100, 15_000);
            let delay = self.clients[controller].paused_until - self.now + 1;
            self.at(delay, Happening::Poll(controller));
        }
        if self.rng.once_in(faults.stalled) {
            // A node counts as gone after a minute of absence: longer than a watch stands still.
            let watch = usize::try_from(self.rng.below(3)).unwrap();
            self.clients[controller].last_event[watch] = self.now + self.rng.between(500, 10_000);
        }
        if self.rng.once_in(faults.away) {
            self.away_until = self.now + self.rng.between(100, 5_000);
        }
        if self.rng.once_in(faults.edit) {
            self.edit();
        }
        // See `Controller::newest`.
        if self.rng.once_in(faults.controller) && !self.restoring && self.clients[controller].up {
            (self.clients[controller].up, self.clients[controller].life) =
                (false, self.clients[controller].life + 1);
            let delay = self.rng.between(1, 3_000);
            self.at(delay, Happening::StartController(controller));
        }
        if self.rng.once_in(faults.reboot) && self.nodes[node].up {
            self.power_off(node);
            let delay = self.rng.between(100, 3_000);
            self.at(delay, Happening::PowerOn(node));
        }
        if self.rng.once_in(faults.gone) && self.nodes[node].up {
            self.power_off(node);
            self.at(200, Happening::Gone(node, true));
            let back = self.rng.between(500, 6_000);
            self.at(200 + back, Happening::Gone(node, false));
        }
        if self.restoring && self.rng.once_in(faults.dead) {
            self.lose_for_ever(node);
        }
        if self.rng.once_in(faults.deleted) {
            self.delete_block();
        }
        if self.rng.once_in(faults.unnamed) {
            self.delete_node_object(node);
        }
        if self.rng.once_in(faults.restore) {
            self.restore();
        }
    }

    /// It burns down before it has said what it holds, and never comes back. One stays whatever happens, for the end of the story.
    fn lose_for_ever(&mut self, node: usize) {
        let stays = usize::try_from(self.story.seed % self.story.nodes).unwrap();
        if node != stays && self.nodes[node].up && self.dead < self.story.nodes / 2 {
            self.dead += 1;
            self.power_off(node);
            self.at(200, Happening::Gone(node, true));
        }
    }

    fn power_off(&mut self, node: usize) {
        for ip in self.nodes[node].power_off() {
            self.note_end(node, ip);
            self.forget(ip, node);
        }
        self.pods.retain(|_, (on, _)| *on != node);
    }

    /// The Node object goes, or comes back with its machine.
    pub(super) fn set_gone(&mut self, node: usize, gone: bool) {
        let name = self.nodes[node].name.clone();
        if gone {
            self.gone.insert(name)
        } else {
            self.gone.remove(&name)
        };
        for controller in 0..self.clients.len() {
            self.tell_cluster(controller);
        }
        if !gone {
            let delay = self.rng.between(1, 1_000);
            self.at(delay, Happening::PowerOn(node));
        }
    }

    fn edit(&mut self) {
        let choices: [&[&str]; 3] = [
            &["172.16.3.120-172.16.3.136"],
            &["172.16.3.126-172.16.3.140"],
            &["172.16.3.120-172.16.3.124", "172.16.3.130-172.16.3.141"],
        ];
        let ips = choices[usize::try_from(self.rng.below(3)).unwrap()];
        self.pools[0].spec.ips = ips.iter().map(|ips| (*ips).to_owned()).collect();
        for controller in 0..self.clients.len() {
            self.tell_pools(controller);
        }
    }

    fn delete_block(&mut self) {
        let names = self.server.blocks.keys().cloned().collect::<Vec<_>>();
        let Some(name) = names.get(usize::try_from(self.rng.below(names.len() as u64)).unwrap()) else {
            return;
        };
        self.server.blocks.remove(name);
        self.forget_owners();
        self.server.version += 1;
        self.publish(&Event::BlockDeleted(name.clone()));
    }

    /// Its agent hears of it, and makes another.
    fn delete_node_object(&mut self, node: usize) {
        let name = self.nodes[node].name.clone();
        if self.server.nodes.remove(&name).is_none() {
            return;
        }
        self.server.version += 1;
        self.publish(&Event::NodeDeleted(name, self.server.version));
        let delay = self.rng.between(1, self.story.faults.late);
        self.at(delay, Happening::Vanish(node, self.connections[node]));
    }

    /// Now and then a backup is made; sooner or later it is put back.
    fn restore(&mut self) {
        if self.rng.once_in(2) {
            self.backup = self.server.clone();
            return;
        }
        // The rule holds as long as somebody lives who has seen more than the backup holds; and who has not waits for him.
        let knows = |client: &Client| {
            client.up && client.has_seen == (true, true) && client.controller.newest() > self.backup.version
        };
        if self.backup.version == 0 || !self.clients.iter().all(knows) {
            return;
        }
        let newest = self.server.version;
        self.server = self.backup.clone();
        // `etcdutl snapshot restore --bump-revision`
        if self.rng.once_in(2) {
            self.server.version = newest + 1_000;
        }
        self.forget_owners();
        (self.era, self.restoring) = (self.era + 1, true);
        self.reconnect();
    }
}
