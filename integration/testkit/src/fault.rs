//! Killing a plugin at a chosen system call.

use crate::mounts::must;
use crate::plugin::{Outcome, Plugin};
use serde_json::Value;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

/// Whose calls are counted. strace counts for each process alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// The plugin's main thread: a delegate lives on, as when one process is killed.
    Plugin,
    /// Every process of the run, each killed at its own n-th call.
    Delegates,
}

/// A run under strace.
#[derive(Debug)]
pub struct Trace {
    /// What the plugin itself did.
    pub outcome: Outcome,
    /// The calls that were begun, in order, as strace prints them.
    pub calls: Vec<String>,
}

impl Plugin {
    /// Runs `verb` and lists its calls in `set` (strace's names: `sendto,%file,fdatasync`).
    ///
    /// A call that `kill_at` can hit is number 1 to `calls.len()`.
    pub fn trace(&self, verb: &str, config: &Value, set: &str, scope: Scope) -> Trace {
        self.strace(verb, config, set, scope, None)
    }

    /// Runs `verb` and kills it when it enters its `nth` call in `set`, before the call has any effect.
    pub fn kill_at(&self, verb: &str, config: &Value, set: &str, scope: Scope, nth: usize) -> Trace {
        self.strace(verb, config, set, scope, Some(nth))
    }

    fn strace(&self, verb: &str, config: &Value, set: &str, scope: Scope, nth: Option<usize>) -> Trace {
        let log = log_path();
        let mut traced = self.clone();
        let mut wrapper = vec!["strace".into(), "-qq".into(), "-o".into(), log.clone()];
        wrapper.push(format!("--trace={set}"));
        if scope == Scope::Delegates {
            wrapper.push("-f".into());
        }
        if let Some(nth) = nth {
            wrapper.push(format!("--inject={set}:signal=SIGKILL:when={nth}"));
        }
        traced.wrapper = wrapper.into_iter().map(Into::into).collect();
        let outcome = traced.run(verb, config);
        let text = must("read the trace", std::fs::read_to_string(Path::new(&log)));
        must("remove the trace", std::fs::remove_file(&log));
        Trace { outcome, calls: text.lines().filter(|line| begins_call(line)).map(Into::into).collect() }
    }
}

/// /run is the world's own tmpfs.
fn log_path() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("/run/world/strace.{}", NEXT.fetch_add(1, Ordering::Relaxed))
}

/// Neither a signal, an exit, nor the end of a call that was interrupted by another process.
fn begins_call(line: &str) -> bool {
    let call = line.trim_start_matches(|c: char| c.is_ascii_digit() || c == ' ');
    call.starts_with(|c: char| c.is_ascii_lowercase() || c == '_') && call.contains('(')
}

#[cfg(test)]
mod tests {
    use super::begins_call;

    #[test]
    fn counts_each_call_once() {
        assert!(begins_call("write(1, \"a\", 1) = 1"));
        assert!(begins_call("12 openat(AT_FDCWD, \"x\" <unfinished ...>"));
        assert!(!begins_call("12 <... openat resumed>) = 3"));
        assert!(!begins_call("+++ killed by SIGKILL +++"));
        assert!(!begins_call("12 --- SIGCHLD {si_signo=SIGCHLD} ---"));
    }
}
