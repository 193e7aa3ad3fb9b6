//! `raild agent`: the grant of this node to a file that its plugins read, what they want to the controller, and what is free
//! back to the cluster.

mod figures;
mod file;
mod health;
mod object;
mod waiting;

use std::collections::BTreeMap;
use std::time::Duration;

use api::RailNode;
use grants::agent::{Agent, AgentRules, Local, Pf, most};
use ipam::{Grants, JournalStore, Range, RangeSet, Store as _, StoreError};
use state::Dirs;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::Instant;

use crate::connection::{Connection, Failure, Seen, path};
use crate::kubelet;
use crate::socket::{self, AddressRequest, Answerers};
use figures::Figures;
use file::{file, remembered};
use health::Health;

/// How long the lease store may be busy.
const LOCK: Duration = Duration::from_secs(2);
/// How often the agent looks at its node by itself.
const TICK: Duration = Duration::from_millis(250);
/// Between two attempts to reach the API server.
const PAUSE: Duration = Duration::from_millis(500);
/// Requests that come within this time are sent as one.
const BATCH: Duration = Duration::from_millis(10);

enum Input {
    /// The API server knows this life.
    Joined(Box<RailNode>),
    Node(Seen<RailNode>),
    Said(Result<Box<RailNode>, Failure>),
    Doctor(Box<health::Said>),
}

/// Runs until it is ended.
pub(crate) async fn run() -> Result<(), String> {
    let node = std::env::var("NODE_NAME").ok().filter(|name| !name.is_empty());
    let node = node.ok_or("NODE_NAME is not set: the node's name in Kubernetes")?;
    let dirs = Dirs::from_env().map_err(|error| error.to_string())?;
    let store = JournalStore::new(&dirs, LOCK).map_err(|error| error.to_string())?;
    let figures = Figures::new();
    figures.serve(&dirs, &node).await?;
    let connection = Connection::open().await?;
    let memory = remembered(&dirs, &node);
    let agent = Agent::new(life(), node.clone(), memory, AgentRules::default());
    let directory = dirs.state.create(&["node"]).map_err(|error| error.to_string())?;
    let listener = socket::bind(&directory.join("want"))?;
    let (tell, hear) = unbounded_channel();
    let (ask, asked) = unbounded_channel();
    let devices = kubelet::answer_all(kubelet::directory());
    tokio::task::spawn_local(socket::serve(listener, Answerers { grants: ask, devices }));
    let mut shell = Shell {
        connection,
        tell,
        dirs,
        store,
        node,
        agent,
        seen: None,
        written: None,
        requests: Vec::new(),
        started: Instant::now(),
        joining: false,
        heard: Instant::now(),
        trouble: None,
        figures,
        health: Health::default(),
        pfs: None,
    };
    tokio::task::spawn_local(health::watch(shell.tell.clone()));
    shell.join();
    shell.follow();
    shell.run(hear, asked).await
}

/// Never the same again: the boot, and the time since.
fn life() -> String {
    let boot = state::BootId::current().map(|boot| boot.to_string()).unwrap_or_default();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    format!("{boot}/{}/{}", now.as_nanos(), std::process::id())
}

struct Shell {
    connection: Connection,
    tell: UnboundedSender<Input>,
    dirs: Dirs,
    store: JournalStore,
    node: String,
    agent: Agent,
    seen: Option<RailNode>,
    /// The file of the plugins as it was last written by this life.
    written: Option<Grants>,
    requests: Vec<(AddressRequest, Instant)>,
    started: Instant,
    /// Until the API server knows this life.
    joining: bool,
    /// When the API server last answered, and what is wrong since.
    heard: Instant,
    trouble: Option<String>,
    figures: Figures,
    health: Health,
    /// NICs that have VFs; none before the doctor has looked.
    pfs: Option<Vec<Pf>>,
}

impl Shell {
    fn follow(&self) {
        let tell = self.tell.clone();
        let fields = Some(format!("metadata.name={}", self.node));
        let told = move |seen| tell.send(Input::Node(seen)).is_ok();
        tokio::task::spawn_local(self.connection.clone().follow(path::<RailNode>(), fields, told));
    }

