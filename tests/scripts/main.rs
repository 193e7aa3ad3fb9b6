//! The scripts that decide whether a run of the tests has passed, and those that install.

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

#[test]
fn units_are_installed_for_the_place_of_railctl() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let to = tempfile::tempdir().unwrap();
    let mut install = Command::new(root.join("scripts/install-units"));
    install.arg(root.join("deploy/systemd")).arg(to.path().join("system")).arg("/opt/rail/bin");
    assert!(install.status().unwrap().success());
    let unit = |name: &str| std::fs::read_to_string(to.path().join("system").join(name)).unwrap();
    assert!(unit("railcni-gc.service").contains("\nExecStart=/opt/rail/bin/railctl gc --apply\n"));
    assert!(unit("railcni-gc.timer").contains("\nOnUnitActiveSec=15min\n"));
    assert_eq!(std::fs::read_dir(to.path().join("system")).unwrap().count(), 2, "nothing half written");
}

/// They are run by hand: whoever renames a test hears of it here.
#[test]
fn the_tests_of_the_older_versions_are_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let script = std::fs::read_to_string(root.join("scripts/cluster-versions")).unwrap();
    let list = script.split_once("tests=(").unwrap().1.split_once(')').unwrap().0;
    for name in list.split_whitespace() {
        let (module, test) = name.split_once("::").unwrap();
        let file = root.join(format!("integration/cluster/tests/nodes/{module}.rs"));
        let text = std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(text.contains(&format!("#[test]\nfn {test}")), "{name} is not in {}", file.display());
    }
}
