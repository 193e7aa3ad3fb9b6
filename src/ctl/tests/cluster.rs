//! `railctl pools --cluster`, `who`, `release` and `migrate`, with a kubectl of the test's.
#![expect(clippy::disallowed_methods, reason = "files of the test, which nobody reads meanwhile")]
#![expect(clippy::unwrap_used, reason = "the functions between the tests are tests too")]

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use tempfile::TempDir;

const LIMIT: Duration = Duration::from_secs(60);

/// A cluster: what kubectl answers, by the first two words that it is asked.
struct Cluster(TempDir);

impl Cluster {
    fn new(answers: &[(&str, &str)]) -> Self {
        let dir = TempDir::new().unwrap();
        for (words, answer) in answers {
            fs::write(dir.path().join(words.replace(' ', "-")), answer).unwrap();
        }
        let script = "#!/bin/sh\ncd \"$(dirname \"$0\")\"; echo \"$*\" >>asked\ncat \"$1-$2\" 2>/dev/null || { echo \"error: the server doesn't have a resource type $2\" >&2; exit 1; }\n";
        let path = dir.path().join("kubectl");
        fs::write(&path, script).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        Self(dir)
    }

    fn railctl(&self, words: &[&str]) -> Output {
        self.command(words).output().unwrap()
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_railctl"));
        command.env("PATH", format!("{}:/usr/bin:/bin", self.0.path().display())).env("NO_COLOR", "1");
        for name in ["STATE", "DURABLE", "PEER", "CONFIG"] {
            command.env(format!("RAILCNI_{name}_DIR"), self.0.path().join(name));
        }
        command.args(words);
        command
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
fn watched_pools_are_printed_again_when_something_changes_and_not_otherwise() {
    let name = "get spiderippools.spiderpool.spidernet.io";
    let cluster = Cluster::new(&[(name, POOLS)]);
    let mut child = cluster.command(&["pools", "--cluster", "--watch", "--no-headers"]);
    let mut child = child.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    assert!(lines.next().unwrap().starts_with("shared") && lines.next().unwrap().starts_with("new"));
    // It looks again, and finds the same, and then no kubectl that answers.
    let looks = || cluster.asked().lines().count();
    let looked =
        |count| testkit::eventually(LIMIT, || (looks() > count).then_some(())).expect("it looks again");
    looked(1);
    let answer = cluster.0.path().join(name.replace(' ', "-"));
    fs::remove_file(&answer).unwrap();
    looked(looks());
    fs::write(
        answer.with_extension("new"),
        POOLS.replace("\"allocatedIPCount\": 11", "\"allocatedIPCount\": 12"),
    )
    .unwrap();
    fs::rename(answer.with_extension("new"), &answer).unwrap();
    assert_eq!(lines.next().unwrap(), "", "what did not change was not printed");
    assert_eq!(
        lines.next().unwrap().split_whitespace().collect::<Vec<_>>(),
        ["shared", "172.16.1.0/24", "12", "12", "12", "0"]
    );
    // Nobody reads any more, as with `| head`.
    drop(lines);
    let ended = testkit::eventually(LIMIT, || child.try_wait().unwrap());
    assert!(ended.expect("it ends").success());
}

#[test]
fn who_names_node_pod_and_interface() {
    let answers = [("get railblocks.railcni.dev", BLOCKS), ("get pods", PODS)];
    let cluster = Cluster::new(&answers);
    let (out, err) = said(&cluster.railctl(&["who", "172.16.1.5"]));
    assert_eq!(
        out,
        "172.16.1.5 of pool shared is net1 of pod ai/train-0 on node two, by its network-status, since 2026-01-02T03:04:05Z\n",
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
    // Of a kubectl that has no cluster, its sentence and not its log.
    let kubectl = "#!/bin/sh\nfor i in 1 2 3; do echo 'E1130 11:18:00.123456    4711 memcache.go:265] \"Unhandled Error\"' >&2; done\n\
                   echo 'The connection to the server localhost:8080 was refused' >&2; exit 1\n";
    fs::write(cluster.0.path().join("kubectl"), kubectl).unwrap();
    for words in [&["who", "172.16.1.5"][..], &["pools", "--cluster"], &["migrate"]] {
        let (_, err) = said(&cluster.railctl(words));
        assert!(err.contains("localhost:8080 was refused (KUBECONFIG"), "{words:?}: {err}");
        assert!(!err.contains("memcache"), "{words:?}: {err}");
    }
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

/// Spiderpool has .1, .2 and .12, whereabouts .3 to .5 in its two records; of their pods, train-1 and train-4 are gone, and another
/// train-0 is not the one that Spiderpool knew. raild has granted .7 and .8.
const OF_OTHERS: &[(&str, &str)] = &[
    (
        "get spiderippools.spiderpool.spidernet.io",
        r#"{"items": [
        {"metadata": {"name": "rail1"}, "spec": {"subnet": "172.16.1.0/24", "ips": ["172.16.1.1-172.16.1.10"]}, "status": {
            "allocatedIPs": "{\"172.16.1.1\": {\"interface\": \"net1\", \"pod\": \"ai/train-0\", \"podUid\": \"old\"}, \"172.16.1.2\": {\"interface\": \"net1\", \"pod\": \"ai/train-2\", \"podUid\": \"u2\"}, \"172.16.1.12\": {\"pod\": \"ai/train-2\", \"podUid\": \"u2\"}}"}},
        {"metadata": {"name": "broken"}, "spec": {"subnet": "172.16.2.0/24", "ips": ["172.16.2.1"]}, "status": {"allocatedIPs": "{"}}]}"#,
    ),
    (
        "get ippools.whereabouts.cni.cncf.io",
        r#"{"items": [{"metadata": {"name": "r", "namespace": "kube-system"}, "spec": {
        "range": "172.16.1.0/24", "allocations": {"3": {"id": "c", "podref": "ai/train-3", "ifname": "net1"}, "4": {"id": "c", "podref": "ai/train-4", "ifname": "net1"}}}}]}"#,
    ),
    (
        "get overlappingrangeipreservations.whereabouts.cni.cncf.io",
        r#"{"items": [{"metadata": {"name": "172.16.1.5", "namespace": "kube-system"},
        "spec": {"podref": "ai/train-3", "containerid": "c"}}]}"#,
    ),
    (
        "get railblocks.railcni.dev",
        r#"{"items": [{"metadata": {"name": "rail1-0"}, "spec": {"group": "rail1", "first": 0, "count": 128,
        "epoch": 3, "pools": ["rail1"], "subnets": ["172.16.1.0/24"], "rails": ["one=7-8"], "since": "one=1"}}]}"#,
    ),
    ("get pods", "ai train-0 new\nai train-2 u2\nai train-3 u3\n"),
];

