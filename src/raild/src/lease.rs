//! Leader election by a Lease. Two leaders at once are safe, as all writes are compare-and-swap; they only cost conflicts.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use crate::connection::{Connection, Failure};

/// How long a silent holder is waited for, by the clock of whoever waits.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often the holder says that he is there.
const RENEWAL: Duration = Duration::from_secs(3);

/// A lease of `coordination.k8s.io`.
#[derive(Debug)]
pub(crate) struct Lease {
    name: &'static str,
    path: String,
    identity: String,
    /// The object as it was last seen, and since when it has not changed.
    seen: Option<(Value, Instant)>,
    ours: bool,
    renewed: Option<Instant>,
}

impl Lease {
    pub(crate) fn new(name: &'static str) -> Self {
        let namespace = std::env::var("POD_NAMESPACE").unwrap_or_else(|_| "kube-system".to_owned());
        let host = std::env::var("POD_NAME").or_else(|_| std::env::var("HOSTNAME")).unwrap_or_default();
        let identity = format!("{host}/{}", std::process::id());
        let path = format!("/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases");
        Self { name, path, identity, seen: None, ours: false, renewed: None }
    }

    /// Whether it was ours a moment ago, so that nobody else has taken it since.
    pub(crate) fn is_ours(&self) -> bool {
        self.ours && self.renewed.is_some_and(|renewed| renewed.elapsed() < PATIENCE)
    }

    /// Takes it, keeps it, or waits for its holder to fall silent.
    pub(crate) async fn keep(&mut self, connection: &Connection) {
        if self.ours && self.renewed.is_some_and(|renewed| renewed.elapsed() < RENEWAL) {
            return;
        }
        let outcome = match connection.get::<Value>(&self.path, self.name).await {
            Ok(found) => self.found(connection, found).await,
            Err(Failure::Missing) => self.write(connection, None).await,
            Err(failure) => Err(failure),
        };
        if let Err(Failure::Unknown(problem)) = outcome {
            eprintln!("raild: lease {}: {problem}", self.name);
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
        self.ours = false;
        Ok(())
    }

    async fn write(&mut self, connection: &Connection, found: Option<&Value>) -> Result<(), Failure> {
        let object = self.object(found, &self.identity);
        let written = match found {
            Some(_) => connection.replace::<Value>(&self.path, self.name, &object).await,
            None => connection.create::<Value>(&self.path, &object).await,
        };
        self.ours = written.is_ok();
        self.renewed = Some(Instant::now());
        written.map(|written| self.seen = Some((written, Instant::now())))
    }

    fn object(&self, found: Option<&Value>, holder: &str) -> Value {
        let transitions = found.and_then(|found| found["spec"]["leaseTransitions"].as_i64()).unwrap_or(0);
        let changes = found.is_some_and(|found| found["spec"]["holderIdentity"] != holder);
        json!({
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {
                "name": self.name,
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
    pub(crate) async fn give_up(&mut self, connection: &Connection) {
        let Some((seen, _)) = self.seen.as_ref().filter(|_| self.ours) else { return };
        let object = self.object(Some(seen), "");
        if let Err(problem) = connection.replace::<Value>(&self.path, self.name, &object).await {
            eprintln!("raild: lease {} is not given up: {problem}", self.name);
        }
    }
}

/// RFC 3339 with microseconds, as a `MicroTime` wants it.
fn now() -> String {
    k8s_openapi::jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S%.6fZ").to_string()
}
