//! Killing a plugin at a chosen system call, or making that call fail.

use crate::mounts::must;
use crate::plugin::{Outcome, Plugin};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

/// What can leave a trace: netlink requests, files, processes and the output. Between two of these it makes no difference
/// where a process is killed. Not `execve`, by which strace starts the plugin. musl opens files by `open`, which not every
/// architecture has (strace's `?`).
pub const CHANGES: &str = "sendto,sendmsg,sendmmsg,write,writev,pwrite64,pwritev,rename,renameat,renameat2,unlink,unlinkat,\
                           rmdir,mkdir,mkdirat,symlink,symlinkat,link,linkat,openat,?open,ftruncate,fsync,fdatasync,\
                           fork,vfork,clone,clone3";

/// What can fail on the way: [`CHANGES`], and what has to be had before them.
pub const FALLIBLE: &str = "socket,recvfrom,recvmsg,setns,flock";

/// Whose calls are counted. strace counts for each process alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// The plugin's main thread: a delegate lives on, as when one process is killed.
    Plugin,
    /// Every process of the run, each killed when it comes to the point.
    Delegates,
}

/// A run under strace.
#[derive(Debug)]
pub struct Trace {
    /// What the plugin itself did.
    pub outcome: Outcome,
    /// The calls that were begun, in order.
    pub calls: Vec<Call>,
    /// How many processes began one.
    pub processes: usize,
}

/// A point at which a process can be killed. strace's `when=` counts each kind of call for itself, so a point is the
/// n-th call of one kind.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Call {
    /// Of the system call, such as `sendto`.
    pub name: String,
    /// 1 for the first of its kind in its process.
    pub nth: usize,
    /// It opens a file for reading, or asks rtnetlink, and so changes nothing.
    pub reads: bool,
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} number {}", self.name, self.nth)
    }
}

impl Trace {
    /// Each point once, in the order of the run; processes of a run share points.
    pub fn points(&self) -> Vec<Call> {
        let mut points: Vec<Call> = Vec::new();
        for call in &self.calls {
            if !points.contains(call) {
                points.push(call.clone());
            }
        }
        points
    }
}

impl Plugin {
    /// Runs `verb` and lists its calls in `set` (strace's names: `sendto,%file,fdatasync`).
    pub fn trace(&self, verb: &str, config: &Value, set: &str, scope: Scope) -> Trace {
        self.strace(verb, config, set, scope, None)
    }

    /// Runs `verb` with the call at `point` failing with `errno` (`ENOSPC`), without any effect.
    pub fn fail_at(&self, verb: &str, config: &Value, scope: Scope, point: &Call, errno: &str) -> Trace {
        self.strace(verb, config, &point.name, scope, Some((point, &format!("error={errno}"), "")))
    }

    /// The same with that call and all like it after it.
    pub fn fail_from(&self, verb: &str, config: &Value, scope: Scope, point: &Call, errno: &str) -> Trace {
        self.strace(verb, config, &point.name, scope, Some((point, &format!("error={errno}"), "+")))
    }

    /// Runs `verb` and kills it when it enters `point`, before the call has any effect.
    pub fn kill_at(&self, verb: &str, config: &Value, scope: Scope, point: &Call) -> Trace {
        self.strace(verb, config, &point.name, scope, Some((point, "signal=SIGKILL", "")))
    }

    fn strace(
        &self,
        verb: &str,
        config: &Value,
        set: &str,
        scope: Scope,
        fault: Option<(&Call, &str, &str)>,
    ) -> Trace {
        let set = format!("--trace={set}");
        let mut options = vec![set.as_str()];
        if scope == Scope::Delegates {
            options.extend(["-f", "--seccomp-bpf"]);
        }
        let inject = fault
            .map(|(Call { name, nth, .. }, fault, on)| format!("--inject={name}:{fault}:when={nth}{on}"));
        options.extend(inject.as_deref());
        let (outcome, text) = self.under_strace(verb, config, &options);
        let begun: Vec<_> = text.lines().filter_map(begun).collect();
        let processes = begun.iter().map(|(process, ..)| process).collect::<BTreeSet<_>>().len();
        Trace { outcome, calls: calls(&begun), processes }
    }

