//! `raild controller`: what the API server shows goes to `grants::Controller`, and what that asks goes to the API server.

mod cluster;
mod fence;
mod figures;
mod others;
mod request;
mod status;
mod taints;

use std::collections::BTreeMap;
use std::time::Duration;

use api::{Fabric, Metadata, Object, RailBlock, RailNode, SpiderIPPool, SpiderReservedIP};
use grants::{Answer, Controller, Event, Hindrance, Policy, Request, Rules};
use metrics::Pool;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::Instant;

use self::cluster::{Cluster, keep};
use crate::connection::{Connection, Seen, path};
use crate::gone::NodeObject;
use crate::lease::Lease;
use figures::Figures;
use request::execute;
use status::Statuses;
use taints::Taints;

/// Changes that come within this time are met in one pass.
const BATCH: Duration = Duration::from_millis(20);
/// How often time alone may change a decision.
const TICK: Duration = Duration::from_millis(500);

enum Input {
    Pools(Seen<SpiderIPPool>),
    Reserved(Seen<SpiderReservedIP>),
    Others(others::Record),
    Nodes(Seen<NodeObject>),
    RailNodes(Seen<RailNode>),
    Blocks(Seen<RailBlock>),
    Fabrics(Seen<Fabric>),
    Answered(Box<Request>, Answer),
}

impl Input {
    /// The version of a list that shows an older state than before, whichever kind shows it first. What was seen before it stands before
    /// it in the queue.
    fn goes_back(&self) -> Option<u64> {
        fn of<T>(seen: &Seen<T>) -> Option<u64> {
            if let Seen::All(_, version, true) = seen { Some(*version) } else { None }
        }
        match self {
            Self::Pools(seen) => of(seen),
            Self::Reserved(seen) => of(seen),
            Self::Nodes(seen) => of(seen),
            Self::RailNodes(seen) => of(seen),
            Self::Blocks(seen) => of(seen),
            Self::Fabrics(seen) => of(seen),
            Self::Others(_) | Self::Answered(..) => None,
        }
    }
}

/// Runs until it is ended.
pub(crate) async fn run() -> Result<(), String> {
    let figures = Figures::default();
    figures.serve().await?;
    let connection = Connection::open().await?;
    fence::check(&connection).await?;
    let (tell, hear) = unbounded_channel();
    follow(&connection, path::<SpiderIPPool>(), &tell, Input::Pools);
    follow(&connection, path::<SpiderReservedIP>(), &tell, Input::Reserved);
    others::follow(&connection, &tell);
    follow(&connection, "/api/v1/nodes".to_owned(), &tell, Input::Nodes);
    follow(&connection, path::<RailNode>(), &tell, Input::RailNodes);
    follow(&connection, path::<RailBlock>(), &tell, Input::Blocks);
    follow(&connection, path::<Fabric>(), &tell, Input::Fabrics);
    let shell = Shell {
        connection,
        tell,
        controller: Controller::new(Policy::default(), Rules::default()),
        cluster: Cluster::default(),
        started: Instant::now(),
        statuses: Statuses::default(),
        lease: Lease::new("raild-controller"),
        figures,
        taints: Taints::default(),
    };
    shell.run(hear).await
}

fn follow<T>(
    connection: &Connection,
    path: String,
    tell: &UnboundedSender<Input>,
    input: fn(Seen<T>) -> Input,
) where
    T: serde::de::DeserializeOwned + Clone + 'static,
{
    let tell = tell.clone();
    let follow = connection.clone().follow(path, None, move |seen| tell.send(input(seen)).is_ok());
    tokio::task::spawn_local(follow);
}

struct Shell {
    connection: Connection,
    tell: UnboundedSender<Input>,
    controller: Controller,
    cluster: Cluster,
    started: Instant,
    statuses: Statuses,
    lease: Lease,
    figures: Figures,
    taints: Taints,
}

