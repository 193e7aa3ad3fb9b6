//! `railctl pools --cluster`, `who` and `release`, with a kubectl of the test's.
#![expect(clippy::disallowed_methods, reason = "files of the test, which nobody reads meanwhile")]
#![expect(clippy::unwrap_used, reason = "the functions between the tests are tests too")]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Output};

use tempfile::TempDir;

/// A cluster: what kubectl answers, by the first two words that it is asked.
struct Cluster(TempDir);

impl Cluster {
    fn new(answers: &[(&str, &str)]) -> Self {
        let dir = TempDir::new().unwrap();
        for (words, answer) in answers {
            fs::write(dir.path().join(words.replace(' ', "-")), answer).unwrap();
        }
        let script = "#!/bin/sh\ncd \"$(dirname \"$0\")\"; echo \"$*\" >>asked\ncat \"$1-$2\" 2>/dev/null || { echo \"no $1 $2\" >&2; exit 1; }\n";
        let path = dir.path().join("kubectl");
        fs::write(&path, script).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        Self(dir)
    }

    fn railctl(&self, words: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_railctl"));
        command.env("PATH", format!("{}:/usr/bin:/bin", self.0.path().display())).env("NO_COLOR", "1");
        for name in ["STATE", "DURABLE", "PEER", "CONFIG"] {
            command.env(format!("RAILCNI_{name}_DIR"), self.0.path().join(name));
        }
        command.args(words).output().unwrap()
    }

    fn asked(&self) -> String {
        fs::read_to_string(self.0.path().join("asked")).unwrap_or_default()
    }
}

fn said(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr))
}

const POOLS: &str = r#"{"items": [{"metadata": {"name": "shared"}, "spec": {"subnet": "172.16.1.0/24"}, "status": {
    "totalIPCount": 12, "allocatedIPCount": 11, "granted": 12, "free": 0, "conditions": [
    {"type": "Granting", "status": "True", "reason": "Valid", "lastTransitionTime": "x"},
    {"type": "Exhausted", "status": "True", "reason": "Wanted", "lastTransitionTime": "x", "message": "node one wants 2"}]}},
    {"metadata": {"name": "new"}, "spec": {"subnet": "172.16.2.0/24"}}]}"#;

const BLOCKS: &str = r#"{"items": [{"metadata": {"name": "shared-0"}, "spec": {"group": "shared", "first": 0, "count": 128,
    "epoch": 3, "pools": ["shared"], "subnets": ["172.16.1.0/24"], "rails": ["one=1-4;two=5"], "since": "one=1;two=2"}}]}"#;

const PODS: &str = r#"{"items": [{"metadata": {"namespace": "ai", "name": "train-0", "annotations": {
    "k8s.v1.cni.cncf.io/network-status": "[{\"interface\": \"eth0\", \"ips\": [\"10.0.0.9\"]}, {\"interface\": \"net1\", \"ips\": [\"172.16.1.5\"]}]"}},
    "status": {"startTime": "2026-01-02T03:04:05Z"}}]}"#;

#[test]
fn the_pools_of_the_cluster_with_what_is_wrong_with_them() {
    let cluster = Cluster::new(&[("get spiderippools.spiderpool.spidernet.io", POOLS)]);
    let (out, err) = said(&cluster.railctl(&["pools", "--cluster"]));
    let rows = out.lines().map(|line| line.split_whitespace().collect::<Vec<_>>()).collect::<Vec<_>>();
    assert_eq!(rows[1], ["shared", "172.16.1.0/24", "12", "12", "11", "0"], "{out}{err}");
    assert_eq!(rows[2], ["new", "172.16.2.0/24", "-", "-", "-", "-"]);
    assert!(err.contains("shared: Exhausted: node one wants 2"), "{err}");
}

#[test]
fn who_names_node_pod_and_interface() {
    let answers = [("get railblocks.railcni.dev", BLOCKS), ("get pods", PODS)];
    let cluster = Cluster::new(&answers);
    let (out, err) = said(&cluster.railctl(&["who", "172.16.1.5"]));
    assert_eq!(
        out, "172.16.1.5 of pool shared is net1 of pod ai/train-0 on node two, since 2026-01-02T03:04:05Z\n",
        "{err}"
    );
    assert!(cluster.asked().contains("spec.nodeName=two"));
    let (out, _) = said(&cluster.railctl(&["who", "172.16.1.4"]));
    assert!(out.contains("may be handed out by node one, where no pod has it"), "{out}");
    let (out, _) = said(&cluster.railctl(&["who", "172.16.1.6"]));
    assert!(out.contains("granted to no node"), "{out}");
}

#[test]
fn who_without_a_cluster_says_what_it_could_not_ask() {
    let cluster = Cluster::new(&[]);
    let output = cluster.railctl(&["who", "172.16.1.5"]);
    let (_, err) = said(&output);
    assert!(!output.status.success() && err.contains("the cluster could not be asked"), "{err}");
}

#[test]
fn a_node_is_released_only_when_it_is_not_ready() {
    let rail_node = ("get railnode.railcni.dev", r#"{"metadata": {"name": "one"}}"#);
    let node = |status: &str| {
        format!(r#"{{"status": {{"conditions": [{{"type": "Ready", "status": "{status}"}}]}}}}"#)
    };
    let annotated = ("annotate railnode.railcni.dev", "annotated");
    let ready = node("True");
    let cluster = Cluster::new(&[rail_node, ("get node", &ready), annotated]);
    let output = cluster.railctl(&["release", "node", "one"]);
    assert!(!output.status.success() && said(&output).1.contains("drain it and stop its agent first"));
    assert!(!cluster.asked().contains("annotate"), "nothing was changed");
    assert!(cluster.railctl(&["release", "node", "one", "--force"]).status.success());
    assert!(cluster.asked().contains("annotate railnode.railcni.dev one railcni.dev/released=true"));

    let off = node("Unknown");
    let cluster = Cluster::new(&[rail_node, ("get node", &off), annotated]);
    assert!(cluster.railctl(&["release", "node", "one"]).status.success());
    // Its Node object is gone, and so kubectl prints nothing.
    let cluster = Cluster::new(&[rail_node, ("get node", ""), annotated]);
    assert!(cluster.railctl(&["release", "node", "one"]).status.success());
    let cluster = Cluster::new(&[("get railnode.railcni.dev", "")]);
    assert!(said(&cluster.railctl(&["release", "node", "one"])).1.contains("there is no RailNode one"));
}
