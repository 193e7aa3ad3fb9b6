//! How a boot ends, well and badly: never as a pass that is none, never as an endless wait.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use vm::harness::{Left, Means};
use vm::wire::{Action, Device, Event, Link, Rails, Test};
use vm::{Boot, Image, Machine, Suite};

fn run(limit: u64, script: &str) -> (Output, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vm"));
    command.args(["run", "--device", "none", "--limit", &limit.to_string(), "--", "sh", "-c", script]);
    let output = command.output().expect("run vm");
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    (output, stderr)
}

#[test]
fn output_and_exit_status_are_the_commands_own() {
    let (output, stderr) = run(120, "id -u; echo oops >&2; exit 3");
    assert_eq!(output.status.code(), Some(3), "{stderr}");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "0\n");
    assert!(stderr.starts_with("oops\n"), "{stderr}");
}

#[test]
fn a_panic_is_reported_with_the_consoles_end() {
    let (output, stderr) = run(120, "echo c > /proc/sysrq-trigger; sleep 600");
    assert_eq!(output.status.code(), Some(125), "{stderr}");
    assert!(stderr.contains("the guest's kernel panicked"), "{stderr}");
    assert!(stderr.contains("sysrq triggered crash"), "{stderr}");
}

#[test]
fn a_hang_ends_at_the_limit() {
    let start = Instant::now();
    let (output, stderr) = run(10, "sleep 600");
    assert_eq!(output.status.code(), Some(125), "{stderr}");
    assert!(stderr.contains("stopped after 10 s"), "{stderr}");
    assert!(start.elapsed() < Duration::from_secs(200), "the limit, and what comes before the boot");
}

#[test]
fn a_warning_of_the_kernel_fails_a_command_that_succeeded() {
    let (output, stderr) = run(120, "echo '<4>lab: something is odd' > /dev/kmsg");
    assert_eq!(output.status.code(), Some(125), "{stderr}");
    assert!(stderr.contains("the guest's kernel warned:\nlab: something is odd"), "{stderr}");
}

#[test]
fn a_missing_package_is_named() {
    let dir = tempfile::tempdir().expect("a directory");
    // An apt whose mirror lacks everything.
    let text = "#!/bin/sh\ncase \"$*\" in\n\
                  *indextargets*) . /etc/os-release; echo \"file:/nowhere $VERSION_CODENAME main Debian\" ;;\n\
                  *download*) echo 'E: Unable to locate package' >&2; exit 100 ;;\nesac\n";
    script(dir.path(), "apt-get", text);
    let path = format!("{}:{}", dir.path().display(), std::env::var("PATH").expect("a PATH"));
    let mut command = Command::new(env!("CARGO_BIN_EXE_vm"));
    command.arg("prepare").env("PATH", path).env("RAILCNI_VM_CACHE", dir.path().join("cache"));
    let output = command.output().expect("run vm");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(125), "{stderr}");
    assert!(stderr.contains("download busybox-static") && stderr.contains("Unable to locate"), "{stderr}");
}

/// A program of that name.
fn script(dir: &Path, name: &str, text: &str) -> PathBuf {
    let path = dir.join(name);
    File::create(&path).and_then(|mut file| file.write_all(text.as_bytes())).expect("write it");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("make it a program");
    path
}

/// Boots without NICs, runs `tests`, and returns why each failed, in order.
fn failures(tests: Vec<Test>) -> Vec<Option<String>> {
    let image = Image::prepare(Suite::Release).expect("prepare");
    let rails = Rails { device: Device::None, link: Link::Eth, rails: 1, vfs: 0, module: None };
    let boot = Boot { rails, action: Action::Tests, limit: Some(Duration::from_secs(300)) };
    let mut machine = Machine::boot(&image, &boot).expect("boot");
    let (mut tests, mut failures) = (tests.into_iter(), Vec::new());
    machine.hand(&tests.next());
    loop {
        match machine.event().expect("an event") {
            Event::Finished { failure, .. } => {
                failures.push(failure);
                machine.hand(&tests.next());
            }
            Event::Done { warnings, .. } => {
                assert_eq!(warnings, Vec::<String>::new());
                machine.finish().expect("power off");
                return failures;
            }
            _ => {}
        }
    }
}