#[test]
fn migrate_says_who_has_what_and_what_is_left() {
    let cluster = Cluster::new(OF_OTHERS);
    let (out, err) = said(&cluster.railctl(&["migrate", "--dry-run", "-o", "wide"]));
    let rows = out.lines().map(|line| line.split_whitespace().collect::<Vec<_>>()).collect::<Vec<_>>();
    let headings = ["POOL", "SUBNET", "ADDRESSES", "SPIDERPOOL", "WHEREABOUTS", "GONE", "GRANTED", "FREE"];
    assert_eq!(rows[0], headings, "{out}{err}");
    assert_eq!(rows[1], ["rail1", "172.16.1.0/24", "10", "2", "3", "2", "2", "3"], "{out}");
    assert_eq!(rows[2][..3], ["broken", "172.16.2.0/24", "1"]);
    let lines = [
        ["rail1", "172.16.1.1", "spiderpool", "ai/train-0", "net1", "gone"],
        ["rail1", "172.16.1.2", "spiderpool", "ai/train-2", "net1", "lives"],
        ["rail1", "172.16.1.3", "whereabouts", "ai/train-3", "net1", "lives"],
        ["rail1", "172.16.1.4", "whereabouts", "ai/train-4", "net1", "gone"],
    ];
    for line in lines {
        assert!(rows.iter().any(|row| *row == line), "{line:?}: {out}");
    }
    assert!(err.contains("nothing is granted of broken: pool \"broken\": status.allocatedIPs"), "{err}");
    assert!(err.contains("rail1: whereabouts still has addresses of ai/train-4, which are gone"), "{err}");
    assert!(!cluster.asked().contains("patch"), "it was to change nothing");
    // Who reads before he judges takes no pod for gone that came in between.
    let asked = cluster.asked();
    assert!(asked.trim_end().lines().last().unwrap().starts_with("get pods"), "{asked}");
}

#[test]
fn migrate_forgets_of_spiderpool_what_pods_had_that_are_gone() {
    let patched = [OF_OTHERS, &[("patch spiderippools.spiderpool.spidernet.io", "patched")]].concat();
    let cluster = Cluster::new(&patched);
    let output = cluster.railctl(&["migrate"]);
    let (out, err) = said(&output);
    assert!(out.contains("✓ rail1: freed 1, of pods that are gone"), "{out}{err}");
    let asked = cluster.asked();
    let sent = asked.lines().filter(|line| line.starts_with("patch")).collect::<Vec<_>>();
    assert_eq!(sent.len(), 1, "{asked}");
    let patch = sent[0].split("--patch ").nth(1).unwrap().split(" --request-timeout").next().unwrap();
    let patch: serde_json::Value = serde_json::from_str(patch).unwrap();
    assert_eq!(patch[0]["op"], "test", "another's change is not lost");
    let left: serde_json::Value = serde_json::from_str(patch[1]["value"].as_str().unwrap()).unwrap();
    assert_eq!(left.as_object().unwrap().keys().collect::<Vec<_>>(), ["172.16.1.12", "172.16.1.2"]);
}

#[test]
fn migrate_needs_neither_spiderpool_nor_whereabouts_nor_raild() {
    let pools = r#"{"items": [{"metadata": {"name": "p"}, "spec": {"subnet": "172.16.1.0/24", "ips": ["172.16.1.1-172.16.1.4"]}}]}"#;
    let cluster = Cluster::new(&[("get spiderippools.spiderpool.spidernet.io", pools), ("get pods", "")]);
    let (out, err) = said(&cluster.railctl(&["migrate", "--dry-run", "--no-headers"]));
    assert_eq!(
        out.split_whitespace().collect::<Vec<_>>(),
        ["p", "172.16.1.0/24", "4", "0", "0", "0", "0", "4"],
        "{err}"
    );
    // But that the pods could not be asked is no word that they are gone.
    let cluster = Cluster::new(&[("get spiderippools.spiderpool.spidernet.io", pools)]);
    assert!(!cluster.railctl(&["migrate", "--dry-run"]).status.success());
}
