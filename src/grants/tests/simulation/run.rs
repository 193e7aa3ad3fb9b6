//! A run: everything that happens, one thing at a time, in an order that follows from the seed.

mod actors;
mod faults;
mod owners;
mod pods;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::net::IpAddr;

use api::{Metadata, RailNode, SpiderIPPool, SpiderIPPoolSpec};
use grants::{Answer, Controller, Event, FABRIC, RAIL, Request};
use ipam::RangeSet;

use crate::node::NodeModel;
use crate::rng::Rng;
use crate::server::{Server, Word};
use crate::story::{Faults, Story};

/// How long a pod waits for an address, and a client for an answer.
const PATIENCE: u64 = 10_000;
const UNANSWERED: u64 = 500;
pub(crate) const POOLS: [&str; 3] = ["alone", "gpu-rail1", "gpu-rail2"];

pub(crate) enum Happening {
    Arrive(usize, u64, u64, Request),
    Answer(usize, u64, Request, Answer),
    List(usize, u64, bool),
    See(usize, u64, Event),
    Poll(usize),
    Hear(usize, u64, Word),
    Heard(usize, u64, String, bool, Option<Box<RailNode>>),
    Refused(usize, String),
    Show(usize, u64, Box<RailNode>, bool),
    Vanish(usize, u64),
    Look(usize),
    Pods,
    Try(usize, u64, u64),
    Lock(usize, u64, u64, RangeSet),
    End(usize, IpAddr, u64),
    PowerOn(usize),
    StartAgent(usize),
    StartController(usize),
    Gone(usize, bool),
}

/// A controller and its connection.
#[derive(Default)]
pub(crate) struct Client {
    pub(crate) controller: Controller,
    pub(crate) life: u64,
    pub(crate) connection: u64,
    pub(crate) listed: (bool, bool),
    /// All nodes, and all blocks.
    pub(crate) has_seen: (bool, bool),
    pub(crate) up: bool,
    pub(crate) paused_until: u64,
    /// When the last event of each watch was or will be seen: nodes, blocks, pools, and the cluster's Nodes.
    pub(crate) last_event: [u64; 4],
}