#[test]
fn a_guest_test_that_fails_hangs_warns_or_does_not_exist_is_a_failure() {
    let dir = tempfile::tempdir().expect("a directory");
    let script = |name: &str, text: &str| {
        let binary = script(dir.path(), name, text);
        Test { shown: name.into(), binary, name: name.into(), limit: 3, ignored: false }
    };
    let passed = "echo 'test result: ok. 1 passed'";
    let all = vm::harness::all().expect("the guest tests");
    let known = |name: &str| all.iter().find(|test| test.shown.starts_with(name)).expect(name).clone();
    let without_rails = known("eth::attributes::eight_pfs");
    let results = failures(vec![
        known("plain::a_test_starts"),
        without_rails.clone(),
        Test { name: "plain::no_such_test".into(), ..without_rails },
        script("hangs", "#!/bin/sh\nsleep 600\n"),
        script("warns", &format!("#!/bin/sh\necho '<3>lab: odd' > /dev/kmsg\n{passed}\n")),
        script("leaves", &format!("#!/bin/sh\nip link add left type dummy\n{passed}\n")),
        script("comes-after", &format!("#!/bin/sh\nip link show left || {passed}\n")),
    ]);
    let expect = |index: usize, part: &str| {
        let failure = results[index].as_deref().unwrap_or_default();
        assert!(failure.contains(part), "{index}: {part:?} is not in {failure:?}");
    };
    assert_eq!(results[0], None);
    expect(1, "assertion `left == right` failed");
    expect(2, "0 passed");
    expect(3, "stopped after 3 s");
    expect(4, "the kernel warned:\nlab: odd");
    assert_eq!((&results[5], &results[6]), (&None, &None), "what one leaves is gone for the next");
}

#[test]
fn a_test_that_panics_the_kernel_fails_alone_with_the_consoles_end() {
    let dir = tempfile::tempdir().expect("a directory");
    let test = |name: &str, text: &str| Test {
        shown: format!("plain::{name}"),
        binary: script(dir.path(), name, text),
        name: name.into(),
        limit: 30,
        ignored: false,
    };
    let tests = [
        test("panics", "#!/bin/sh\necho c > /proc/sysrq-trigger\n"),
        test("comes-after", "#!/bin/sh\necho 'test result: ok. 1 passed'\n"),
    ];
    let image = Image::prepare(Suite::Release).expect("prepare");
    let mut said = Vec::new();
    let passed =
        vm::harness::run_on(&image, &tests, Left::default(), Means { guests: 1, until: None }, &mut said)
            .expect("run them");
    let said = String::from_utf8(said).expect("text");
    for part in [
        "test plain::panics ... FAILED",
        "---- plain::panics ----\nthe guest's kernel panicked",
        "sysrq triggered crash",
        "test plain::comes-after ... ok",
        "test result: FAILED. 2 passed; 2 failed",
    ] {
        assert!(said.contains(part), "{part:?} is not in {said}");
    }
    assert!(!passed);
}

/// Everything is in the cache after the first run has prepared itself: a second one fetches nothing. Only a run with an empty cache of
/// its own (`RAILCNI_VM_CACHE`) can see that something is left out, as CI has one.
#[test]
fn a_second_run_needs_no_network() {
    vm::harness::prepare(Suite::Release).expect("prepare");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/../../Cargo.toml");
    let mut command = Command::new("unshare");
    command.arg("--net").arg(cargo).args(["test", "--locked", "--workspace", "--manifest-path", manifest]);
    command.args(["--test", "vm"]).env_remove("RAILCNI_VM_UNTIL");
    let output = command.args(["--", "eth::attributes::eight_pfs"]).output().expect("run unshare");
    let said = String::from_utf8_lossy(&output.stdout);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && said.contains("test result: ok. 2 passed; 0 failed"),
        "{said}{stderr}"
    );
}

#[test]
fn two_guests_run_at_once() {
    let start = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_vm"));
        command.args(["run", "--device", "none", "--", "true"]).spawn().expect("run vm")
    };
    let (mut one, mut two) = (start(), start());
    assert!(one.wait().expect("one").success() & two.wait().expect("two").success());
}
