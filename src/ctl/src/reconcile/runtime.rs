//! The pods that the container runtime knows.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

/// Where runtimes listen; crictl's own list.
const SOCKETS: [&str; 3] =
    ["/run/containerd/containerd.sock", "/run/crio/crio.sock", "/run/cri-dockerd.sock"];

/// The answer of the runtime, asked through crictl: every node with a CRI has it, and a gRPC client of our own would be
/// sixty crates for one list.
#[derive(Debug)]
pub(super) enum Runtime {
    /// No socket: nobody to ask.
    None,
    /// There is one, and no answer.
    Mute(String),
    /// The IDs of its pod sandboxes, in whatever state.
    Knows(BTreeSet<String>),
}

impl Runtime {
    pub(super) fn ask() -> Self {
        let chosen = std::env::var("CONTAINER_RUNTIME_ENDPOINT").ok().filter(|endpoint| !endpoint.is_empty());
        let found =
            || SOCKETS.iter().find(|path| Path::new(path).exists()).map(|path| format!("unix://{path}"));
        let Some(endpoint) = chosen.or_else(found) else { return Self::None };
        match pods(&endpoint) {
            Ok(pods) => Self::Knows(pods),
            Err(why) => {
                Self::Mute(format!("the container runtime at {endpoint} was not asked for its pods: {why}"))
            }
        }
    }

    pub(super) fn not_asked(&self) -> Option<String> {
        let alone = "attachments are judged by their network namespaces alone";
        match self {
            Self::None => Some(format!("no container runtime has a socket here: {alone}")),
            Self::Mute(why) => Some(format!("{why}; {alone}")),
            Self::Knows(_) => None,
        }
    }

    /// Whether it has been asked, and does not know the pod.
    pub(super) fn denies(&self, container_id: &str) -> bool {
        matches!(self, Self::Knows(pods) if !pods.contains(container_id))
    }
}

fn pods(endpoint: &str) -> Result<BTreeSet<String>, String> {
    let mut command = Command::new("crictl");
    command.args(["--runtime-endpoint", endpoint, "--timeout", "10s", "pods", "--quiet", "--no-trunc"]);
    let output = command.output().map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => "crictl is not installed (package cri-tools)".to_owned(),
        _ => format!("crictl: {error}"),
    })?;
    if !output.status.success() {
        return Err(format!("crictl: {}", String::from_utf8_lossy(&output.stderr).trim()));
    }
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    Ok(text.lines().map(str::trim).filter(|id| !id.is_empty()).map(str::to_owned).collect())
}