pub(crate) struct Run {
    pub(crate) story: Story,
    pub(crate) rng: Rng,
    pub(crate) now: u64,
    pub(crate) steps: u64,
    queue: BinaryHeap<Reverse<(u64, u64)>>,
    happenings: BTreeMap<u64, Happening>,
    sequence: u64,
    pub(crate) server: Server,
    pub(crate) backup: Server,
    pub(crate) era: u64,
    pub(crate) away_until: u64,
    /// Until everybody has said what they hold, after a restore.
    pub(crate) restoring: bool,
    pub(crate) clients: Vec<Client>,
    pub(crate) nodes: Vec<NodeModel>,
    /// How many are lost for ever.
    pub(crate) dead: u64,
    connections: Vec<u64>,
    joined: Vec<bool>,
    pub(crate) gone: std::collections::BTreeSet<String>,
    pub(crate) pools: Vec<SpiderIPPool>,
    pub(crate) holders: BTreeMap<IpAddr, usize>,
    pub(crate) duplicates: u64,
    pub(crate) met: u64,
    pub(crate) given_up: u64,
    pub(crate) pods: BTreeMap<u64, (usize, String)>,
    next_pod: u64,
    owners: owners::Owners,
    /// Pods that want to run: how many, on which node, of which pool.
    pub(crate) demand: u64,
    pub(crate) only: Option<(usize, &'static str)>,
    /// Pods stay for ever.
    pub(crate) stay: bool,
}

pub(crate) fn pool(name: &str, subnet: &str, ips: &[&str], rail: Option<u32>) -> SpiderIPPool {
    let mut metadata = Metadata { name: name.to_owned(), ..Metadata::default() };
    if let Some(rail) = rail {
        metadata.labels.insert(FABRIC.to_owned(), "gpu".to_owned());
        metadata.labels.insert(RAIL.to_owned(), rail.to_string());
    }
    let ips = ips.iter().map(|ips| (*ips).to_owned()).collect();
    let spec = SpiderIPPoolSpec { subnet: subnet.to_owned(), ips, ..SpiderIPPoolSpec::default() };
    SpiderIPPool { metadata, spec, ..SpiderIPPool::default() }
}

/// The second NIC of every third node has none.
fn vfs(node: u64) -> BTreeMap<String, u64> {
    [("gpu-rail1", 2 + node % 3), ("gpu-rail2", node % 3 * 2)]
        .map(|(pool, vfs)| (pool.to_owned(), vfs))
        .into()
}

fn rail(number: u32, ips: &[&str], sticky: bool) -> SpiderIPPool {
    let mut rail = pool(&format!("gpu-rail{number}"), &format!("172.16.{number}.0/24"), ips, Some(number));
    rail.spec.sticky = sticky;
    rail
}

impl Run {
    pub(crate) fn new(story: Story) -> Self {
        let node = |index: u64| NodeModel {
            name: format!("node-{index}"),
            skew: index * 77_777,
            most: if story.vfs { vfs(index) } else { BTreeMap::new() },
            ..NodeModel::default()
        };
        let nodes = (0..story.nodes).map(node).collect::<Vec<_>>();
        // Owners have addresses of more than one block.
        let second = if story.sticky { "172.16.2.123-172.16.2.132" } else { "172.16.2.15-172.16.2.24" };
        let mut run = Self {
            rng: Rng(story.seed),
            now: 0,
            steps: 0,
            queue: BinaryHeap::new(),
            happenings: BTreeMap::new(),
            sequence: 0,
            server: Server::default(),
            backup: Server::default(),
            era: 0,
            away_until: 0,
            restoring: false,
            clients: (0..story.controllers).map(|_| Client::default()).collect(),
            dead: 0,
            connections: vec![0; nodes.len()],
            joined: vec![false; nodes.len()],
            nodes,
            gone: std::collections::BTreeSet::new(),
            pools: vec![
                pool("alone", "172.16.3.0/24", &["172.16.3.120-172.16.3.136"], None),
                rail(1, &["172.16.1.1-172.16.1.20"], story.sticky),
                rail(2, &["172.16.2.1-172.16.2.10", second], story.sticky),
            ],
            holders: BTreeMap::new(),
            duplicates: 0,
            met: 0,
            given_up: 0,
            pods: BTreeMap::new(),
            next_pod: 0,
            owners: owners::Owners::default(),
            demand: 57 * story.demand / 100,
            only: None,
            stay: false,
            story,
        };
        for controller in 0..run.clients.len() {
            run.at(1 + controller as u64, Happening::StartController(controller));
        }
        for node in 0..run.nodes.len() {
            run.at(1, Happening::PowerOn(node));
        }
        run.at(1, Happening::Pods);
        run
    }

    pub(crate) fn at(&mut self, delay: u64, happening: Happening) {
        self.sequence += 1;
        self.queue.push(Reverse((self.now + delay, self.sequence)));
        self.happenings.insert(self.sequence, happening);
    }

    /// One thing happens.
    pub(crate) fn step(&mut self) {
        let Some(Reverse((time, sequence))) = self.queue.pop() else { panic!("nothing happens any more") };
        self.now = time;
        self.steps += 1;
        if let Some(happening) = self.happenings.remove(&sequence) {
            self.happen(happening);
        }
        self.faults();
    }

