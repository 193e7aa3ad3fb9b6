//! The pods that the container runtimes of this node know. How one is asked, whoever calls says: crictl, or gRPC.

use std::collections::BTreeSet;
use std::os::fd::AsRawFd as _;
use std::path::Path;

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

/// The IDs of all pod sandboxes of the runtime at an endpoint, in whatever state; none of a runtime without a CRI; or why there
/// is no answer.
pub type Ask<'a> = &'a dyn Fn(&str) -> Result<Option<BTreeSet<String>>, String>;

/// The answer of the runtimes.
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
    pub(super) fn ask(pods: Ask<'_>) -> Self {
        Self::ask_all(&endpoints(), pods)
    }

    fn ask_all(endpoints: &[String], pods: Ask<'_>) -> Self {
        let mut known = None;
        for endpoint in endpoints {
            match pods(endpoint) {
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

    /// What one of two does not say, the other cannot: any pod may be its.
    #[test]
    fn one_that_is_mute_lets_nobody_be_denied() {
        let endpoints = ["unix:///a".to_owned(), "unix:///b".to_owned()];
        let known = |ids: &[&str]| Ok(Some(ids.iter().map(|&id| id.to_owned()).collect()));
        let both = Cri::ask_all(&endpoints, &|endpoint| {
            if endpoint.ends_with('a') { known(&["1"]) } else { known(&["2"]) }
        });
        assert!(both.denies("3") && !both.denies("1") && !both.denies("2"));
        let half = Cri::ask_all(&endpoints, &|endpoint| {
            if endpoint.ends_with('a') { known(&[]) } else { Err("hung".into()) }
        });
        assert!(
            !half.denies("1")
                && half.not_asked().is_some_and(|why| why.contains("unix:///b") && why.contains("hung"))
        );
        let docker =
            Cri::ask_all(&endpoints, &|endpoint| if endpoint.ends_with('a') { known(&[]) } else { Ok(None) });
        assert!(docker.denies("1"));
        let none = Cri::ask_all(&endpoints, &|_| Ok(None));
        assert!(!none.denies("1") && none.not_asked().is_some());
    }
}
