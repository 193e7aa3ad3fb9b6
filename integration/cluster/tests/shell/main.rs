//! `cluster shell` and `cluster down`, as `make cluster-shell` and `make cluster-down` call them: what one finds in the shell,
//! and that nothing outlives it, however it ends.

#![expect(clippy::unwrap_used, reason = "the functions between the tests are tests too")]

mod machine;

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use machine::{Machine, Process, alive, descendants, held, own_namespaces};
use tempfile::TempDir;
use testkit::{binary, eventually, pause};

/// The last sandbox of a pod takes a moment to go.
const GONE: Duration = Duration::from_secs(60);

/// What somebody types who wants to see a pod with eight rails.
const COMMANDS: &str = "
set -e
kubectl wait --for=condition=Ready node --all --timeout=120s
kubectl -n rails run one --image=railcni.test/busybox:1 --image-pull-policy=Never --annotations=k8s.v1.cni.cncf.io/networks=gpu-rails -- sleep 86400
kubectl -n rails wait --for=condition=Ready pod/one --timeout=120s
kubectl -n rails exec one -- /bin/busybox ip -o -4 addr
echo all is up
";

/// Runs a program where mounts are shared with nobody, and writes the mounts before and after it below `$0`.
const WITNESS: &str = r#"
mount --make-rprivate / && mount --make-rshared / || exit
cat /proc/self/mounts >"$0/before"
"$@"
status=$?
cat /proc/self/mounts >"$0/after"
exit $status"#;

/// One cluster at a time: each takes what the machine has.
fn alone() -> MutexGuard<'static, ()> {
    static ONE: Mutex<()> = Mutex::new(());
    ONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// `cluster ARGS`, with runs of its own: `down` ends all that it finds.
fn cluster(runs: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cluster"));
    command.args(args).env("RAILCNI_CLUSTER_RUN", runs).env("SHELL", "/bin/sh");
    command.env("RAILCNI_BIN_DIR", binary("railctl").parent().unwrap());
    command
}

/// A cluster of one node with a shell that waits for what is typed; its processes, and its name.
fn waiting_shell(runs: &Path) -> (Child, Vec<Process>, String) {
    let mut command = cluster(runs, &["shell", "--nodes", "1"]);
    let mut shell = command.stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(shell.stderr.as_mut().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().contains("nodes are up")), "the shell did not start");
    let were = descendants(shell.id());
    assert!(were.len() > 5, "a cluster has more processes than {were:?}");
    let name = format!("cluster-{}-", shell.id());
    (shell, were, name)
}

/// The only run there is.
fn name_of_run(runs: &Path) -> String {
    let mut names =
        fs::read_dir(runs).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.find(|name| name != ".lock").unwrap()
}

/// None of these processes, no cgroup and no directory of the run.
#[track_caller]
fn assert_gone(runs: &Path, were: &[Process], name: &str) {
    await_nothing(|| {
        let mut find = Command::new("find");
        find.args(["/sys/fs/cgroup", "-type", "d", "-name"]).arg(format!("{name}*"));
        let cgroups = String::from_utf8(find.output().unwrap().stdout).unwrap();
        let dirs = fs::read_dir(runs).unwrap().flatten().map(|entry| entry.path().display().to_string());
        let dirs = dirs.filter(|dir| !dir.ends_with("/.lock"));
        let alive = alive(were).into_iter().map(|(id, _)| format!("process {id}"));
        alive.chain(cgroups.lines().map(str::to_owned)).chain(dirs).collect()
    });
}

/// Waits until nothing is left.
#[track_caller]
fn await_nothing(left: impl Fn() -> Vec<String>) {
    let mut last = Vec::new();
    let gone = eventually(GONE, || {
        pause(Duration::from_millis(100));
        last = left();
        last.is_empty().then_some(())
    });
    assert!(gone.is_some(), "left: {last:#?}");
}

fn down(runs: &Path) {
    let output = cluster(runs, &["down"]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// A shell as [`cluster`] opens it, below the witness of mounts, with a directory for temporary files and one for what was said.
fn watched_shell(runs: &Path, dir: &Path) -> Child {
    fs::create_dir(dir.join("tmp")).unwrap();
    let shell = cluster(runs, &["shell"]);
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", WITNESS]).arg(dir).arg(shell.get_program()).args(shell.get_args());
    command.envs(shell.get_envs().filter_map(|(key, value)| Some((key, value?))));
    command.env("TMPDIR", dir.join("tmp")).stdin(Stdio::piped()).stdout(Stdio::piped());
    command.stderr(File::create(dir.join("said")).unwrap()).spawn().unwrap()
}

#[test]
fn who_opens_a_shell_finds_two_nodes_and_rails_and_leaves_the_machine_as_it_was() {
    let _alone = alone();
    let (runs, dir) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let before = Machine::now();
    let mut shell = watched_shell(runs.path(), dir.path());
    let mut input = shell.stdin.take().unwrap();
    input.write_all(COMMANDS.as_bytes()).unwrap();
    let mut lines = BufReader::new(shell.stdout.take().unwrap()).lines().map(Result::unwrap);
    let mut up = false;
    let before_up = |line: &String| {
        up = line == "all is up";
        !up
    };
    let out: Vec<_> = lines.by_ref().take_while(before_up).collect();
    let were = descendants(shell.id());
    let seen = up.then(|| (own_namespaces(&were), name_of_run(runs.path())));
    drop(input);
    let status = shell.wait().unwrap();
    let said = fs::read_to_string(dir.path().join("said")).unwrap();
    let seen = seen.filter(|_| status.success());
    let (namespaces, name) = seen.unwrap_or_else(|| panic!("{status}: {out:#?}{said}"));

    for node in ["node1", "node2"] {
        assert!(out.contains(&format!("node/{node} condition met")), "{out:#?}{said}");
    }
    for rail in 1..=8 {
        let line = |line: &&String| {
            line.contains(&format!(" net{rail} ")) && line.contains(&format!("172.16.{}.", 10 + rail))
        };
        assert_eq!(out.iter().filter(line).count(), 1, "rail {rail}: {out:#?}{said}");
    }
    assert_gone(runs.path(), &were, &name);
    assert!(namespaces.len() > 10, "two nodes have more namespaces than {namespaces:?}");
    await_nothing(|| held(&namespaces));
    await_nothing(|| before.changes());
    let mounts = |when: &str| fs::read_to_string(dir.path().join(when)).unwrap();
    assert_eq!(mounts("after"), mounts("before"));
    assert_eq!(fs::read_dir(dir.path().join("tmp")).unwrap().count(), 0, "temporary files");
}

#[test]
fn down_ends_the_cluster_of_a_shell_that_is_open() {
    let _alone = alone();
    let runs = TempDir::new().unwrap();
    let (mut shell, were, name) = waiting_shell(runs.path());
    down(runs.path());
    shell.wait().unwrap();
    assert_gone(runs.path(), &were, &name);
}

#[test]
fn down_ends_what_a_killed_shell_left() {
    let _alone = alone();
    let runs = TempDir::new().unwrap();
    let (mut shell, were, name) = waiting_shell(runs.path());
    shell.kill().unwrap();
    shell.wait().unwrap();
    down(runs.path());
    assert_gone(runs.path(), &were, &name);
}
