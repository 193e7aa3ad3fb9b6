//! Events about objects without a namespace.

use api::{Kind, Metadata};
use serde_json::{Value, json};

use crate::connection::Connection;

/// Where they are.
const EVENTS: &str = "/api/v1/namespaces/default/events";

/// What one says, and who says it.
pub(crate) struct Said<'a> {
    /// Whether somebody has to cure it.
    pub(crate) is_bad: bool,
    pub(crate) reason: &'a str,
    pub(crate) message: &'a str,
    /// As in `{"component": "raild-controller"}`.
    pub(crate) source: Value,
    /// RFC 3339.
    pub(crate) now: &'a str,
}

pub(crate) fn about<T: Kind>(object: &Metadata, said: &Said<'_>) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": { "generateName": format!("{}.", object.name), "namespace": "default" },
        "involvedObject": {
            "apiVersion": format!("{}/{}", T::GROUP, T::VERSION),
            "kind": T::KIND, "name": object.name, "uid": object.uid,
        },
        "type": if said.is_bad { "Warning" } else { "Normal" },
        "reason": said.reason,
        // What the API server takes.
        "message": said.message.chars().take(1000).collect::<String>(),
        "source": said.source,
        "firstTimestamp": said.now,
        "lastTimestamp": said.now,
        "count": 1,
    })
}

/// Told after what they tell of has been written.
pub(crate) async fn tell(connection: &Connection, of: &str, events: Vec<Value>) {
    for event in events {
        if let Err(problem) = connection.create::<Value>(EVENTS, &event).await {
            eprintln!("raild: event of {of}: {problem}");
        }
    }
}
