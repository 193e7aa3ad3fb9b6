//! `raild agent`: the grant of this node to a file that its plugins read, what they want to the controller, and what is free
//! back to the cluster.

use std::collections::BTreeMap;
use std::time::Duration;

use api::{NodePool, RailNode, RailNodeStatus};
use grants::agent::{Agent, AgentRules, Kept, Local};
use grants::{ranges_of, ranges_text};
use ipam::{Granted, JournalStore, Range, RangeSet, Store as _, StoreError};
use serde_json::{Value, json};
use state::Dirs;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::Instant;

use crate::connection::{Connection, Failure, Seen, object, path};
use crate::socket::{self, Want};

/// How long the lease store may be busy.
const LOCK: Duration = Duration::from_secs(2);
/// How often the agent looks at its node by itself.
const TICK: Duration = Duration::from_millis(250);
/// Wishes that come within this time are told in one word.
const BATCH: Duration = Duration::from_millis(10);
/// How long a plugin is let wait at most, whatever its own deadline.
const LONGEST: Duration = Duration::from_secs(30);

enum Input {
    Node(Seen<RailNode>),
    Said(Result<Box<RailNode>, Failure>),
}

/// Runs until it is ended.
pub(crate) async fn run() -> Result<(), String> {
    let node = std::env::var("NODE_NAME").ok().filter(|name| !name.is_empty());
    let node = node.ok_or("NODE_NAME is not set: the node's name in Kubernetes")?;
    let dirs = Dirs::from_env().map_err(|error| error.to_string())?;
    let store = JournalStore::new(&dirs, LOCK).map_err(|error| error.to_string())?;
    let connection = Connection::open().await?;
    let memory = remembered(&dirs, &node)?;
    let agent = Agent::new(life(), node.clone(), memory, AgentRules::default());
    let directory = dirs.state.create(&["node"]).map_err(|error| error.to_string())?;
    let listener = socket::bind(&directory.join("want"))?;
    let (tell, hear) = unbounded_channel();
    let (ask, asked) = unbounded_channel();
    tokio::task::spawn_local(socket::serve(listener, ask));
    let mut shell = Shell {
        connection,
        tell,
        dirs,
        store,
        node,
        agent,
        seen: None,
        wants: Vec::new(),
        started: Instant::now(),
    };
    shell.join().await;
    shell.follow();
    shell.run(hear, asked).await
}

/// Never the same again: the boot, and the time since.
fn life() -> String {
    let boot = state::BootId::current().map(|boot| boot.to_string()).unwrap_or_default();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    format!("{boot}/{}/{}", now.as_nanos(), std::process::id())
}

/// What an earlier life on this node has left. That of another node is nobody's here.
fn remembered(dirs: &Dirs, node: &str) -> Result<Option<Kept>, String> {
    let granted = Granted::read(dirs).map_err(|error| error.to_string())?;
    let Some(granted) = granted.filter(|granted| granted.node == node) else { return Ok(None) };
    serde_json::from_value(granted.memory).map(Some).map_err(|error| format!("the agent's memory: {error}"))
}

struct Shell {
    connection: Connection,
    tell: UnboundedSender<Input>,
    dirs: Dirs,
    store: JournalStore,
    node: String,
    agent: Agent,
    seen: Option<RailNode>,
    wants: Vec<(Want, Instant)>,
    started: Instant,
}

impl Shell {
    /// From now on this life speaks for the node.
    async fn join(&mut self) {
        loop {
            match self.try_join().await {
                Ok(node) => {
                    let step = self.agent.join(&node);
                    self.seen = Some(node);
                    let kept = step.keep.map_or(Ok(()), |kept| self.keep(&kept));
                    return kept.unwrap_or_else(|error| eprintln!("raild: {error}"));
                }
                Err(failure) => eprintln!("raild: railnode {}: {failure:?}; trying again", self.node),
            }
            tokio::time::sleep(TICK).await;
        }
    }

    async fn try_join(&self) -> Result<RailNode, Failure> {
        let nodes = path::<RailNode>();
        let life = json!({ "status": { "life": self.agent.life() } });
        match self.connection.merge(&nodes, &self.node, true, life.clone()).await {
            Err(Failure::Missing) => {
                // Later than any epoch of an object of this name that somebody has deleted.
                let now =
                    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
                let spec = json!({ "epoch": now.as_secs(), "pools": [] });
                let made = object::<RailNode>(&json!({ "name": self.node }), &spec);
                self.connection.create::<Value>(&nodes, &made).await?;
                self.connection.merge(&nodes, &self.node, true, life).await
            }
            other => other,
        }
    }

    fn follow(&self) {
        let tell = self.tell.clone();
        let fields = Some(format!("metadata.name={}", self.node));
        let told = move |seen| tell.send(Input::Node(seen)).is_ok();
        tokio::task::spawn_local(self.connection.clone().follow(path::<RailNode>(), fields, told));
    }