    /// Runs `verb` under strace; what came of it, and what strace wrote.
    pub(crate) fn under_strace(&self, verb: &str, config: &Value, options: &[&str]) -> (Outcome, String) {
        let log = log_path();
        let traced = self.clone().wrapped(&[&["strace", "-qq", "-o", &log], options].concat());
        let outcome = traced.run(verb, config);
        let text = must("read the trace", std::fs::read_to_string(Path::new(&log)));
        must("remove the trace", std::fs::remove_file(&log));
        (outcome, text)
    }
}

/// /run is the world's own tmpfs.
fn log_path() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("/run/world/strace.{}", NEXT.fetch_add(1, Ordering::Relaxed))
}

fn calls(begun: &[(&str, &str, &str)]) -> Vec<Call> {
    let mut counts: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    let mut numbered = Vec::new();
    for &(process, name, args) in begun {
        let nth = counts.entry((process, name)).or_default();
        *nth += 1;
        numbered.push(Call { name: name.to_owned(), nth: *nth, reads: reads(name, args) });
    }
    numbered
}

/// Opens a file for reading, or asks rtnetlink.
pub(crate) fn reads(name: &str, args: &str) -> bool {
    let has = |parts: &[&str]| parts.iter().any(|part| args.contains(part));
    match name {
        "open" | "openat" => !has(&["O_WRONLY", "O_RDWR", "O_CREAT"]),
        "sendto" => args.contains("nlmsg_type=RTM_GET") && !has(&["=RTM_NEW", "=RTM_DEL", "=RTM_SET"]),
        _ => false,
    }
}

/// Process (empty for a lone one), name and arguments of a call; neither a signal, an exit, nor the end of a call that
/// was interrupted by another process.
pub(crate) fn begun(line: &str) -> Option<(&str, &str, &str)> {
    let (name, args) = line.split_once('(')?;
    let (process, name) = name.rsplit_once(' ').unwrap_or(("", name));
    let is_call = name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_');
    let is_process = process.trim().chars().all(|c| c.is_ascii_digit());
    (is_call && is_process).then_some((process.trim(), name, args))
}

#[cfg(test)]
mod tests {
    use super::{Call, begun, calls};

    fn parsed(log: &str) -> Vec<Call> {
        calls(&log.lines().filter_map(begun).collect::<Vec<_>>())
    }

    #[test]
    fn counts_each_call_once_by_kind_and_process() {
        let log = "12 openat(AT_FDCWD, \"x\" <unfinished ...>\n\
                   13    openat(AT_FDCWD, \"y\", O_RDWR|O_CLOEXEC) = 3\n\
                   12 <... openat resumed>) = 3\n\
                   12 write(1, \"a (b\", 1) = 1\n\
                   12 openat(AT_FDCWD, \"z\", O_RDONLY) = 3\n\
                   12 open(\"z\", O_RDONLY|O_CLOEXEC) = 3\n\
                   12 sendto(4, [{nlmsg_len=40, nlmsg_type=RTM_GETLINK, nlmsg_flags=NLM_F_REQUEST}], 40) = 40\n\
                   12 sendto(4, [{nlmsg_len=40, nlmsg_type=RTM_SETLINK}, {nlmsg_len=40, nlmsg_type=RTM_GETLINK}], 80) = 80\n\
                   12 --- SIGCHLD {si_signo=SIGCHLD, si_pid=13 (x)} ---\n\
                   +++ killed by SIGKILL (core dumped) +++\n";
        let call = |name: &str, nth, reads| Call { name: name.to_owned(), nth, reads };
        let expected = [
            call("openat", 1, true),
            call("openat", 1, false),
            call("write", 1, false),
            call("openat", 2, true),
            call("open", 1, true),
            call("sendto", 1, true),
            call("sendto", 2, false),
        ];
        assert_eq!(parsed(log), expected);
        assert_eq!(parsed("write(1, \"a\", 1) = 1\n"), [call("write", 1, false)]);
    }
}
