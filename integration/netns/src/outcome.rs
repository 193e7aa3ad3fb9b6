//! What a run of a plugin has to look like, well or not.

use testkit::{CniError, Outcome};

/// The error of a run that has to fail as the specification says: exit 1, one object with these keys on stdout.
#[track_caller]
pub fn refused(code: u64, what: &str, outcome: Outcome) -> CniError {
    assert_eq!(outcome.status.code(), Some(1), "{what}: {outcome}");
    assert_eq!(outcome.stdout.lines().count(), 1, "{what}: one object on one line: {outcome}");
    let error = outcome.error();
    assert_eq!(error.code, code, "{what}: {error:?}");
    assert!(!error.msg.is_empty(), "{what}: {error:?}");
    error
}

/// A run that has to succeed without a word on stdout.
#[track_caller]
pub fn silent(what: &str, outcome: Outcome) {
    let Outcome { status, stdout, stderr } = outcome;
    assert!(status.success() && stdout.is_empty(), "{what}: {status}\n{stdout}\n{stderr}");
}
