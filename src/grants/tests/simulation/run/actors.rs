//! Controllers and agents: shells around the code that is on trial.

use api::RailNode;
use grants::{Answer, Controller, Event, Request};

use super::{Client, Happening, Run, UNANSWERED};
use crate::server::Word;

impl Run {
    pub(super) fn start_controller(&mut self, controller: usize) {
        let (policy, rules) = (self.story.policy, self.story.rules);
        let life = self.clients[controller].life + 1;
        let before = &self.clients[controller];
        self.clients[controller] = Client {
            controller: Controller::new(policy, rules),
            life,
            connection: before.connection,
            up: true,
            last_event: [self.now; 4],
            ..Client::default()
        };
        self.connect(controller);
    }

    pub(super) fn connect(&mut self, controller: usize) {
        let client = &mut self.clients[controller];
        client.connection += 1;
        client.listed = (false, false);
        let connection = client.connection;
        for nodes in [true, false] {
            let delay = self.rng.between(1, self.story.faults.slow);
            self.at(delay, Happening::List(controller, connection, nodes));
        }
        self.tell_pools(controller);
        self.tell_cluster(controller);
        self.at(1, Happening::Poll(controller));
    }

    pub(super) fn tell_pools(&mut self, controller: usize) {
        let event = Event::Pools(self.pools.clone(), Vec::new());
        self.tell(controller, 2, event);
    }

    pub(super) fn tell_cluster(&mut self, controller: usize) {
        let event = Event::Cluster(<_>::default(), self.gone.clone());
        self.tell(controller, 3, event);
    }

    /// Late, but in order.
    fn tell(&mut self, controller: usize, watch: usize, event: Event) {
        let delay = self.rng.between(1, self.story.faults.late);
        let client = &mut self.clients[controller];
        client.last_event[watch] = client.last_event[watch].max(self.now + delay);
        let (connection, delay) = (client.connection, client.last_event[watch] - self.now);
        self.at(delay, Happening::See(controller, connection, event));
    }

    pub(super) fn list(&mut self, controller: usize, connection: u64, nodes: bool) {
        if self.clients[controller].connection != connection || !self.clients[controller].up {
            return;
        }
        if self.is_away() {
            return self.at(100, Happening::List(controller, connection, nodes));
        }
        let version = self.server.version;
        let event = if nodes {
            Event::Nodes(self.server.nodes.values().cloned().collect(), version)
        } else {
            Event::Blocks(self.server.blocks.values().cloned().collect(), version)
        };
        let delay = self.rng.between(1, self.story.faults.slow);
        let client = &mut self.clients[controller];
        if version < client.controller.newest() {
            client.controller.see(Event::PutBack);
        }
        if nodes {
            client.listed.0 = true;
        } else {
            client.listed.1 = true;
        }
        let last = &mut client.last_event[usize::from(!nodes)];
        *last = (*last).max(self.now + delay);
        let delay = *last - self.now;
        self.at(delay, Happening::See(controller, connection, event));
    }

    pub(super) fn poll(&mut self, controller: usize) {
        let now = self.now;
        let client = &mut self.clients[controller];
        if !client.up || client.paused_until > now {
            return;
        }
        let life = client.life;
        for request in client.controller.poll(now + controller as u64 * 1_234_567) {
            let delay = self.rng.between(1, self.story.faults.slow);
            if self.rng.once_in(self.story.faults.repeated) {
                let later = delay + self.rng.below(20 * self.story.faults.slow + 2_000);
                self.at(later, Happening::Arrive(controller, u64::MAX, self.era, request.clone()));
                if self.rng.once_in(2) {
                    // Nothing but the late one arrives.
                    self.at(UNANSWERED, Happening::Answer(controller, life, request, Answer::Unknown));
                    continue;
                }
            }
            self.at(delay, Happening::Arrive(controller, life, self.era, request));
        }
    }

    pub(super) fn is_away(&self) -> bool {
        self.away_until > self.now
    }

    pub(super) fn arrive(&mut self, controller: usize, life: u64, era: u64, request: Request) {
        if self.is_away() || era != self.era || self.rng.once_in(self.story.faults.lost) {
            return self.at(UNANSWERED, Happening::Answer(controller, life, request, Answer::Unknown));
        }
        let (answer, event) = self.server.serve(&request, self.story.tests);
        if let Some(event) = event {
            self.publish(&event);
        }
        let lost = self.rng.once_in(self.story.faults.lost);
        let (delay, answer) = if lost {
            (UNANSWERED, Answer::Unknown)
        } else {
            (self.rng.between(1, self.story.faults.slow), answer)
        };
        self.at(delay, Happening::Answer(controller, life, request, answer));
    }

    pub(super) fn power_on(&mut self, node: usize) {
        self.nodes[node].up = true;
        self.start_agent(node);
    }

    pub(super) fn start_agent(&mut self, node: usize) {
        if !self.nodes[node].up || self.nodes[node].agent.is_some() {
            return;
        }
        self.nodes[node].start_agent(self.story.agent);
        self.joined[node] = false;
        self.connections[node] += 1;
        self.join(node);
        if self.nodes[node].lives == 1 {
            self.at(50, Happening::Look(node));
        }
    }