    /// Until so much time has passed.
    pub(crate) fn run_for(&mut self, time: u64) {
        let until = self.now + time;
        while self.now < until {
            self.step();
        }
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Arrive(controller, life, era, request) => self.arrive(controller, life, era, request),
            Happening::Answer(controller, life, request, answer) => {
                let client = &mut self.clients[controller];
                if client.life == life {
                    client.controller.answered(&request, answer);
                    self.poll(controller);
                }
            }
            Happening::List(controller, connection, nodes) => self.list(controller, connection, nodes),
            Happening::See(controller, connection, event) => {
                let client = &mut self.clients[controller];
                if client.up && client.connection == connection {
                    client.has_seen.0 |= matches!(event, Event::Nodes(..));
                    client.has_seen.1 |= matches!(event, Event::Blocks(..));
                    client.controller.see(event);
                    self.at(self.story.faults.slow / 3, Happening::Poll(controller));
                }
            }
            Happening::Poll(controller) => self.poll(controller),
            Happening::Hear(node, era, word) => self.hear(node, era, &word),
            Happening::Heard(node, era, life, join, object) => {
                // What an API server has answered comes before the lists of the one that was put back.
                let object = object.filter(|_| era == self.era);
                self.heard(node, &life, join, object);
            }
            Happening::Refused(node, life) => self.refused(node, &life),
            Happening::Show(node, connection, object, again) => {
                if self.connections[node] == connection {
                    self.nodes[node].show(&object, again);
                    self.look(node);
                    // A watch that has gone back comes to the present again.
                    let now = self.server.nodes.get(&self.nodes[node].name).filter(|_| again).cloned();
                    if let Some(now) = now {
                        let delay = self.rng.between(1, self.story.faults.late);
                        self.at(delay, Happening::Show(node, connection, Box::new(now), false));
                    }
                }
            }
            Happening::Vanish(node, connection) => {
                if self.connections[node] == connection {
                    self.vanish(node);
                }
            }
            Happening::Look(node) => {
                self.look(node);
                let pause = self.rng.between(150, 400);
                self.at(pause, Happening::Look(node));
            }
            Happening::Pods => self.new_pods(),
            Happening::Try(node, pod, deadline) => self.try_lease(node, pod, deadline),
            Happening::Lock(node, pod, deadline, loaded) => self.lock(node, pod, deadline, &loaded),
            Happening::End(node, ip, pod) => self.end(node, ip, pod),
            Happening::PowerOn(node) => self.power_on(node),
            Happening::StartAgent(node) => self.start_agent(node),
            Happening::StartController(controller) => self.start_controller(controller),
            Happening::Gone(node, gone) => self.set_gone(node, gone),
        }
    }

    /// Tells all that watch.
    pub(crate) fn publish(&mut self, event: &Event) {
        for controller in 0..self.clients.len() {
            let delay = self.rng.below(self.story.faults.late);
            let twice = self.rng.once_in(self.story.faults.seen_twice);
            let again = self.rng.below(self.story.faults.late * 20 + 1);
            let client = &mut self.clients[controller];
            let is_node = matches!(event, Event::Node(_) | Event::NodeDeleted(..));
            if !client.up || !(if is_node { client.listed.0 } else { client.listed.1 }) {
                continue;
            }
            let last = &mut client.last_event[usize::from(!is_node)];
            *last = (*last).max(self.now + delay);
            let (connection, delay) = (client.connection, *last - self.now);
            self.at(delay, Happening::See(controller, connection, event.clone()));
            if twice {
                self.at(delay + again, Happening::See(controller, connection, event.clone()));
            }
        }
        let Event::Node(object) = event else { return };
        let Some(node) = self.nodes.iter().position(|node| node.name == object.metadata.name) else { return };
        if self.joined[node] {
            let delay = self.rng.below(self.story.faults.late);
            let again = self.rng.once_in(self.story.faults.seen_twice);
            self.at(delay, Happening::Show(node, self.connections[node], object.clone(), again));
        }
    }

    pub(crate) fn calm(&mut self) {
        self.story.faults = Faults::NONE;
        self.away_until = 0;
        for client in &mut self.clients {
            client.paused_until = 0;
        }
    }
}
