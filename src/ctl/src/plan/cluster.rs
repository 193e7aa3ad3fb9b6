//! A cluster, as kubectl shows it.

use anyhow::Result;
use serde_json::Value;

use crate::kubectl;

/// The kind by which the SR-IOV network operator tells what NICs a node has.
const STATES: &str = "sriovnetworknodestates.sriovnetwork.openshift.io";

/// Nodes, and their NICs where the operator runs.
pub(super) fn nodes() -> Result<Vec<Value>> {
    let mut found = vec![kubectl::json(&["get", "nodes"], None)?];
    let served =
        kubectl::text(&["api-resources", "--api-group=sriovnetwork.openshift.io", "--output=name"], None)?;
    if served.lines().any(|name| name == STATES) {
        found.push(kubectl::json(&["get", STATES, "--all-namespaces"], None)?);
    }
    Ok(found)
}

/// Those of the objects that are there.
pub(super) fn objects(wanted: &[Value]) -> Result<Vec<Value>> {
    let list = serde_json::json!({ "apiVersion": "v1", "kind": "List", "items": wanted });
    let mut found = kubectl::json(&["get", "--ignore-not-found", "--filename=-"], Some(&list.to_string()))?;
    Ok(match found["items"].take() {
        Value::Array(items) => items,
        _ if found.is_null() => Vec::new(),
        _ => vec![found],
    })
}