impl Shell {
    async fn run(mut self, mut hear: UnboundedReceiver<Input>) -> Result<(), String> {
        let mut tick = tokio::time::interval(TICK);
        let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())
            .map_err(|error| format!("signals: {error}"))?;
        loop {
            tokio::select! {
                input = hear.recv() => {
                    let Some(input) = input else { return Ok(()) };
                    self.take(input);
                    tokio::time::sleep(BATCH).await;
                    while let Ok(input) = hear.try_recv() {
                        self.take(input);
                    }
                }
                _ = tick.tick() => {
                    self.lease.keep(&self.connection).await;
                    self.tell_cluster();
                }
                _ = terminate.recv() => {
                    self.lease.give_up(&self.connection).await;
                    return Ok(());
                }
            }
            self.go_on();
        }
    }

    fn take(&mut self, input: Input) {
        if let Some(version) = input.goes_back() {
            self.put_back(version);
        }
        match input {
            Input::Pools(seen) => {
                keep(&mut self.cluster.pools, seen);
                self.tell_pools();
            }
            Input::Reserved(seen) => {
                keep(&mut self.cluster.reserved, seen);
                self.tell_pools();
            }
            Input::Others(record) => {
                if self.cluster.others.note(record) {
                    self.tell_pools();
                }
            }
            Input::Nodes(seen) => {
                keep(&mut self.cluster.nodes, seen);
                self.tell_cluster();
            }
            Input::RailNodes(seen) => {
                self.note_released(&seen);
                self.figures.see(&seen);
                self.taints.see_nodes(&seen);
                let event = |all, version| Event::Nodes(all, version);
                let gone = |node: Metadata| Event::NodeDeleted(node.name.clone(), number(&node));
                self.see(seen, event, Event::Node, gone);
            }
            Input::Blocks(seen) => {
                let event = |all, version| Event::Blocks(all, version);
                self.see(seen, event, Event::Block, |block| Event::BlockDeleted(block.name));
            }
            Input::Fabrics(seen) => self.taints.see_fabrics(seen),
            Input::Answered(request, answer) => self.controller.answered(&request, answer),
        }
        self.connection.note(self.controller.newest());
    }

    fn put_back(&mut self, version: u64) {
        eprintln!(
            "raild: the API server shows an older state than before: asking all nodes what they hold, and granting nothing before \
             they have answered"
        );
        self.controller.see(Event::PutBack);
        self.connection.went_back(version);
    }

    fn see<S, T>(
        &mut self,
        seen: Seen<Object<S, T>>,
        all: fn(Vec<Object<S, T>>, u64) -> Event,
        one: fn(Box<Object<S, T>>) -> Event,
        gone: fn(Metadata) -> Event,
    ) {
        match seen {
            Seen::All(objects, version, _) => self.controller.see(all(objects, version)),
            Seen::One(object) => self.controller.see(one(object)),
            Seen::Gone(object) => self.controller.see(gone(object.metadata)),
        }
    }

    /// Asks what is to be asked now; only advice keeps a second controller quiet.
    fn go_on(&mut self) {
        if !self.lease.is_ours() {
            // Who only waits tells so, and what it has seen of the nodes.
            if self.statuses.is_due() {
                self.figures.note(BTreeMap::new(), self.controller.world().blocks.len(), false);
            }
            return;
        }
        let now = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        for request in self.controller.poll(now) {
            let (connection, tell) = (self.connection.clone(), self.tell.clone());
            tokio::task::spawn_local(async move {
                let answer = execute(&connection, &request).await;
                // Nobody listens any more when the process ends.
                let _ = tell.send(Input::Answered(Box::new(request), answer));
            });
        }
        if self.statuses.is_due() {
            self.tell_statuses();
            self.taints.tell(&self.connection, self.cluster.nodes.as_ref());
        }
    }

    fn tell_statuses(&mut self) {
        let Some(pools) = &self.cluster.pools else { return };
        let world = self.controller.world();
        let mut told = BTreeMap::new();
        let asking = self.controller.waits_for();
        for (name, pool) in pools {
            let refused = self.controller.refused().iter().find(|(refused, _)| refused == name);
            let unmet = self.controller.unmet().get(name).copied().unwrap_or(0);
            let hindrance =
                refused.map(|(_, why)| Hindrance::Refused(why)).or(asking.as_deref().map(Hindrance::Asking));
            let conditions = grants::conditions(world, name, hindrance, unmet);
            let figures = world.pools.get(name).map(|offer| world.figures(name, offer)).unwrap_or_default();
            let grants::Figures { total, granted, used, free } = figures;
            let of_pool = Pool { total, granted, used, free, unmet, conditions: conditions.clone() };
            told.insert(name.clone(), of_pool);
            self.statuses.tell(&self.connection, pool, figures, conditions);
        }
        self.figures.note(told, world.blocks.len(), true);
        self.statuses.retain(|name| pools.contains_key(name));
    }
}

/// The version of an object.
fn number(metadata: &Metadata) -> u64 {
    metadata.resource_version.as_ref().and_then(|version| version.parse().ok()).unwrap_or(0)
}
