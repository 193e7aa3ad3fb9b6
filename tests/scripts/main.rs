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

/// What the forge runs is what anybody runs.
#[test]
fn workflows_call_make_and_nothing_else() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.github/workflows");
    let mut steps = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        for line in text.lines().filter_map(|line| line.trim_start_matches([' ', '-']).strip_prefix("run:")) {
            assert!(line.starts_with(" make "), "run:{line}");
            steps += 1;
        }
    }
    assert!(steps >= 4, "{steps} steps");
}

/// A script of the repository, with the words of a command line.
fn script(name: &str, args: &[&str]) -> Command {
    let mut command = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts").join(name));
    command.args(args);
    command
}

fn executable(path: &Path, text: &str) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    state::file::replace(path, text.as_bytes()).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

fn files(folder: &Path) -> Vec<String> {
    let mut command = Command::new("find");
    let found = command.args([".", "-type", "f"]).current_dir(folder).output().unwrap().stdout;
    let mut files: Vec<_> = String::from_utf8(found).unwrap().lines().map(str::to_owned).collect();
    files.sort();
    files
}

#[test]
fn what_is_installed_is_uninstalled_and_anothers_plugin_stays() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("root");
    let railctl = "#!/bin/sh\ncase $1 in man) : >$2/railctl.8; : >$2/railctl-show.8 ;; completion) echo for $2 ;; esac\n";
    executable(&folder.path().join("dist/railctl"), railctl);
    executable(&folder.path().join("cargo"), "#!/bin/sh\nfor last; do :; done\n: >$last/railcni-macvlan.8\n");
    let share = root.join("usr/share");
    let mut install = script("install-manual", &[]);
    install.arg(folder.path().join("dist")).arg(&share).env("CARGO", folder.path().join("cargo"));
    assert!(install.status().unwrap().success());
    let expected = [
        "./bash-completion/completions/railctl",
        "./fish/vendor_completions.d/railctl.fish",
        "./man/man8/railcni-macvlan.8",
        "./man/man8/railctl-show.8",
        "./man/man8/railctl.8",
        "./zsh/site-functions/_railctl",
    ];
    assert_eq!(files(&share), expected);
    assert_eq!(std::fs::read_to_string(share.join("zsh/site-functions/_railctl")).unwrap(), "for zsh\n");

    executable(&root.join("opt/cni/bin/macvlan"), "railcni macvlan: a child link\n");
    executable(&root.join("opt/cni/bin/ipvlan"), "CNI ipvlan plugin v1.5\n");
    executable(&root.join("usr/bin/railctl"), railctl);
    executable(&root.join("usr/lib/systemd/system/railcni-gc.timer"), "[Timer]\n");
    let root = root.to_str().unwrap();
    let places = [
        root,
        "/opt/cni/bin",
        "/usr/bin",
        "/usr/lib/systemd/system",
        "/usr/share",
        "macvlan",
        "ipvlan",
        "rail",
    ];
    let output = script("uninstall", &places).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && said.contains("/opt/cni/bin/ipvlan is not railcni's, and stays"),
        "{said}"
    );
    assert_eq!(files(Path::new(root)), ["./opt/cni/bin/ipvlan"]);
}

#[test]
fn nothing_is_uninstalled_while_attachments_are_on_record() {
    let state = tempfile::tempdir().unwrap();
    let bin = state.path().join("bin");
    executable(&bin.join("macvlan"), "railcni macvlan: a child link\n");
    executable(&state.path().join("attachments/macvlan/one"), "{}");
    let folders = [bin.to_str().unwrap(); 4];
    let mut command = script("uninstall", &[&[""], &folders[..], &["macvlan"]].concat());
    let output = command.env("RAILCNI_STATE_DIR", state.path()).output().unwrap();
    assert!(String::from_utf8_lossy(&output.stderr).contains("attachments of pods are on record"));
    assert!(!output.status.success() && bin.join("macvlan").exists());
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
        let written = std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(written.contains(&format!("#[test]\nfn {test}")), "{name} is not in {}", file.display());
    }
}
