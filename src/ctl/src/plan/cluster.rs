//! A cluster, by the admin's own kubectl: contexts, exec credentials and proxies are as it has them.

use std::io::Write as _;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

/// The kind by which the SR-IOV network operator tells what NICs a node has.
const STATES: &str = "sriovnetworknodestates.sriovnetwork.openshift.io";

/// Nodes, and their NICs where the operator runs.
pub(super) fn nodes() -> Result<Vec<Value>> {
    let mut found = vec![kubectl(&["get", "nodes"], None)?];
    let served =
        kubectl_text(&["api-resources", "--api-group=sriovnetwork.openshift.io", "--output=name"], None)?;
    if served.lines().any(|name| name == STATES) {
        found.push(kubectl(&["get", STATES, "--all-namespaces"], None)?);
    }
    Ok(found)
}

/// Those of the objects that are there.
pub(super) fn objects(wanted: &[Value]) -> Result<Vec<Value>> {
    let list = serde_json::json!({ "apiVersion": "v1", "kind": "List", "items": wanted });
    let mut found = kubectl(&["get", "--ignore-not-found", "--filename=-"], Some(&list.to_string()))?;
    Ok(match found["items"].take() {
        Value::Array(items) => items,
        _ if found.is_null() => Vec::new(),
        _ => vec![found],
    })
}

fn kubectl(arguments: &[&str], input: Option<&str>) -> Result<Value> {
    let text = kubectl_text(&[arguments, &["--output=json"]].concat(), input)?;
    if text.trim().is_empty() {
        return Ok(Value::Null);
    }
    serde_json::from_str(&text).context("kubectl printed no JSON")
}

fn kubectl_text(arguments: &[&str], input: Option<&str>) -> Result<String> {
    let mut command = Command::new("kubectl");
    command.args(arguments).arg("--request-timeout=60s");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().context("run kubectl, which must be in PATH")?;
    let mut stdin = child.stdin.take().context("kubectl's stdin")?;
    let input = input.unwrap_or_default().to_owned();
    // It prints while it reads: both at once, or neither would end.
    let writer = std::thread::spawn(move || stdin.write_all(input.as_bytes()));
    let output = child.wait_with_output().context("run kubectl")?;
    // When it did not want all of it, its own message says why.
    let _ = writer.join();
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "kubectl {}: {}", arguments.join(" "), said.trim());
    String::from_utf8(output.stdout).context("kubectl printed no UTF-8")
}
