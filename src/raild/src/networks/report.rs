//! What is told people about an object: a condition in its status, and an event when it turns bad.

use serde_json::{Value, json};

use super::Networks;
use crate::connection::{Connection, Failure};
use crate::known::key;

/// The reason of what waits for pods.
pub(super) const WAITING: &str = "Waiting";

/// A condition.
pub(super) struct Report<'a> {
    kind: &'a str,
    is_good: bool,
    reason: &'a str,
    message: &'a str,
    /// Further fields of the status.
    status: Value,
}

impl<'a> Report<'a> {
    pub(super) fn new(kind: &'a str, is_good: bool, reason: &'a str, message: &'a str) -> Self {
        Self { kind, is_good, reason, message, status: json!({}) }
    }

    pub(super) fn with(self, status: Value) -> Self {
        Self { status, ..self }
    }

    /// Writes what has changed, and nothing else; nor again at once what was not taken.
    pub(super) async fn tell(self, networks: &mut Networks, path: &str, kind: &str, object: &Value) {
        let name = object["metadata"]["name"].as_str().unwrap_or_default();
        let before = &object["status"]["conditions"][0];
        let mut condition = json!({
            "type": self.kind,
            "status": if self.is_good { "True" } else { "False" },
            "reason": self.reason,
            "message": self.message,
            "observedGeneration": object["metadata"]["generation"],
        });
        let says =
            |key: &str| before[key] == condition[key] || (before[key].is_null() && condition[key] == "");
        let is_same = ["type", "status", "reason", "message", "observedGeneration"].into_iter().all(says);
        let mut more = self.status.as_object().into_iter().flatten();
        if is_same && more.all(|(key, value)| object["status"][key] == *value) {
            return;
        }
        let turned = before["status"] != condition["status"];
        let wanted = json!([condition, self.status]);
        let since = if turned { now().into() } else { before["lastTransitionTime"].clone() };
        condition["lastTransitionTime"] = since;
        let mut status = self.status.clone();
        status["conditions"] = json!([condition]);
        let change = json!({ "status": status });
        let (attempt, now) = (format!("status of {kind} {}", key(object)), networks.begun.elapsed());
        if networks.attempts.failed(&attempt, &wanted, Some(object), now).is_some() {
            return;
        }
        let written = networks.connection.merge::<Value>(path, name, true, change).await;
        let outcome = written.map(drop).map_err(|problem| problem.to_string());
        networks.attempts.note(&attempt, &wanted, Some(object), &outcome, now);
        if let Err(problem) = outcome {
            eprintln!("raild: status of {kind} {name}: {problem}");
            return;
        }
        let is_other = before["reason"] != condition["reason"];
        // Who is waited for becomes fewer and fewer, which is no news.
        let is_news =
            turned || is_other || (self.reason != WAITING && before["message"] != condition["message"]);
        if !self.is_good && is_news {
            event(&networks.connection, object, kind, self.reason, self.message, None).await;
        }
    }
}

/// A warning beside an object; with a name, it is told once.
pub(super) async fn event(
    connection: &Connection,
    object: &Value,
    kind: &str,
    reason: &str,
    message: &str,
    name: Option<String>,
) {
    let metadata = &object["metadata"];
    let namespace = metadata["namespace"].as_str().unwrap_or("default");
    let own = metadata["name"].as_str().unwrap_or_default();
    let time = now();
    let mut event = json!({
        "apiVersion": "v1", "kind": "Event",
        "metadata": { "namespace": namespace },
        "involvedObject": {
            "apiVersion": object["apiVersion"], "kind": kind, "name": own, "namespace": metadata["namespace"],
            "uid": metadata["uid"],
        },
        "type": "Warning", "reason": reason, "message": message.chars().take(1000).collect::<String>(),
        "source": { "component": "raild" }, "firstTimestamp": time, "lastTimestamp": time, "count": 1,
    });
    match name {
        Some(name) => event["metadata"]["name"] = name.into(),
        None => event["metadata"]["generateName"] = format!("{own}.").into(),
    }
    let path = format!("/api/v1/namespaces/{namespace}/events");
    match connection.create::<Value>(&path, &event).await {
        // It has been told already.
        Ok(_) | Err(Failure::Refused(_)) => {}
        Err(problem) => eprintln!("raild: event of {kind} {own}: {problem}"),
    }
}

fn now() -> String {
    k8s_openapi::jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}
