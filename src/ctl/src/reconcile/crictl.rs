//! The pods that a container runtime knows, asked through crictl: every node with a CRI has it, and a gRPC client of our own would be
//! sixty crates for one list.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::process::{Command, Output};

/// Of each call that crictl makes: it greets the runtime, and asks.
const PATIENCE: &str = "10s";

/// None of a runtime without a CRI.
pub(super) fn pods(endpoint: &str) -> Result<Option<BTreeSet<String>>, String> {
    let mut command = Command::new("crictl");
    command.args(["--runtime-endpoint", endpoint, "--timeout", PATIENCE, "pods", "--quiet", "--no-trunc"]);
    let output = command.output().map_err(|error| match error.kind() {
        ErrorKind::NotFound => {
            "crictl is not in PATH (package cri-tools; k3s and RKE2 bring their own)".to_owned()
        }
        _ => format!("crictl: {error}"),
    })?;
    heard(&output)
}

fn heard(output: &Output) -> Result<Option<BTreeSet<String>>, String> {
    if output.status.success() {
        let text = String::from_utf8_lossy(&output.stdout);
        return Ok(Some(
            text.lines().map(str::trim).filter(|id| !id.is_empty()).map(str::to_owned).collect(),
        ));
    }
    match last_words(&output.stderr) {
        // gRPC's code for a service that is not served there.
        why if why.contains("code = Unimplemented") => Ok(None),
        why => Err(format!("crictl: {why}")),
    }
}

/// The message that ended crictl, `time="..." level=fatal msg="..."`, without those before it.
fn last_words(stderr: &[u8]) -> String {
    let text = String::from_utf8_lossy(stderr);
    let line = text.trim().lines().last().unwrap_or("it failed and said nothing");
    let quoted = line.split_once(" msg=").and_then(|(_, message)| serde_json::from_str(message).ok());
    quoted.unwrap_or_else(|| line.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ended_crictl_is_told_without_its_log() {
        let log = b"time=\"2026\" level=warning msg=\"no config\"\ntime=\"2026\" level=fatal msg=\"read \\\"a\\\": refused\"\n";
        assert_eq!(last_words(log), "read \"a\": refused");
        assert_eq!(last_words(b"rpc error\n"), "rpc error");
        assert_eq!(last_words(b""), "it failed and said nothing");
    }
}