    fn join(&mut self, node: usize) {
        let Some(agent) = &self.nodes[node].agent else { return };
        let epoch = agent.first_epoch((1_000_000_000_000 + self.now) * 1_000);
        let word = Word::Join { node: self.nodes[node].name.clone(), life: agent.life().to_owned(), epoch };
        self.send(node, word);
    }

    /// The watch says that the object is gone; without one, the controllers hear nothing of this node.
    pub(super) fn vanish(&mut self, node: usize) {
        self.nodes[node].seen = None;
        if let Some(agent) = &mut self.nodes[node].agent {
            agent.unheard();
            self.join(node);
        }
    }

    fn send(&mut self, node: usize, word: Word) {
        let delay = self.rng.between(1, self.story.faults.slow);
        if self.rng.once_in(self.story.faults.repeated) {
            let later = delay + self.rng.below(20 * self.story.faults.slow + 2_000);
            self.at(later, Happening::Hear(node, self.era, word.clone()));
            if self.rng.once_in(2) && matches!(word, Word::Say { .. }) {
                return;
            }
        }
        self.at(delay, Happening::Hear(node, self.era, word));
    }

    pub(super) fn hear(&mut self, node: usize, era: u64, word: &Word) {
        let (life, join) = match word {
            Word::Join { life, .. } => (life.clone(), true),
            Word::Say { status, .. } => (status.life.clone(), false),
        };
        let unheard = Happening::Heard(node, era, life.clone(), join, None);
        if self.is_away() || era != self.era || self.rng.once_in(self.story.faults.lost) {
            return self.at(UNANSWERED, unheard);
        }
        // A late copy of an earlier life's first word: the machinery of HTTP does not repeat those.
        let current = self.nodes[node].agent.as_ref().map(|agent| agent.life() == life);
        if join && current != Some(true) {
            return;
        }
        if !join && !self.server.nodes.contains_key(&self.nodes[node].name) {
            return self.at(1, unheard);
        }
        let Some(object) = self.server.hear(word, self.story.tests) else {
            return self.at(1, Happening::Refused(node, life));
        };
        self.publish(&Event::Node(Box::new(object.clone())));
        let delay = self.rng.between(1, self.story.faults.slow);
        let heard = if self.rng.once_in(self.story.faults.lost) {
            (UNANSWERED, unheard)
        } else {
            (delay, Happening::Heard(node, era, life, join, Some(Box::new(object))))
        };
        self.at(heard.0, heard.1);
    }

    pub(super) fn heard(&mut self, node: usize, life: &str, join: bool, object: Option<Box<RailNode>>) {
        let Some(agent) = self.nodes[node].agent.as_mut().filter(|agent| agent.life() == life) else {
            return;
        };
        match object {
            None if join => return self.join(node),
            None => agent.unheard(),
            Some(object) if join && !agent.has_joined() => {
                let step = agent.join(&object);
                if let Some(keep) = step.keep {
                    self.nodes[node].disk = Some(keep);
                }
                self.nodes[node].seen = Some(*object);
                self.joined[node] = true;
                // Whoever watches begins with a list.
                if let Some(object) = self.server.nodes.get(&self.nodes[node].name).cloned() {
                    self.at(1, Happening::Show(node, self.connections[node], Box::new(object), false));
                }
            }
            Some(object) => self.nodes[node].show(&object, false),
        }
        self.look(node);
    }

    /// Another life speaks for the node; this one ends.
    pub(super) fn refused(&mut self, node: usize, life: &str) {
        if self.nodes[node].agent.as_ref().is_some_and(|agent| agent.life() == life) {
            self.crash_agent(node, false);
        }
    }

    /// May die before the disk is written, and before the word is sent.
    pub(super) fn look(&mut self, node: usize) {
        if !self.nodes[node].up {
            return;
        }
        let step = self.nodes[node].look(self.now);
        let dies = self.story.faults.agent / 4;
        if let Some(keep) = step.keep {
            if self.rng.once_in(dies) {
                return self.crash_agent(node, false);
            }
            self.nodes[node].disk = Some(keep);
            if self.rng.once_in(dies) {
                return self.crash_agent(node, false);
            }
        }
        if let Some(status) = step.say {
            let name = self.nodes[node].name.clone();
            self.send(node, Word::Say { node: name, status });
        }
    }

    pub(super) fn crash_agent(&mut self, node: usize, lose_disk: bool) {
        let model = &mut self.nodes[node];
        (model.agent, model.seen) = (None, None);
        if lose_disk {
            model.disk = None;
        }
        let delay = self.rng.between(1, 2_000);
        self.at(delay, Happening::StartAgent(node));
    }

    pub(super) fn reconnect(&mut self) {
        for controller in 0..self.clients.len() {
            if self.clients[controller].up {
                self.connect(controller);
            }
        }
        for node in 0..self.nodes.len() {
            self.connections[node] += 1;
            let Some(object) = self.server.nodes.get(&self.nodes[node].name).filter(|_| self.joined[node])
            else {
                // It did not exist yet: the agent begins again.
                if self.nodes[node].agent.is_some() {
                    self.crash_agent(node, false);
                }
                continue;
            };
            let life = object.status.as_ref().map(|status| status.life.clone()).unwrap_or_default();
            self.nodes[node].seen = Some(object.clone());
            if self.nodes[node].agent.as_ref().is_some_and(|agent| agent.life() != life) {
                self.crash_agent(node, false);
            }
        }
    }
}
