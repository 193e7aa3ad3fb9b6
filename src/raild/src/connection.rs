//! The API server: one object, a list, a watch. Objects are decoded into the types of `api`; every answer has a deadline.

#[cfg(test)]
pub(crate) mod fake;
mod named;
mod watch;

use std::cell::Cell;
use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use api::Kind;
use kube::Client;
use kube::core::Request;
use kube::core::params::{
    DeleteParams, GetParams, ListParams, Patch, PatchParams, PostParams, Preconditions,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

use watch::Form;
pub(crate) use watch::Seen;

/// How long an answer may take. What comes later may have been done or not.
const DEADLINE: Duration = Duration::from_secs(5);
/// Objects of one answer: a tenant may write 256 KiB of annotations on each of his pods.
const PAGE: u32 = 100;
/// Whose the fields are that are applied.
const MANAGER: &str = "railcni";

/// A client.
#[derive(Clone)]
pub(crate) struct Connection {
    client: Client,
    /// The newest version that anybody has seen through it.
    newest: Rc<Cell<u64>>,
    /// How long a watch may say nothing.
    silence: Duration,
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

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(why) => write!(f, "refused: {why}"),
            Self::Missing => f.write_str("there is none"),
            Self::Unknown(why) => f.write_str(why),
        }
    }
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
        Ok(Self::to(client))
    }

    fn to(client: Client) -> Self {
        Self { client, newest: Rc::default(), silence: watch::SILENCE }
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

    /// Takes away the object that has this UID, and no other of its name.
    pub(crate) async fn delete(
        &self,
        path: &str,
        name: &str,
        uid: &str,
        version: &str,
    ) -> Result<(), Failure> {
        named::check(path, name)?;
        let preconditions =
            Preconditions { uid: Some(uid.to_owned()), resource_version: Some(version.to_owned()) };
        let params = DeleteParams { preconditions: Some(preconditions), ..DeleteParams::default() };
        self.ask::<serde_json::Value>(Request::new(path).delete(name, &params)).await.map(drop)
    }

    /// All objects of a kind as they are now, and the version of the list.
    pub(crate) async fn list<T: DeserializeOwned>(&self, path: &str) -> Result<(Vec<T>, u64), Failure> {
        let (found, version) = self.pages(path, Form::Whole, &ListParams::default(), Some).await?;
        Ok((found, version.parse().unwrap_or(0)))
    }

    /// What a function finds in all objects of a kind: what it does not want is not kept.
    pub(crate) async fn find<T: DeserializeOwned, U>(
        &self,
        path: &str,
        find: impl Fn(T) -> Option<U>,
    ) -> Result<Vec<U>, Failure> {
        Ok(self.pages(path, Form::Whole, &ListParams::default(), find).await?.0)
    }

    /// The same of the metadata of the pods of a node.
    pub(crate) async fn pods_of<T: DeserializeOwned, U>(
        &self,
        node: &str,
        find: impl Fn(T) -> Option<U>,
    ) -> Result<Vec<U>, Failure> {
        named::check("/nodes", node)?;
        let of_node = ListParams::default().fields(&format!("spec.nodeName={node}"));
        Ok(self.pages("/api/v1/pods", Form::Metadata, &of_node, find).await?.0)
    }

    /// The same of all pods that have not ended.
    pub(crate) async fn pods_that_run<T: DeserializeOwned, U>(
        &self,
        find: impl Fn(T) -> Option<U>,
    ) -> Result<Vec<U>, Failure> {
        let running =
            ListParams::default().fields("spec.nodeName!=,status.phase!=Succeeded,status.phase!=Failed");
        Ok(self.pages("/api/v1/pods", Form::Metadata, &running, find).await?.0)
    }

    /// Page by page, each with a deadline of its own: the list may be of any length, and what of it is held at once is not.
    async fn pages<T: DeserializeOwned, U>(
        &self,
        path: &str,
        form: Form,
        params: &ListParams,
        find: impl Fn(T) -> Option<U>,
    ) -> Result<(Vec<U>, String), Failure> {
        let (mut found, mut params) = (Vec::new(), params.clone());
        params.limit = Some(PAGE);
        loop {
            let request = Request::new(path);
            let request = match form {
                Form::Whole => request.list(&params),
                Form::Metadata => request.list_metadata(&params),
            };
            let list = self.ask::<List<T>>(request).await?;
            found.extend(list.items.into_iter().flatten().filter_map(&find));
            params.continue_token = list.metadata.next.filter(|next| !next.is_empty());
            if params.continue_token.is_none() {
                return Ok((found, list.metadata.resource_version));
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
    let kube::Error::Api(status) = error else { return Failure::Unknown(error.to_string()) };
    let said = if status.message.is_empty() { &status.reason } else { &status.message };
    match status.code {
        404 => Failure::Missing,
        409 | 422 => Failure::Refused(said.clone()),
        401 => Failure::Unknown(format!(
            "{said} (401): the token has ended, or is another cluster's; a new one is read within a minute"
        )),
        // The API server's words name user, verb and resource: the rule.
        403 => Failure::Unknown(format!(
            "{said} (403): deploy/raild and the chart have the rule, apply them again"
        )),
        code => Failure::Unknown(format!("{said} ({code})")),
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use serde_json::{Value, json};

    use super::fake::Fake;
    use super::*;

    #[test]
    fn a_list_is_read_page_by_page_and_what_is_not_wanted_is_not_kept() {
        super::fake::run(async {
            let fake = Fake::start(|_, url| {
                let next = if url.contains("continue=more") { json!(null) } else { json!("more") };
                let items: Vec<_> =
                    (0..3).map(|number| json!({ "metadata": { "name": number.to_string() } })).collect();
                (200, json!({ "metadata": { "resourceVersion": "7", "continue": next }, "items": items }))
            })
            .await;
            let wanted = |object: Value| (object["metadata"]["name"] == "1").then_some(());
            let found = fake.connection.find("/api/v1/pods", wanted).await.unwrap();
            assert_eq!(found.len(), 2);
            let asked = fake.asked();
            assert_eq!(asked.len(), 2, "{asked:?}");
            assert!(asked.iter().all(|url| url.contains("limit=100")), "{asked:?}");
            assert_eq!(fake.connection.list::<Value>("/api/v1/pods").await.unwrap().1, 7);
        });
    }

    #[test]
    fn a_name_that_would_lead_elsewhere_is_never_sent() {
        super::fake::run(async {
            let fake = Fake::start(|_, _| (200, json!({}))).await;
            let elsewhere = "x/../../../victim/network-attachment-definitions/rail1";
            let path = "/apis/k8s.cni.cncf.io/v1/namespaces/tenant/network-attachment-definitions";
            let sent = fake.connection.apply::<Value>(path, elsewhere, &json!({}), true).await;
            assert!(matches!(sent, Err(Failure::Unknown(_))), "{sent:?}");
            assert!(fake.connection.get::<Value>(path, elsewhere).await.is_err());
            assert_eq!(fake.asked(), [""; 0]);
        });
    }

    /// What may have been done is never taken for refused: the controller reads it again.
    #[test]
    fn what_an_api_server_says_is_told_apart() {
        let ended = |code: u16| {
            let told = Rc::new(RefCell::new(None));
            let heard = told.clone();
            super::fake::run(async move {
                let status = move |_: &str, _: &str| {
                    (
                        code,
                        json!({"kind": "Status", "status": "Failure", "code": code, "message": "it says why"}),
                    )
                };
                let fake = Fake::start(status).await;
                let created = fake.connection.create::<Value>("/api/v1/nodes", &json!({})).await;
                *heard.borrow_mut() = Some(created.unwrap_err());
            });
            told.take().unwrap()
        };
        assert_eq!(ended(404), Failure::Missing);
        for code in [409, 422] {
            assert_eq!(ended(code), Failure::Refused("it says why".to_owned()));
        }
        for (code, cure) in [(401, "the token has ended"), (403, "have the rule"), (500, "")] {
            let Failure::Unknown(said) = ended(code) else {
                panic!("{code} is no answer that says what was done")
            };
            assert!(said.starts_with(&format!("it says why ({code})")) && said.contains(cure), "{said}");
        }
        // A busy one is asked again by the client, for as long as an answer may take.
        assert!(matches!(ended(429), Failure::Unknown(_)));
    }
}
