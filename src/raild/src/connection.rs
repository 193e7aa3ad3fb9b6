//! The API server: one object, a list, a watch. Objects are decoded into the types of `api`; every answer has a deadline.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use api::Kind;
use futures::{StreamExt as _, TryStreamExt as _};
use kube::Client;
use kube::core::params::{GetParams, ListParams, Patch, PatchParams, PostParams, WatchParams};
use kube::core::{Request, WatchEvent};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// How long an answer may take. What comes later may have been done or not.
const DEADLINE: Duration = Duration::from_secs(5);
/// Between two attempts to list.
const PAUSE: Duration = Duration::from_millis(500);
/// How long a watch lasts before it is begun anew, in seconds: shorter than what lies between would cut.
const WATCH: u32 = 240;

/// A client.
#[derive(Clone)]
pub(crate) struct Connection {
    client: Client,
    /// The newest version that anybody has seen through it.
    newest: Rc<Cell<u64>>,
}

/// How a request ended that was not answered with an object.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Failure {
    /// Somebody was faster: a version, a test or a name did not fit.
    Refused(String),
    /// There is no such object.
    Missing,
    /// It may have been done or not.
    Unknown(String),
}

/// What a watch shows.
#[derive(Clone, Debug)]
pub(crate) enum Seen<T> {
    /// All of them, at a version; and whether the API server has gone back in time.
    All(Vec<T>, u64, bool),
    /// One has changed.
    One(Box<T>),
    /// One is gone.
    Gone(Box<T>),
}

#[derive(serde::Deserialize)]
struct List<T> {
    metadata: ListMetadata,
    items: Vec<T>,
}

#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct ListMetadata {
    resource_version: String,
}