    async fn run(
        mut self,
        mut hear: UnboundedReceiver<Input>,
        mut asked: UnboundedReceiver<Want>,
    ) -> Result<(), String> {
        let mut tick = tokio::time::interval(TICK);
        let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())
            .map_err(|error| format!("signals: {error}"))?;
        loop {
            tokio::select! {
                input = hear.recv() => match input {
                    Some(input) => self.take(input)?,
                    None => return Ok(()),
                },
                Some(want) = asked.recv() => {
                    self.wants.push((want, Instant::now()));
                    tokio::time::sleep(BATCH).await;
                    while let Ok(want) = asked.try_recv() {
                        self.wants.push((want, Instant::now()));
                    }
                }
                _ = tick.tick() => (),
                _ = terminate.recv() => return Ok(()),
            }
            self.look();
        }
    }

    fn take(&mut self, input: Input) -> Result<(), String> {
        match input {
            Input::Node(Seen::All(nodes, ..)) => {
                if let Some(node) = nodes.into_iter().find(|node| node.metadata.name == self.node) {
                    self.seen = Some(node);
                }
            }
            Input::Node(Seen::One(node)) | Input::Said(Ok(node)) if self.is_newer(&node) => {
                self.seen = Some(*node);
            }
            Input::Said(Err(Failure::Refused(_))) => {
                return Err(format!("another agent speaks for node {}: only one may run", self.node));
            }
            Input::Said(Err(failure)) => {
                eprintln!("raild: status of node {}: {failure:?}", self.node);
                self.agent.unheard();
            }
            Input::Node(Seen::One(_) | Seen::Gone(_)) | Input::Said(Ok(_)) => (),
        }
        Ok(())
    }

    fn is_newer(&self, node: &RailNode) -> bool {
        let version = |node: &RailNode| {
            node.metadata.resource_version.as_ref().and_then(|version| version.parse::<u64>().ok())
        };
        self.seen.as_ref().is_none_or(|seen| version(seen) < version(node))
    }

    /// Looks at the node with its lease store locked, and does what follows.
    fn look(&mut self) {
        self.wants.retain(|(want, since)| !want.answer.is_closed() && since.elapsed() < LONGEST);
        let mut waiting: BTreeMap<String, u64> = BTreeMap::new();
        for (want, _) in &self.wants {
            *waiting.entry(want.pool.clone()).or_default() += want.count;
        }
        let (most, seen) = (BTreeMap::new(), self.seen.clone());
        let now = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        let (agent, dirs) = (&mut self.agent, &self.dirs);
        let mut say = None;
        let mut leased = RangeSet::default();
        let decide = &mut |leases: &dyn ipam::Leases| {
            let seconds = ipam::journal::now();
            let quarantined = leases.quarantined(seconds)?;
            let used = leases.all()?.into_iter().map(|lease| Range::one(lease.ip));
            leased = used.chain(quarantined.ranges().iter().copied()).collect();
            let step =
                agent.step(seen.as_ref(), &Local { leased: &leased, waiting: &waiting, most: &most, now });
            if let Some(kept) = step.keep {
                file(&kept)?.write(dirs)?;
            }
            say = step.say;
            Ok(Vec::new())
        };
        if let Err(error) = self.store.update(decide) {
            return eprintln!("raild: {error}");
        }
        if let Some(status) = say {
            self.say(status);
        }
        self.answer(&leased);
    }

    fn keep(&self, kept: &Kept) -> Result<(), String> {
        file(kept).and_then(|granted| granted.write(&self.dirs)).map_err(|error| error.to_string())
    }

    /// Only this life is heard, and only its own part of the status.
    fn say(&self, status: RailNodeStatus) {
        let (connection, tell, node) = (self.connection.clone(), self.tell.clone(), self.node.clone());
        tokio::task::spawn_local(async move {
            let operations = json!([
                { "op": "test", "path": "/status/life", "value": status.life },
                { "op": "add", "path": "/status/epoch", "value": status.epoch },
                { "op": "add", "path": "/status/waits", "value": status.waits },
                { "op": "add", "path": "/status/pools", "value": status.pools },
            ]);
            let said = connection
                .patch::<RailNode>(&path::<RailNode>(), &node, true, operations)
                .await
                .map(Box::new);
            let _ = tell.send(Input::Said(said));
        });
    }

    /// Tells those who wait that there is something for them.
    fn answer(&mut self, leased: &RangeSet) {
        let mut free: BTreeMap<String, u128> = self
            .agent
            .usable()
            .into_iter()
            .map(|(pool, usable)| (pool, usable.without(leased).len()))
            .collect();
        let epoch = self.agent.kept().epoch;
        let mut still = Vec::new();
        for (want, since) in std::mem::take(&mut self.wants) {
            match free.get_mut(&want.pool).filter(|free| **free >= u128::from(want.count)) {
                Some(free) => {
                    *free -= u128::from(want.count);
                    let _ = want.answer.send(format!("granted {epoch}"));
                }
                None => still.push((want, since)),
            }
        }
        self.wants = still;
    }
}

/// The file of the plugins.
fn file(kept: &Kept) -> Result<Granted, StoreError> {
    let memory = serde_json::to_value(kept)
        .map_err(|error| StoreError::Granted { path: "node/grants".to_owned(), what: error.to_string() })?;
    let pools = kept.pools.iter().map(|pool| document(pool, kept.returned.get(&pool.name))).collect();
    Ok(Granted { node: kept.node.clone(), epoch: kept.epoch, pools, memory })
}

/// A pool as the plugins read pools, with what this node may hand out and has not given up.
fn document(pool: &NodePool, returned: Option<&String>) -> Value {
    let read = |text: &str| ranges_of(text).unwrap_or_default();
    let usable = read(&pool.ranges).without(&returned.map(|text| read(text)).unwrap_or_default());
    let mut spec = json!({
        "subnet": pool.subnet,
        "ips": ranges_text(&usable).split(',').filter(|part| !part.is_empty()).collect::<Vec<_>>(),
        "routes": pool.routes,
        "namespaceName": pool.namespaces,
        "multusName": pool.networks,
        "default": pool.default,
        "sticky": pool.sticky,
    });
    if let Some(gateway) = &pool.gateway {
        spec["gateway"] = gateway.as_str().into();
    }
    if let Some(rest) = pool.rest {
        spec["rest"] = rest.into();
    }
    json!({ "kind": "SpiderIPPool", "metadata": { "name": pool.name }, "spec": spec })
}