    async fn run(
        mut self,
        mut hear: UnboundedReceiver<Input>,
        mut asked: UnboundedReceiver<AddressRequest>,
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
                Some(request) = asked.recv() => {
                    self.requests.push((request, Instant::now()));
                    tokio::time::sleep(BATCH).await;
                    while let Ok(request) = asked.try_recv() {
                        self.requests.push((request, Instant::now()));
                    }
                }
                _ = tick.tick() => (),
                _ = terminate.recv() => return Ok(()),
            }
            self.look();
            self.tell_health();
        }
    }

    fn take(&mut self, input: Input) -> Result<(), String> {
        if !matches!(input, Input::Said(Err(_)) | Input::Doctor(_)) {
            (self.heard, self.trouble) = (Instant::now(), None);
        }
        match input {
            Input::Joined(node) => {
                self.joining = false;
                self.agent.join(&node);
                if self.is_newer(&node) {
                    self.seen = Some(*node);
                }
            }
            Input::Node(Seen::All(nodes, ..)) => {
                match nodes.into_iter().find(|node| node.metadata.name == self.node) {
                    Some(node) => self.seen = Some(node),
                    None => self.begin_again(),
                }
            }
            Input::Node(Seen::Gone(_)) => self.begin_again(),
            Input::Node(Seen::One(node)) | Input::Said(Ok(node)) if self.is_newer(&node) => {
                self.seen = Some(*node);
            }
            Input::Said(Err(Failure::Refused(_))) => {
                return Err(format!("another agent speaks for node {}: only one may run", self.node));
            }
            Input::Said(Err(failure)) => {
                eprintln!("raild: status of node {}: {failure}", self.node);
                self.trouble = Some(failure.to_string());
                self.agent.unheard();
            }
            Input::Node(Seen::One(_)) | Input::Said(Ok(_)) => (),
            Input::Doctor(said) => self.judge(*said),
        }
        Ok(())
    }

    /// Somebody has deleted the node's object: without one, the controller hears nothing of this node.
    fn begin_again(&mut self) {
        self.seen = None;
        self.agent.unheard();
        self.join();
    }

    fn is_newer(&self, node: &RailNode) -> bool {
        let version = |node: &RailNode| {
            node.metadata.resource_version.as_ref().and_then(|version| version.parse::<u64>().ok())
        };
        self.seen.as_ref().is_none_or(|seen| version(seen) < version(node))
    }

    /// Looks at the node with its lease store locked, and does what follows.
    fn look(&mut self) {
        self.refuse_late();
        let (waiting, wishes) = (self.waiting(), self.wishes());
        let most = self.pfs.as_ref().map(|pfs| most(&self.agent.kept().pools, pfs));
        let seen = self.seen.clone();
        let now = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        let (agent, dirs, written) = (&mut self.agent, &self.dirs, &mut self.written);
        let mut say = None;
        let (mut leased, mut last) = (RangeSet::default(), BTreeMap::new());
        let decide = &mut |leases: &dyn ipam::Leases| {
            leased = taken(leases)?;
            if agent.keeps_owners() {
                last = leases.bindings()?;
            }
            // A quarantined address is nobody's: its owner is to get another one.
            let used = leased.without(&leases.quarantined(ipam::journal::now())?);
            let owners = last.iter().filter(|(ip, _)| used.contains(**ip));
            let owners = owners.map(|(ip, owner)| (*ip, owner.clone())).collect();
            let local = Local {
                leased: &leased,
                waiting: &waiting,
                most: most.as_ref(),
                owners: &owners,
                wishes: &wishes,
                now,
            };
            let step = agent.step(seen.as_ref(), &local);
            // Nothing is said that is not on disk, and what somebody else has put there is not left.
            let is_there = written.as_ref().is_some_and(|file| file.is_current().unwrap_or(false));
            if agent.has_joined() && (step.keep.is_some() || !is_there) {
                *written = None;
                *written = Some(file(agent.kept())?.write(dirs)?);
            }
            say = step.say;
            Ok(Vec::new())
        };
        if let Err(error) = self.store.update(decide) {
            // What was about to be said was not.
            self.agent.unheard();
            return eprintln!("raild: {error}");
        }
        if let Some(status) = say {
            self.say(&status);
        }
        self.answer(&leased, &last);
        self.figures.note(self.trouble.is_some(), &self.agent, &leased, &self.waiting());
    }
}

/// What pods have, and what must not be used for another reason.
fn taken(leases: &dyn ipam::Leases) -> Result<RangeSet, StoreError> {
    let quarantined = leases.quarantined(ipam::journal::now())?;
    let used = leases.all()?.into_iter().map(|lease| Range::one(lease.ip));
    Ok(used.chain(quarantined.ranges().iter().copied()).collect())
}
