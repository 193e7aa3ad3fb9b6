//! The keys in their Secret, which all replicas share: changed by compare-and-swap, followed by everybody.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::certificate::{Keys, Pair, Step};
use super::registration::Registered;
use super::settings::Settings;
use crate::connection::{Connection, Failure};
use crate::known::{Changes, Known};

const SECRET: &str = "raild-webhook";
/// The most between two looks at the Secret.
const SELDOM: Duration = Duration::from_secs(30);
/// Changes come in crowds, and whoever may edit one object makes as many as he likes.
const BATCH: Duration = Duration::from_secs(1);

/// What new connections are served with; none until there are keys.
pub(crate) type Serving = Rc<RefCell<Option<TlsAcceptor>>>;

/// Looks after keys and registration.
pub(crate) struct Keeper {
    serving: Serving,
}

struct Task {
    connection: Connection,
    settings: Rc<Settings>,
    known: Known,
    serving: Serving,
    served: Option<Pair>,
    registered: Registered,
}

impl Keeper {
    /// Begins; what serves follows the Secret from now on.
    pub(crate) fn start(connection: &Connection, settings: &Rc<Settings>, known: &Known) -> Self {
        let serving = Serving::default();
        let task = Task {
            connection: connection.clone(),
            settings: settings.clone(),
            known: known.clone(),
            serving: serving.clone(),
            served: None,
            registered: Registered::default(),
        };
        tokio::task::spawn_local(task.run());
        Self { serving }
    }

    pub(crate) fn serving(&self) -> Serving {
        self.serving.clone()
    }
}

impl Task {
    async fn run(mut self) {
        let life = u64::try_from(self.settings.life).unwrap_or_default();
        let between = Duration::from_secs(life / 60).clamp(Duration::from_millis(500), SELDOM);
        let mut changes = self.known.changes();
        self.known.complete().await;
        loop {
            if let Err(problem) = self.look().await {
                eprintln!("raild: webhook: {problem}");
            }
            let due = tokio::time::Instant::now() + between;
            tokio::select! {
                () = tokio::time::sleep_until(due) => {}
                () = self.asking_changes(&mut changes) => {}
            }
        }
    }

    /// A namespace that begins to ask is to be registered at once; no other change is worth a look.
    async fn asking_changes(&self, changes: &mut Changes) {
        loop {
            changes.next().await;
            tokio::time::sleep(BATCH).await;
            if self.registered.is_behind(&self.known.world.borrow()) {
                return;
            }
        }
    }

    async fn look(&mut self) -> Result<(), String> {
        let path = format!("/api/v1/namespaces/{}/secrets", self.settings.namespace);
        let found = match self.connection.get::<Value>(&path, SECRET).await {
            Ok(found) => Some(found),
            Err(Failure::Missing) => None,
            Err(failure) => return Err(format!("Secret {SECRET}: {failure}")),
        };
        let keys = found.as_ref().and_then(|found| Keys::of_data(&found["data"]));
        let announced = self.registered.knows(keys.as_ref().and_then(|keys| keys.next.as_ref()));
        let keys = match self.changed(keys.clone(), announced)? {
            None => keys,
            // Whoever is refused was too slow: the other's keys are as good, and come with the next look.
            Some(new) => self.write(&path, found.as_ref(), &new).await?.then_some(new).or(keys),
        };
        let Some(keys) = keys else { return Ok(()) };
        self.serve(&keys.serving)?;
        self.registered.keep(&self.connection, &self.settings, &self.known, &keys.bundle()).await
    }

    fn changed(&self, keys: Option<Keys>, announced: bool) -> Result<Option<Keys>, String> {
        let (host, now) = (self.settings.host(), now());
        let make = || Pair::make(&host, now, self.settings.life);
        Ok(match (Keys::step(keys.as_ref(), &host, now, announced), keys) {
            (Step::Prepare, Some(keys)) => Some(keys.with_next(make()?)),
            (Step::Turn, Some(keys)) => Some(keys.turned()),
            (Step::Make, _) => Some(Keys::new(make()?)),
            _ => None,
        })
    }

    /// Whether it was written.
    async fn write(&self, path: &str, found: Option<&Value>, keys: &Keys) -> Result<bool, String> {
        let version = found.map_or(&Value::Null, |found| &found["metadata"]["resourceVersion"]);
        let object = json!({
            "apiVersion": "v1",
            "kind": "Secret",
            "type": "kubernetes.io/tls",
            "metadata": { "name": SECRET, "resourceVersion": version },
            "data": keys.data(),
        });
        let written = match found {
            Some(_) => self.connection.replace::<Value>(path, SECRET, &object).await,
            None => self.connection.create::<Value>(path, &object).await,
        };
        match written {
            Ok(_) => Ok(true),
            Err(Failure::Refused(_)) => Ok(false),
            Err(failure) => Err(format!("Secret {SECRET}: {failure}")),
        }
    }

    fn serve(&mut self, pair: &Pair) -> Result<(), String> {
        if self.served.as_ref() != Some(pair) {
            *self.serving.borrow_mut() = Some(acceptor(pair)?);
            self.served = Some(pair.clone());
        }
        Ok(())
    }
}

fn acceptor(pair: &Pair) -> Result<TlsAcceptor, String> {
    let bad = |what: &str, error: &dyn std::fmt::Display| format!("{what} in Secret {SECRET}: {error}");
    let certificate = CertificateDer::from_pem_slice(pair.certificate.as_bytes())
        .map_err(|error| bad("tls.crt", &error))?;
    let key = PrivateKeyDer::from_pem_slice(pair.key.as_bytes()).map_err(|error| bad("tls.key", &error))?;
    let config = ServerConfig::builder_with_provider(ring::default_provider().into())
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(vec![certificate], key))
        .map_err(|error| bad("tls.key", &error))?;
    Ok(TlsAcceptor::from(std::sync::Arc::new(config)))
}

fn now() -> i64 {
    k8s_openapi::jiff::Timestamp::now().as_second()
}
