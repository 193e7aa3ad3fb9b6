//! `cluster shell` and `cluster down`, as `make cluster-shell` and `make cluster-down` call them: what one finds in the shell,
//! and that nothing outlives it, however it ends.

#![expect(clippy::unwrap_used, reason = "the functions between the tests are tests too")]

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tempfile::TempDir;
use testkit::{binary, eventually};

/// The last sandbox of a pod takes a moment to go.
const GONE: Duration = Duration::from_secs(60);

/// What somebody types who wants to see a pod with eight rails.
const COMMANDS: &str = "
set -e
kubectl wait --for=condition=Ready node --all --timeout=120s
kubectl -n rails run one --image=railcni.test/busybox:1 --image-pull-policy=Never --annotations=k8s.v1.cni.cncf.io/networks=gpu-rails -- sleep 86400
kubectl -n rails wait --for=condition=Ready pod/one --timeout=120s
kubectl -n rails exec one -- /bin/busybox ip -o -4 addr
";

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

/// A process: its id is used again, together with its start it is not.
type Process = (u32, String);

/// All processes, with their parents.
fn processes() -> Vec<(Process, u32)> {
    let entries = fs::read_dir("/proc").unwrap().flatten();
    let ids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let process = |id: u32| {
        let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
        // After the name, which may hold anything: state, parent, and 18 further on the start.
        let fields: Vec<_> = stat.rsplit_once(") ")?.1.split(' ').collect();
        Some(((id, fields[19].to_owned()), fields[1].parse().ok()?))
    };
    ids.filter_map(process).collect()
}

/// All that a process started, and what those started.
fn descendants(of: u32) -> Vec<Process> {
    let all = processes();
    let mut found: Vec<Process> = Vec::new();
    let mut parents = vec![of];
    while let Some(parent) = parents.pop() {
        let children = all.iter().filter(|(_, of)| *of == parent).map(|(process, _)| process.clone());
        let children: Vec<_> = children.collect();
        parents.extend(children.iter().map(|(id, _)| *id));
        found.extend(children);
    }
    found
}

/// None of these processes, no cgroup and no directory of the run.
#[track_caller]
fn assert_gone(runs: &Path, were: &[Process], name: &str) {
    let left = || {
        let alive: Vec<_> = processes().into_iter().filter(|(process, _)| were.contains(process)).collect();
        let mut find = Command::new("find");
        find.args(["/sys/fs/cgroup", "-type", "d", "-name"]).arg(format!("{name}*"));
        let cgroups = String::from_utf8(find.output().unwrap().stdout).unwrap();
        let dirs: Vec<_> = fs::read_dir(runs).unwrap().flatten().map(|entry| entry.file_name()).collect();
        let dirs: Vec<_> = dirs.into_iter().filter(|dir| dir != ".lock").collect();
        format!("{alive:?}{cgroups}{dirs:?}")
    };
    let mut last = String::new();
    let gone = eventually(GONE, || {
        last = left();
        (last == "[][]").then_some(())
    });
    assert!(gone.is_some(), "left: {last}");
}

fn down(runs: &Path) {
    let output = cluster(runs, &["down"]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn who_opens_a_shell_finds_two_nodes_and_rails_and_leaves_nothing() {
    let _alone = alone();
    let runs = TempDir::new().unwrap();
    let mut command = cluster(runs.path(), &["shell"]);
    let mut shell =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    shell.stdin.take().unwrap().write_all(COMMANDS.as_bytes()).unwrap();
    let id = shell.id();
    let output = shell.wait_with_output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{out}{err}");
    for node in ["node1", "node2"] {
        assert!(out.contains(&format!("node/{node} condition met")), "{out}{err}");
    }
    for rail in 1..=8 {
        let line = |line: &&str| {
            line.contains(&format!(" net{rail} ")) && line.contains(&format!("172.16.{}.", 10 + rail))
        };
        assert_eq!(out.lines().filter(line).count(), 1, "rail {rail}: {out}{err}");
    }
    assert_gone(runs.path(), &[], &format!("cluster-{id}-"));
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
