//! The admin's own kubectl: contexts, exec credentials and proxies are as it has them.

use std::io::Write as _;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

/// What it prints as JSON; null where it prints nothing.
pub(crate) fn json(arguments: &[&str], input: Option<&str>) -> Result<Value> {
    let text = text(&[arguments, &["--output=json"]].concat(), input)?;
    if text.trim().is_empty() {
        return Ok(Value::Null);
    }
    serde_json::from_str(&text).context("kubectl printed no JSON")
}

/// All objects of a kind.
pub(crate) fn list<T: serde::de::DeserializeOwned>(arguments: &[&str]) -> Result<Vec<T>> {
    let mut list = json(&[&["get"], arguments].concat(), None)?;
    let items = serde_json::from_value(list["items"].take());
    items.with_context(|| format!("kubectl get {}: objects of another version", arguments.join(" ")))
}

/// What it prints.
pub(crate) fn text(arguments: &[&str], input: Option<&str>) -> Result<String> {
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
