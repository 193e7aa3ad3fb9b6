//! Whether anybody can still want an attachment. In doubt it is kept.

use std::collections::BTreeSet;
use std::fmt;
use std::num::NonZeroU64;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, Result, ensure};
use netns::{Id, Living};
use state::{AttachmentKey, Netns};

use super::cri::{self, Ask, Cri};
use super::leases::LeasedInterface;
use crate::records::Attachment;

/// A runtime lists a sandbox only once its network is up, for which kubelet waits four minutes.
const SETTLED: Duration = Duration::from_secs(600);

/// Who is asked.
#[derive(Debug)]
pub(super) struct Witnesses {
    pub(super) living: Living,
    /// Whether all pods of the node are in this PID namespace, though it is not the machine's first.
    whole_node: bool,
    pub(super) runtime: Cri,
    /// Inodes of namespaces that are at the path of a record: the kernel gives them out again, and another record with the
    /// same one, without a cookie and with a path that is gone, is of an earlier namespace.
    pub(super) reused: BTreeSet<u64>,
}

impl Witnesses {
    pub(super) fn of(attachments: &[Attachment], whole_node: bool, ask: Ask<'_>) -> Result<Self> {
        ensure!(
            nix::unistd::geteuid().is_root(),
            "run this as root: without the right to look, every pod seems dead"
        );
        let living = Living::look().context("look for network namespaces in /proc")?;
        let open = attachments.iter().filter_map(Attachment::open);
        let reused = open.map(|netns| netns.id().ino).collect();
        // A node that is a container itself (kind, a system container) has a PID namespace of its own, with its runtime and all
        // that the runtime started in it. A pod without hostPID has one, too, and the runtime is outside.
        let whole_node = whole_node || cri::all_listen_here();
        Ok(Self { living, whole_node, runtime: Cri::ask(ask), reused })
    }

    fn is_alive(&self, netns: &Netns) -> bool {
        let (id, cookie) = ids(netns);
        self.living.has(id, cookie) && (cookie.is_some() || !self.reused.contains(&netns.ino))
    }

    fn is_peopled(&self, netns: &Netns) -> bool {
        let (id, cookie) = ids(netns);
        self.living.is_peopled(id, cookie)
    }

    /// Which processes were not looked into. Not those that had too many files for the time: any pod can have them, and they make
    /// one kind of verdict doubtful.
    pub(super) fn not_seen(&self) -> Option<String> {
        let unseen = self.living.closed().iter().take(3).cloned().collect::<Vec<_>>();
        let outside = (!self.living.is_of_machine() && !self.whole_node)
            .then(|| "outside of this PID namespace, which is not the machine's first".to_owned());
        let some = unseen.into_iter().chain(outside).collect::<Vec<_>>();
        (!some.is_empty()).then(|| {
            format!(
                "not everything that may hold a network namespace can be seen ({}), and one that is not seen would count as gone",
                some.join(", ")
            )
        })
    }
}

fn ids(netns: &Netns) -> (Id, Option<NonZeroU64>) {
    (Id { dev: netns.dev, ino: netns.ino }, NonZeroU64::new(netns.cookie))
}

#[derive(Debug, PartialEq)]
pub(super) enum Verdict {
    Alive,
    Leftover(Reason),
    /// Nobody can tell: why.
    Unclear(String),
}

#[derive(Debug, PartialEq)]
pub(super) enum Reason {
    OlderBoot,
    NamespaceGone(PathBuf),
    PodUnknown,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OlderBoot => f.write_str("its record is of an older boot"),
            Self::NamespaceGone(path) => {
                write!(f, "its network namespace, {} at ADD, is gone", path.display())
            }
            Self::PodUnknown => {
                f.write_str("the container runtime does not know the pod, and no process is in its namespace")
            }
        }
    }
}