impl Connection {
    /// As kubectl finds it.
    pub(crate) async fn open() -> Result<Self, String> {
        let client = Client::try_default()
            .await
            .map_err(|error| format!("the API server is not configured: {error}"))?;
        Ok(Self { client, newest: Rc::default() })
    }

    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &str, name: &str) -> Result<T, Failure> {
        self.ask(Request::new(path).get(name, &GetParams::default())).await
    }

    pub(crate) async fn create<T: DeserializeOwned>(
        &self,
        path: &str,
        object: &impl Serialize,
    ) -> Result<T, Failure> {
        self.ask(Request::new(path).create(&PostParams::default(), bytes(object)?)).await
    }

    pub(crate) async fn replace<T: DeserializeOwned>(
        &self,
        path: &str,
        name: &str,
        object: &impl Serialize,
    ) -> Result<T, Failure> {
        self.ask(Request::new(path).replace(name, &PostParams::default(), bytes(object)?)).await
    }

    /// JSON patch (RFC 6902), whose tests make it a compare-and-swap.
    pub(crate) async fn patch<T: DeserializeOwned>(
        &self,
        path: &str,
        name: &str,
        status: bool,
        operations: serde_json::Value,
    ) -> Result<T, Failure> {
        let operations =
            serde_json::from_value(operations).map_err(|error| Failure::Unknown(error.to_string()))?;
        self.send(path, name, status, &Patch::<()>::Json(operations)).await
    }

    /// JSON merge patch (RFC 7396).
    pub(crate) async fn merge<T: DeserializeOwned>(
        &self,
        path: &str,
        name: &str,
        status: bool,
        change: serde_json::Value,
    ) -> Result<T, Failure> {
        self.send(path, name, status, &Patch::Merge(change)).await
    }

    async fn send<T: DeserializeOwned, P: Serialize>(
        &self,
        path: &str,
        name: &str,
        status: bool,
        change: &Patch<P>,
    ) -> Result<T, Failure> {
        let request = Request::new(path);
        let params = PatchParams::default();
        self.ask(if status {
            request.patch_subresource("status", name, &params, change)
        } else {
            request.patch(name, &params, change)
        })
        .await
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        request: Result<http::Request<Vec<u8>>, kube::core::request::Error>,
    ) -> Result<T, Failure> {
        let request = request.map_err(|error| Failure::Unknown(error.to_string()))?;
        match tokio::time::timeout(DEADLINE, self.client.request::<T>(request)).await {
            Ok(Ok(object)) => Ok(object),
            Ok(Err(error)) => Err(failure(&error)),
            Err(_) => Err(Failure::Unknown(format!("no answer within {} s", DEADLINE.as_secs()))),
        }
    }

    /// Notes a version that was seen.
    pub(crate) fn note(&self, version: u64) {
        self.newest.set(self.newest.get().max(version));
    }

    /// Lists and watches for ever, and tells what it sees until nobody listens any more.
    pub(crate) async fn follow<T>(self, path: String, fields: Option<String>, tell: impl Fn(Seen<T>) -> bool)
    where
        T: DeserializeOwned + Clone + 'static,
    {
        loop {
            match self.follow_once(&path, fields.as_deref(), &tell).await {
                Ok(()) => return,
                Err(problem) => eprintln!("raild: {path}: {problem}; listing it again"),
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn follow_once<T>(
        &self,
        path: &str,
        fields: Option<&str>,
        tell: &impl Fn(Seen<T>) -> bool,
    ) -> Result<(), String>
    where
        T: DeserializeOwned + Clone + 'static,
    {
        let floor = self.newest.get();
        let params = ListParams { field_selector: fields.map(str::to_owned), ..ListParams::default() };
        let list = self
            .ask::<List<T>>(Request::new(path).list(&params))
            .await
            .map_err(|failure| format!("{failure:?}"))?;
        let mut version = list.metadata.resource_version;
        let number = version.parse().unwrap_or(0);
        let put_back = number < floor;
        if put_back {
            self.newest.set(0);
        }
        self.note(number);
        if !tell(Seen::All(list.items, number, put_back)) {
            return Ok(());
        }
        loop {
            let params = WatchParams { field_selector: fields.map(str::to_owned), ..WatchParams::default() }
                .timeout(WATCH);
            let request = Request::new(path).watch(&params, &version).map_err(|error| error.to_string())?;
            let events =
                self.client.request_events::<Event<T>>(request).await.map_err(|error| error.to_string())?;
            let mut events = events.boxed_local();
            while let Some(event) = events.try_next().await.map_err(|error| error.to_string())? {
                let (seen, newer) = match event {
                    WatchEvent::Added(event) | WatchEvent::Modified(event) => {
                        (Some(Seen::One(Box::new(event.object))), event.version)
                    }
                    WatchEvent::Deleted(event) => (Some(Seen::Gone(Box::new(event.object))), event.version),
                    WatchEvent::Bookmark(mark) => (None, mark.metadata.resource_version),
                    WatchEvent::Error(status) => return Err(format!("watch ended: {status:?}")),
                };
                self.note(newer.parse().unwrap_or(0));
                version = newer;
                if seen.is_some_and(|seen| !tell(seen)) {
                    return Ok(());
                }
            }
        }
    }
}

/// An object with its version, whatever its type knows of that.
#[derive(Clone)]
struct Event<T> {
    object: T,
    version: String,
}

impl<'de, T: DeserializeOwned> serde::Deserialize<'de> for Event<T> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = serde_json::Value::deserialize(deserializer)?;
        let version = value["metadata"]["resourceVersion"].as_str().unwrap_or_default().to_owned();
        let object = serde_json::from_value(value).map_err(serde::de::Error::custom)?;
        Ok(Self { object, version })
    }
}

/// `/apis/railcni.dev/v1alpha1/railnodes`
pub(crate) fn path<K: Kind>() -> String {
    format!("/apis/{}/{}/{}", K::GROUP, K::VERSION, K::PLURAL)
}

/// An object as the API server wants it.
pub(crate) fn object<K: Kind>(metadata: &serde_json::Value, spec: &impl Serialize) -> serde_json::Value {
    serde_json::json!({
        "apiVersion": format!("{}/{}", K::GROUP, K::VERSION),
        "kind": K::KIND,
        "metadata": metadata,
        "spec": spec,
    })
}

fn bytes(object: &impl Serialize) -> Result<Vec<u8>, Failure> {
    serde_json::to_vec(object).map_err(|error| Failure::Unknown(error.to_string()))
}

/// 404 is missing; 409 and, for the test of a patch, 422 are refused. All else may have been done.
fn failure(error: &kube::Error) -> Failure {
    match error {
        kube::Error::Api(status) if status.code == 404 => Failure::Missing,
        kube::Error::Api(status) if matches!(status.code, 409 | 422) => {
            Failure::Refused(status.message.clone())
        }
        other => Failure::Unknown(other.to_string()),
    }
}
