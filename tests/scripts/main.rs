//! The scripts that decide whether a run of the tests has passed.

#![expect(clippy::unwrap_used, reason = "a test that fails says where")]

use std::io::Write;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

/// Two tests have failed; between their texts is what looks like a name.
const LOG: &str = "failures:\n\n---- one::bad stdout ----\n    one::not_a_test\n\nfailures:\n    one::bad\n    one::worse\n\n\
    test result: FAILED. 3 passed; 2 failed; 0 ignored\n\nerror: test failed, to rerun pass `-p one --test two`\n";

/// What `test-again` says of a log, where cargo answers every test like this; and whether it was content.
fn again(most: u32, log: &str, cargo: &str) -> (String, bool) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cargo");
    let text = format!("#!/bin/bash\necho \"asked: $*\"\n{cargo}\n");
    state::file::replace(&path, text.as_bytes()).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/test-again");
    let mut command = Command::new(script);
    command.arg(most.to_string()).env("CARGO", &path).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(log.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    (String::from_utf8(output.stdout).unwrap(), output.status.success())
}

const PASSES: &str = "echo 'test result: ok. 1 passed; 0 failed'";

#[test]
fn each_test_that_failed_runs_by_itself_and_is_named_when_it_passes() {
    let (said, good) = again(2, LOG, PASSES);
    let asked = said.lines().filter(|line| line.starts_with("asked: ")).collect::<Vec<_>>();
    let of = |name| format!("asked: test --locked -p one --test two -- --exact {name}");
    assert_eq!(asked, [of("one::bad"), of("one::worse")]);
    assert!(
        good && said.contains("unsteady: one::bad\n") && said.contains("unsteady: one::worse\n"),
        "{said}"
    );
}

#[test]
fn a_test_that_fails_again_fails_the_run() {
    let cargo =
        "case $* in *one::bad) echo 'test result: FAILED. 0 passed; 1 failed'; exit 1 ;; esac\n".to_owned();
    let (said, good) = again(2, LOG, &(cargo + PASSES));
    assert!(
        !good && !said.contains("unsteady: one::bad\n") && said.contains("unsteady: one::worse\n"),
        "{said}"
    );
}

#[test]
fn a_name_that_finds_no_test_fails_the_run() {
    let (said, good) = again(2, LOG, "echo 'test result: ok. 0 passed; 0 failed'");
    assert!(!good && !said.contains("unsteady"), "{said}");
}

#[test]
fn many_failures_are_no_accident() {
    let (said, good) = again(1, LOG, PASSES);
    assert!(!good && !said.contains("asked"), "{said}");
}

#[test]
fn a_program_that_died_without_naming_a_test_fails_the_run() {
    let died = "error: test failed, to rerun pass `-p three --lib`\n";
    let (said, good) = again(9, &format!("{LOG}{died}"), PASSES);
    assert!(!good && said.contains("-p three --lib"), "{said}");
    let (said, good) = again(9, "error: could not compile `one`\n", PASSES);
    assert!(!good && !said.contains("asked"), "{said}");
}
