//! The pods that the container runtimes of this node know.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::os::fd::AsRawFd as _;
use std::path::Path;
use std::process::{Command, Output};

use nix::sys::socket::{self, AddressFamily, SockFlag, SockType, UnixAddr, sockopt::PeerCredentials};

/// Where runtimes listen: crictl's own list; k3s and RKE2; k0s; `MicroK8s`.
const SOCKETS: [&str; 6] = [
    "/run/containerd/containerd.sock",
    "/run/crio/crio.sock",
    "/run/cri-dockerd.sock",
    "/run/k3s/containerd/containerd.sock",
    "/run/k0s/containerd.sock",
    "/var/snap/microk8s/common/run/containerd.sock",
];
/// Of each call that crictl makes: it greets the runtime, and asks.
const PATIENCE: &str = "10s";

/// The answer of the runtimes, asked through crictl: every node with a CRI has it, and a gRPC client of our own would be
/// sixty crates for one list.
#[derive(Debug)]
pub(super) enum Cri {
    /// No socket, or of a containerd that serves Docker alone: nobody to ask.
    None,
    /// One has a socket and gave no answer: any pod may be its.
    Mute(String),
    /// The IDs of all their pod sandboxes, in whatever state.
    Knows(BTreeSet<String>),
}

impl Cri {
    /// Asks every runtime that listens, for none of them tells which one is kubelet's.
    pub(super) fn ask() -> Self {
        let mut known = None;
        for endpoint in endpoints() {
            match pods(&endpoint) {
                Ok(Some(pods)) => known.get_or_insert_with(BTreeSet::new).extend(pods),
                Ok(None) => (),
                Err(why) => {
                    return Self::Mute(format!(
                        "the container runtime at {endpoint} has not told its pods: {why}"
                    ));
                }
            }
        }
        known.map_or(Self::None, Self::Knows)
    }

    pub(super) fn not_asked(&self) -> Option<String> {
        let alone = "attachments are judged by their network namespaces alone";
        match self {
            Self::None => Some(format!(
                "no container runtime with a CRI listens here (CONTAINER_RUNTIME_ENDPOINT names an unusual socket): {alone}"
            )),
            Self::Mute(why) => Some(format!("{why}; {alone}")),
            Self::Knows(_) => None,
        }
    }

    /// Whether they have been asked, and none knows the pod.
    pub(super) fn denies(&self, container_id: &str) -> bool {
        matches!(self, Self::Knows(pods) if !pods.contains(container_id))
    }
}

/// The one that was chosen, alone; else all that there are.
fn endpoints() -> Vec<String> {
    match std::env::var("CONTAINER_RUNTIME_ENDPOINT") {
        Ok(chosen) if !chosen.is_empty() => vec![chosen],
        _ => {
            let found = SOCKETS.iter().filter(|path| Path::new(path).exists());
            found.map(|path| format!("unix://{path}")).collect()
        }
    }
}

/// Whether there are runtimes, and all of them are in this PID namespace: so are their containers, then.
pub(super) fn all_listen_here() -> bool {
    let here = endpoints().iter().map(|endpoint| listens_here(endpoint)).collect::<Vec<_>>();
    !here.is_empty() && here.into_iter().all(|here| here)
}

fn listens_here(endpoint: &str) -> bool {
    endpoint.strip_prefix("unix://").is_some_and(|path| listener(path).is_ok_and(|pid| pid > 0))
}

/// Who listens, by its PID here, and 0 if it has none here (unix(7), `SO_PEERCRED`). Never waits for a queue that is full.
fn listener(path: &str) -> nix::Result<i32> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let socket = socket::socket(AddressFamily::Unix, SockType::Stream, flags, None)?;
    socket::connect(socket.as_raw_fd(), &UnixAddr::new(path)?)?;
    socket::getsockopt(&socket, PeerCredentials).map(|peer| peer.pid())
}

/// None of a runtime without a CRI.
fn pods(endpoint: &str) -> Result<Option<BTreeSet<String>>, String> {
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
    fn who_listens_is_told_and_nobody_where_nobody_does() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("sock");
        let path = path.to_str().unwrap();
        let socket = std::os::unix::net::UnixListener::bind(path).unwrap();
        assert_eq!(listener(path), Ok(i32::try_from(std::process::id()).unwrap()));
        drop(socket);
        assert_eq!(listener(path), Err(nix::Error::ECONNREFUSED));
        assert!(!listens_here("tcp://127.0.0.1:1"));
    }

    #[test]
    fn what_ended_crictl_is_told_without_its_log() {
        let log = b"time=\"2026\" level=warning msg=\"no config\"\ntime=\"2026\" level=fatal msg=\"read \\\"a\\\": refused\"\n";
        assert_eq!(last_words(log), "read \"a\": refused");
        assert_eq!(last_words(b"rpc error\n"), "rpc error");
        assert_eq!(last_words(b""), "it failed and said nothing");
    }
}
