//! Programs as witnesses.

use std::process::Command;
use std::time::{Duration, Instant};

use nix::poll::{PollTimeout, poll};

/// How a program ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// Exit status 0.
    pub ok: bool,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

/// Runs a program, whatever its end.
#[track_caller]
pub fn try_run(words: &[&str]) -> Outcome {
    let (program, args) = words.split_first().expect("a program to run");
    let output = Command::new(program).args(args).output();
    let output = output.unwrap_or_else(|error| panic!("cannot run {program}: {error}"));
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Outcome { ok: output.status.success(), stdout: text(&output.stdout), stderr: text(&output.stderr) }
}

/// Runs a program that must succeed, and returns its standard output.
#[track_caller]
pub fn run(words: &[&str]) -> String {
    let outcome = try_run(words);
    assert!(outcome.ok, "{}: {}{}", words.join(" "), outcome.stdout, outcome.stderr);
    outcome.stdout
}

/// The guest's own; the machine may have none.
pub(crate) const MODPROBE: &str = "/lab/modprobe";

/// Loads a module of the kernel, with what it needs and the parameters after its name.
#[track_caller]
pub fn modprobe(line: &str) {
    let words: Vec<_> = [MODPROBE].into_iter().chain(line.split_whitespace()).collect();
    run(&words);
}

/// Runs `ip` with the words of `line`.
#[track_caller]
pub fn ip(line: &str) -> String {
    let argv: Vec<_> = ["ip"].into_iter().chain(line.split_whitespace()).collect();
    run(&argv)
}

/// Runs `ip` with the words of `line`, which must fail, and returns its standard error.
#[track_caller]
pub fn ip_fails(line: &str) -> String {
    let words: Vec<_> = ["ip"].into_iter().chain(line.split_whitespace()).collect();
    let outcome = try_run(&words);
    assert!(!outcome.ok, "ip {line} should have failed: {}", outcome.stdout);
    outcome.stderr
}

/// Polls `condition` until it holds; panics with `what` after `limit`.
#[track_caller]
pub fn until(limit: Duration, what: &str, mut condition: impl FnMut() -> bool) {
    assert!(holds_within(limit, &mut condition), "waited {limit:?} in vain: {what}");
}

/// Polls `condition` until it holds or `limit` is over.
pub(crate) fn holds_within(limit: Duration, condition: &mut dyn FnMut() -> bool) -> bool {
    let start = Instant::now();
    loop {
        if condition() {
            return true;
        }
        if start.elapsed() >= limit {
            return false;
        }
        // Nothing to wait for but time: what is asked may live in another namespace or in sysfs.
        let _ = poll(&mut [], PollTimeout::from(20u8));
    }
}
