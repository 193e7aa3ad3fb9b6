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

/// The names of all objects of a kind, for somebody who is typing and waits.
pub(crate) fn names(kind: &str) -> Result<Vec<String>> {
    let text = text_within("2s", &["get", kind, "--output=name"], None)?;
    // Each line is KIND/NAME.
    Ok(text.lines().filter_map(|line| Some(line.split_once('/')?.1.to_owned())).collect())
}

/// What it prints.
pub(crate) fn text(arguments: &[&str], input: Option<&str>) -> Result<String> {
    text_within("60s", arguments, input)
}

fn text_within(limit: &str, arguments: &[&str], input: Option<&str>) -> Result<String> {
    let mut command = Command::new("kubectl");
    command.args(arguments).arg(format!("--request-timeout={limit}"));
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().context("run kubectl, which must be in PATH")?;
    let mut stdin = child.stdin.take().context("kubectl's stdin")?;
    let input = input.unwrap_or_default().to_owned();
    // It prints while it reads: both at once, or neither would end.
    let writer = std::thread::spawn(move || stdin.write_all(input.as_bytes()));
    let output = child.wait_with_output().context("run kubectl")?;
    // When it did not want all of it, its own message says why.
    let _ = writer.join();
    ensure!(
        output.status.success(),
        "kubectl {}: {}",
        arguments.join(" "),
        reason(&String::from_utf8_lossy(&output.stderr))
    );
    String::from_utf8(output.stdout).context("kubectl printed no UTF-8")
}

/// What it says to people, without the log of the libraries below it (klog), which says the same once for each attempt.
fn reason(stderr: &str) -> String {
    let is_said = |line: &&str| !(line.is_empty() || is_log(line));
    let said: Vec<&str> = stderr.lines().map(str::trim).filter(is_said).collect();
    let said = if said.is_empty() { stderr.trim().to_owned() } else { said.join("; ") };
    let is_unreachable = ["was refused", "Unable to connect", "no configuration has been provided"];
    if is_unreachable.iter().any(|words| said.contains(words)) {
        return format!("{said} (KUBECONFIG names the file with the cluster)");
    }
    said
}

/// `E1130 11:18:00.123456    4711 memcache.go:265] ...`: a level, month and day.
fn is_log(line: &str) -> bool {
    let mut bytes = line.bytes();
    let is_level = bytes.next().is_some_and(|level| b"IWEF".contains(&level));
    let has_day = bytes.by_ref().take(4).filter(u8::is_ascii_digit).count() == 4;
    is_level && has_day && bytes.next() == Some(b' ') && line.contains("] ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_what_kubectl_says_the_log_is_left_out() {
        let log = "E1130 11:18:00.123456    4711 memcache.go:265] \"Unhandled Error\" err=\"couldn't get current server API group list\"\n";
        let refused = "The connection to the server localhost:8080 was refused - did you specify the right host or port?\n";
        let said = reason(&format!("{log}{log}{refused}"));
        assert_eq!(said, format!("{} (KUBECONFIG names the file with the cluster)", refused.trim()));
        let not_found = "Error from server (NotFound): nodes \"E1130\" not found\n";
        assert_eq!(reason(not_found), not_found.trim());
        assert_eq!(reason("Error: a\nE113 b\n\n"), "Error: a; E113 b");
        // Better a log than nothing.
        assert_eq!(reason(log), log.trim());
    }
}