pub(super) fn judge(attachment: &Attachment, witnesses: &Witnesses) -> Verdict {
    if !attachment.unread.is_empty() {
        return Verdict::Unclear(attachment.unread.join("; "));
    }
    if let Some(netns) = &attachment.netns {
        let has_path = attachment.open().is_some();
        if !has_path && !witnesses.is_alive(netns) {
            return gone(&netns.path, witnesses.living.crowded_outside_pods());
        }
        // Without its path, the plugins' DEL could not go into it.
        let can_be_undone = has_path && !witnesses.is_peopled(netns);
        if can_be_undone && is_denied(&attachment.key, attachment.created, witnesses) {
            return Verdict::Leftover(Reason::PodUnknown);
        }
        return Verdict::Alive;
    }
    match (attachment.plugins.as_slice(), attachment.damaged.as_slice()) {
        ([], []) => Verdict::Leftover(Reason::OlderBoot),
        ([], damaged) => Verdict::Unclear(format!(
            "{}; a DEL or the next ADD of this attachment replaces it",
            damaged.join("; ")
        )),
        _ => Verdict::Unclear("its record names no network namespace".to_owned()),
    }
}

/// Of a namespace that nothing holds which was seen.
fn gone(path: &Path, crowded: Option<&str>) -> Verdict {
    let Some(process) = crowded else { return Verdict::Leftover(Reason::NamespaceGone(path.to_owned())) };
    Verdict::Unclear(format!(
        "its network namespace, {} at ADD, has no path any more, and {process} may hold it: its threads or files are too many to go through",
        path.display()
    ))
}

/// Of a lease without a record: given to a plugin that is none of ours, which alone knew the namespace.
pub(super) fn lease(lease: &LeasedInterface, witnesses: &Witnesses) -> Verdict {
    if is_denied(&lease.key, lease.since, witnesses) {
        return Verdict::Leftover(Reason::PodUnknown);
    }
    match witnesses.runtime {
        Cri::Knows(_) => Verdict::Alive,
        _ => Verdict::Unclear(
            "no record tells its network namespace, and no container runtime was asked".to_owned(),
        ),
    }
}

fn is_denied(key: &AttachmentKey, since: u64, witnesses: &Witnesses) -> bool {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |age| age.as_secs());
    let is_settled = now.saturating_sub(since) > SETTLED.as_secs();
    is_settled && witnesses.runtime.denies(&key.container_id)
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[test]
    fn who_has_more_files_than_there_is_time_for_keeps_no_sweep_from_what_he_cannot_hold() {
        let living = Living::look_until(Instant::now()).unwrap();
        let crowded = living.crowded_outside_pods().unwrap().to_owned();
        let witnesses = Witnesses { living, whole_node: true, runtime: Cri::None, reused: BTreeSet::new() };
        let not_seen = witnesses.not_seen().unwrap_or_default();
        assert!(!not_seen.contains(&crowded), "the sweep would release nothing: {not_seen}");
        let key = AttachmentKey { network: "n".into(), container_id: "c".into(), ifname: "net1".into() };
        let netns = Netns { dev: u64::MAX, ino: 1, cookie: 0, path: "/run/netns/no-such-pod".into() };
        let none = || Vec::new();
        let mut attachment = Attachment {
            key,
            interfaces: vec!["net1".to_owned()],
            netns: None,
            created: 0,
            plugins: none(),
            damaged: none(),
            unread: none(),
            void: vec!["macvlan".to_owned()],
        };
        assert_eq!(judge(&attachment, &witnesses), Verdict::Leftover(Reason::OlderBoot));
        attachment.netns = Some(netns);
        let verdict = judge(&attachment, &witnesses);
        assert!(matches!(&verdict, Verdict::Unclear(why) if why.contains(&crowded)), "{verdict:?}");
    }

    #[test]
    fn a_process_of_a_pod_makes_no_verdict_doubtful_however_many_files_it_has() {
        let path = Path::new("/run/netns/a");
        assert_eq!(gone(path, None), Verdict::Leftover(Reason::NamespaceGone(path.to_owned())));
    }
}
