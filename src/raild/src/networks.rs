//! `raild networks`, the networks of a cluster: `NetworkAttachmentDefinition`s of `SpiderMultusConfig`s, pools and networks of Fabrics, and pods that
//! asked for rails while nobody could inject them. Each pass compares all that is wanted with all that is there, so that it may run
//! twice, in any order, after any loss of events. What is wanted, the crates `multus-config`, `fabric` and `inject` say.

mod attempts;
mod fabrics;
mod keeping;
mod nodes;
mod pods;
mod report;

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use admission::World;
use api::{Kind, SpiderMultusConfig};
use fabric::{Options, Slots};
use serde_json::Value;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::connection::{Connection, Failure, Seen};
use crate::known::{Known, key, slim};
use crate::lease::Lease;
use crate::webhook::Settings;
use attempts::Attempts;
use nodes::Nodes;
use pods::Suspects;
use report::Report;

/// Changes that come within this time are met in one pass.
const BATCH: Duration = Duration::from_millis(200);
/// How often the lease is looked at.
const TICK: Duration = Duration::from_millis(500);
/// How often a pass is made without a change: for what failed.
const AGAIN: Duration = Duration::from_secs(15);

const DEFINITIONS: &str = "/apis/k8s.cni.cncf.io/v1/network-attachment-definitions";

type Kept = Rc<RefCell<Option<BTreeMap<String, Value>>>>;

struct Networks {
    connection: Connection,
    known: Known,
    options: Options,
    definitions: Kept,
    nodes: Nodes,
    /// Numbers that were given and may not be seen in pools yet.
    slots: BTreeMap<String, Slots>,
    suspects: Suspects,
    attempts: Attempts,
    /// Changes of which somebody was in the way a moment ago.
    waits: Attempts,
    /// From when both count.
    begun: Instant,
    /// Whether this replica is the one that works.
    ours: Rc<Cell<bool>>,
}

/// Runs until it is ended.
pub(crate) async fn run() -> Result<(), String> {
    let connection = Connection::open().await?;
    let ours = Rc::new(Cell::new(false));
    // Whose pods the webhook leaves alone, nobody misses.
    start(&connection, &Settings::from_environment()?, ours.clone());
    let mut lease = Lease::new("raild-networks");
    let mut tick = tokio::time::interval(TICK);
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())
        .map_err(|error| format!("signals: {error}"))?;
    loop {
        tokio::select! {
            _ = tick.tick() => {
                lease.keep(&connection).await;
                ours.set(lease.is_ours());
            }
            _ = terminate.recv() => {
                ours.set(false);
                lease.give_up(&connection).await;
                return Ok(());
            }
        }
    }
}

/// Begins; it works while `ours` says so.
fn start(connection: &Connection, settings: &Settings, ours: Rc<Cell<bool>>) {
    let options = Options::of_cluster(&settings.networks);
    let known = Known::follow(connection, World::new(settings.policy.clone(), options.clone()));
    let changed = Rc::new(Notify::new());
    let definitions = Kept::default();
    let (kept, news) = (definitions.clone(), changed.clone());
    let follow = connection.clone().follow(DEFINITIONS.to_owned(), None, move |seen| {
        keep(&kept, seen);
        news.notify_one();
        true
    });
    tokio::task::spawn_local(follow);
    let nodes = Nodes::follow(connection, &changed, &settings.operators);
    let suspects = Suspects::follow(connection, &known, &changed);
    let connection = connection.clone();
    let networks = Networks {
        connection,
        known,
        options,
        definitions,
        nodes,
        slots: BTreeMap::new(),
        suspects,
        attempts: Attempts::default(),
        waits: Attempts::default(),
        begun: Instant::now(),
        ours,
    };
    tokio::task::spawn_local(networks.run(changed));
}

fn keep(kept: &Kept, seen: Seen<Value>) {
    let mut kept = kept.borrow_mut();
    match seen {
        Seen::All(all, ..) => {
            *kept = Some(all.into_iter().map(slim).map(|object| (key(&object), object)).collect());
        }
        Seen::One(object) => drop(kept.get_or_insert_default().insert(key(&object), slim(*object))),
        Seen::Gone(object) => drop(kept.get_or_insert_default().remove(&key(&object))),
    }
}

