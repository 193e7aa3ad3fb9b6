//! The API server: one object, a list, a watch. Objects are decoded into the types of `api`; every answer has a deadline.

mod named;
mod watch;

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use api::Kind;
use kube::Client;
use kube::core::Request;
use kube::core::params::{GetParams, ListParams, Patch, PatchParams, PostParams};
use serde::Serialize;
use serde::de::DeserializeOwned;

pub(crate) use watch::Seen;

/// How long an answer may take. What comes later may have been done or not.
const DEADLINE: Duration = Duration::from_secs(5);
/// Objects of one answer where there may be very many.
const PAGE: u32 = 500;
/// Whose the fields are that are applied.
const MANAGER: &str = "railcni";

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

#[derive(serde::Deserialize)]
struct List<T> {
    metadata: ListMetadata,
    /// An empty list of metadata is null.
    items: Option<Vec<T>>,
}

#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct ListMetadata {
    resource_version: String,
    #[serde(default, rename = "continue")]
    next: Option<String>,
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
        named::check(path, name)?;
        self.ask(Request::new(path).get(name, &GetParams::default())).await
    }

    pub(crate) async fn create<T: DeserializeOwned>(
        &self,
        path: &str,
        object: &impl Serialize,
    ) -> Result<T, Failure> {
        named::check_path(path)?;
        self.ask(Request::new(path).create(&PostParams::default(), bytes(object)?)).await
    }

    pub(crate) async fn replace<T: DeserializeOwned>(
        &self,
        path: &str,
        name: &str,
        object: &impl Serialize,
    ) -> Result<T, Failure> {
        named::check(path, name)?;
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

    /// Server-side apply: what stands in the object is ours from now on. What somebody else has said otherwise is a conflict, and
    /// refused, unless `force`.
    pub(crate) async fn apply<T: DeserializeOwned>(
        &self,
        path: &str,
        name: &str,
        object: &serde_json::Value,
        force: bool,
    ) -> Result<T, Failure> {
        named::check(path, name)?;
        let params = PatchParams { field_manager: Some(MANAGER.to_owned()), force, ..PatchParams::default() };
        self.ask(Request::new(path).patch(name, &params, &Patch::Apply(object))).await
    }

    /// All objects of a kind as they are now, and the version of the list.
    pub(crate) async fn list<T: DeserializeOwned>(&self, path: &str) -> Result<(Vec<T>, u64), Failure> {
        let list = self.ask::<List<T>>(Request::new(path).list(&ListParams::default())).await?;
        Ok((list.items.unwrap_or_default(), list.metadata.resource_version.parse().unwrap_or(0)))
    }

    /// What a function finds in the metadata of all objects of a kind, page by page: what it does not want is not kept.
    pub(crate) async fn metadata<T>(
        &self,
        path: &str,
        find: impl Fn(&serde_json::Value) -> Option<T>,
    ) -> Result<Vec<T>, Failure> {
        let (mut found, mut page) = (Vec::new(), None);
        loop {
            let params = ListParams { limit: Some(PAGE), continue_token: page, ..ListParams::default() };
            let list = self.ask::<List<serde_json::Value>>(Request::new(path).list_metadata(&params)).await?;
            found.extend(list.items.iter().flatten().filter_map(&find));
            page = list.metadata.next.filter(|next| !next.is_empty());
            if page.is_none() {
                return Ok(found);
            }
        }
    }

    async fn send<T: DeserializeOwned, P: Serialize>(
        &self,
        path: &str,
        name: &str,
        status: bool,
        change: &Patch<P>,
    ) -> Result<T, Failure> {
        named::check(path, name)?;
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
