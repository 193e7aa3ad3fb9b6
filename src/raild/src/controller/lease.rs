//! Who of several controllers works: advice that saves conflicts, and decides nothing.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use crate::connection::{Connection, Failure};

/// How long a silent holder is waited for, by the clock of whoever waits.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often the holder says that he is there.
const RENEWAL: Duration = Duration::from_secs(3);
const NAME: &str = "raild-controller";

/// A lease of `coordination.k8s.io`.
#[derive(Debug)]
pub(super) struct Lease {
    path: String,
    identity: String,
    /// The object as it was last seen, and since when it has not changed.
    seen: Option<(Value, Instant)>,
    ours: Rc<Cell<bool>>,
    renewed: Option<Instant>,
}

impl Lease {
    pub(super) fn new() -> Self {
        let namespace = std::env::var("POD_NAMESPACE").unwrap_or_else(|_| "kube-system".to_owned());
        let host = std::env::var("POD_NAME").or_else(|_| std::env::var("HOSTNAME")).unwrap_or_default();
        let identity = format!("{host}/{}", std::process::id());
        let path = format!("/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases");
        Self { path, identity, seen: None, ours: Rc::default(), renewed: None }
    }

    /// Whether it was ours a moment ago.
    pub(super) fn is_ours(&self) -> bool {
        self.ours.get()
    }

    /// The same, for whoever works beside.
    pub(super) fn leadership(&self) -> Rc<Cell<bool>> {
        self.ours.clone()
    }

    /// Takes it, keeps it, or waits for its holder to fall silent.
    pub(super) async fn keep(&mut self, connection: &Connection) {
        if self.ours.get() && self.renewed.is_some_and(|renewed| renewed.elapsed() < RENEWAL) {
            return;
        }
        let outcome = match connection.get::<Value>(&self.path, NAME).await {
            Ok(found) => self.found(connection, found).await,
            Err(Failure::Missing) => self.write(connection, None).await,
            Err(failure) => Err(failure),
        };
        if let Err(Failure::Unknown(problem)) = outcome {
            eprintln!("raild: lease {NAME}: {problem}");
        }
    }

    async fn found(&mut self, connection: &Connection, found: Value) -> Result<(), Failure> {
        let is_new = self.seen.as_ref().is_none_or(|(seen, _)| *seen != found);
        if is_new {
            self.seen = Some((found.clone(), Instant::now()));
        }
        let holder = found["spec"]["holderIdentity"].as_str().unwrap_or_default();
        let is_silent = self.seen.as_ref().is_some_and(|(_, since)| since.elapsed() >= PATIENCE);
        if holder == self.identity || holder.is_empty() || is_silent {
            return self.write(connection, Some(&found)).await;
        }
        self.ours.set(false);
        Ok(())
    }

    async fn write(&mut self, connection: &Connection, found: Option<&Value>) -> Result<(), Failure> {
        let object = Self::object(found, &self.identity);
        let written = match found {
            Some(_) => connection.replace::<Value>(&self.path, NAME, &object).await,
            None => connection.create::<Value>(&self.path, &object).await,
        };
        self.ours.set(written.is_ok());
        self.renewed = Some(Instant::now());
        written.map(|written| self.seen = Some((written, Instant::now())))
    }

    fn object(found: Option<&Value>, holder: &str) -> Value {
        let transitions = found.and_then(|found| found["spec"]["leaseTransitions"].as_i64()).unwrap_or(0);
        let changes = found.is_some_and(|found| found["spec"]["holderIdentity"] != holder);
        json!({
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {
                "name": NAME,
                "resourceVersion": found.map_or(&Value::Null, |found| &found["metadata"]["resourceVersion"]),
            },
            "spec": {
                "holderIdentity": holder,
                "leaseDurationSeconds": PATIENCE.as_secs(),
                "leaseTransitions": transitions + i64::from(changes),
                // Whoever watches sees that it changes; his own clock counts.
                "renewTime": now(),
            },
        })
    }

    /// Lets the next one begin at once.
    pub(super) async fn give_up(&mut self, connection: &Connection) {
        let Some((seen, _)) = self.seen.as_ref().filter(|_| self.ours.get()) else { return };
        let object = Self::object(Some(seen), "");
        if let Err(problem) = connection.replace::<Value>(&self.path, NAME, &object).await {
            eprintln!("raild: lease {NAME} is not given up: {problem:?}");
        }
    }
}

/// RFC 3339 with microseconds, as a `MicroTime` wants it.
fn now() -> String {
    k8s_openapi::jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S%.6fZ").to_string()
}