impl Networks {
    async fn run(mut self, changed: Rc<Notify>) {
        let mut news = self.known.changes();
        self.known.complete().await;
        loop {
            tokio::select! {
                () = changed.notified() => {}
                () = news.next() => {}
                () = tokio::time::sleep(AGAIN) => {}
            }
            tokio::time::sleep(BATCH).await;
            if self.ours.get() && self.definitions.borrow().is_some() {
                // An admin's come before those of tenants, of which there may be any number.
                self.fabrics().await;
                self.configs().await;
                self.attempts.forget(self.begun.elapsed());
                self.waits.forget(self.begun.elapsed());
                self.suspects.judge(&self.connection, &self.known).await;
            }
        }
    }

    fn definition(&self, namespace: &str, name: &str) -> Option<Value> {
        self.definitions.borrow().as_ref()?.get(&format!("{namespace}/{name}")).cloned()
    }

    async fn configs(&mut self) {
        let configs: Vec<Value> = self.known.world.borrow().configs.values().cloned().collect();
        for config in configs {
            let metadata = &config["metadata"];
            let namespace = metadata["namespace"].as_str().unwrap_or_default();
            if !metadata["deletionTimestamp"].is_null() {
                continue;
            }
            let found = self.definition(namespace, multus_config::network(&config));
            let judged = multus_config::reconcile(&config, found.as_ref());
            let applied = match &judged.apply {
                Some(wanted) => self.attempt(wanted, found.as_ref(), true).await,
                None => Ok(()),
            };
            let path = namespaced(&crate::connection::path::<SpiderMultusConfig>(), namespace);
            let is_good = judged.reason == multus_config::RENDERED;
            let report = match &applied {
                Ok(()) => Report::new("Rendered", is_good, judged.reason, &judged.message),
                Err(problem) => Report::new("Rendered", false, "NotApplied", problem),
            };
            report.tell(self, &path, SpiderMultusConfig::KIND, &config).await;
        }
    }

    /// Applies it, unless the same has failed a moment ago.
    async fn attempt(&mut self, wanted: &Value, found: Option<&Value>, force: bool) -> Result<(), String> {
        let name = title(wanted);
        if let Some(problem) = self.attempts.failed(&name, wanted, found, self.begun.elapsed()) {
            return Err(problem.to_owned());
        }
        let outcome = self.apply(wanted, force).await;
        self.attempts.note(&name, wanted, found, &outcome, self.begun.elapsed());
        outcome
    }

    /// Server-side; our own definitions by force, for nobody else has a say in them.
    async fn apply(&self, wanted: &Value, force: bool) -> Result<(), String> {
        let metadata = &wanted["metadata"];
        let (kind, name) =
            (wanted["kind"].as_str().unwrap_or_default(), metadata["name"].as_str().unwrap_or_default());
        let path = match metadata["namespace"].as_str() {
            Some(namespace) => namespaced(DEFINITIONS, namespace),
            None => crate::connection::path::<api::SpiderIPPool>(),
        };
        match self.connection.apply::<Value>(&path, name, wanted, force).await {
            Ok(_) => Ok(()),
            Err(Failure::Missing) => {
                Err(format!("{kind} {name}: namespace or kind is missing; is Multus installed?"))
            }
            Err(Failure::Refused(problem) | Failure::Unknown(problem)) => {
                Err(format!("{kind} {name}: {problem}"))
            }
        }
    }
}

/// `KIND NAMESPACE/NAME`
fn title(object: &Value) -> String {
    format!("{} {}", object["kind"].as_str().unwrap_or_default(), key(object))
}

/// `/apis/GROUP/VERSION/PLURAL` below a namespace.
fn namespaced(path: &str, namespace: &str) -> String {
    let (group, plural) = path.rsplit_once('/').unwrap_or(("", path));
    format!("{group}/namespaces/{namespace}/{plural}")
}
