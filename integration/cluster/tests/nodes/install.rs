//! The image of the plugins and its `DaemonSet` on both nodes.

use crate::cluster;
use crate::pods::{LOOK, await_ready, delete_all, eight_networks, node, sleeper, start};
use crate::verdict::{await_clean, check_pod};
use cluster::{Cluster, RAILS_NAMESPACE, suite_image};
use serde_json::Value;
use std::fs;
use std::time::Duration;
use testkit::{binary, eventually, pause};

const DAEMONSET: &str = include_str!("../../../../deploy/daemonset.yaml");
const SYSTEM: &str = "kube-system";

/// Makes an image known to every node, as a registry would.
fn publish(cluster: &Cluster, version: &str, change: impl Fn(&str, Vec<u8>) -> Vec<u8>) {
    let tar = suite_image(cluster.dir(), &image(version), change).unwrap();
    cluster.nodes().iter().for_each(|node| node.import(&tar).unwrap());
}

fn image(version: &str) -> String {
    format!("railcni.test/railcni:{version}")
}

fn apply(cluster: &Cluster, version: &str) {
    let manifest = DAEMONSET.replace("railcni:latest", &image(version));
    cluster.kubectl().apply(&manifest).unwrap();
}

/// Whether the `DaemonSet`'s pods are all of its last template, and ready.
fn is_rolled_out(cluster: &Cluster) -> bool {
    let set = cluster.kubectl().get(&["-n", SYSTEM, "daemonset", "railcni"]).unwrap();
    let status = |key: &str| set["status"][key].as_u64().unwrap_or_default();
    set["metadata"]["generation"] == set["status"]["observedGeneration"]
        && (status("updatedNumberScheduled"), status("numberReady")) == (2, 2)
}

fn await_rollout(cluster: &Cluster) {
    let done = eventually(Duration::from_secs(120), || {
        pause(LOOK);
        is_rolled_out(cluster).then_some(())
    });
    done.unwrap_or_else(|| panic!("{}", said(cluster)));
}

fn said(cluster: &Cluster) -> String {
    cluster.kubectl().run(&["-n", SYSTEM, "describe", "pods", "-l", "app=railcni"]).unwrap()
}

/// What the nodes said about pods whose name begins so, where starting or ending them failed.
fn failures(cluster: &Cluster, prefix: &str) -> Vec<Value> {
    let events = cluster.kubectl().get(&["-n", RAILS_NAMESPACE, "events"]).unwrap();
    let of_pods = |event: &&Value| {
        let name = event["involvedObject"]["name"].as_str().unwrap_or_default();
        let failed = event["reason"].as_str().unwrap_or_default().starts_with("Failed");
        // Multus gives the API server a second and a half, and kubelet tries again: no plugin was called.
        let asked = event["message"].as_str().unwrap_or_default().contains("error waiting for pod");
        name.starts_with(prefix) && failed && !asked
    };
    events["items"].as_array().unwrap().iter().filter(of_pods).cloned().collect()
}

/// Another file that does the same.
fn newer(_: &str, mut program: Vec<u8>) -> Vec<u8> {
    program.extend(b"newer");
    program
}

#[test]
fn an_upgrade_while_pods_come_and_go_fails_none_of_them() {
    let cluster = cluster();
    publish(&cluster, "1", |_, program| program);
    publish(&cluster, "2", newer);
    apply(&cluster, "1");
    await_rollout(&cluster);
    apply(&cluster, "2");
    let mut round = 0;
    while round < 2 || !is_rolled_out(&cluster) {
        assert!(round < 30, "the upgrade does not end: {}", said(&cluster));
        let pods =
            ["node1", "node2"].map(|node| sleeper(&format!("upgrade-{round}-{node}"), node, "gpu-rails"));
        start(&cluster, &pods).unwrap();
        cluster.kubectl().run(&["-n", RAILS_NAMESPACE, "delete", "pods", "--all"]).unwrap();
        round += 1;
    }
    await_clean(&cluster).unwrap();
    assert_eq!(failures(&cluster, "upgrade-"), Vec::<Value>::new());

    let first = fs::read(binary("rail")).unwrap();
    for node in cluster.nodes() {
        assert_eq!(fs::read(node.path("opt/cni/bin/rail")).unwrap(), newer("rail", first.clone()));
        assert_eq!(fs::read(node.path("opt/cni/bin/.rail.previous")).unwrap(), first);
    }
}

#[test]
fn a_torn_image_changes_nothing_and_pods_start_as_before() {
    let cluster = cluster();
    let torn = |name: &str, program: Vec<u8>| match name {
        "rail" => program[..program.len() / 2].to_vec(),
        _ => program,
    };
    publish(&cluster, "torn", torn);
    publish(&cluster, "whole", |_, program| program);
    apply(&cluster, "whole");
    await_rollout(&cluster);
    apply(&cluster, "torn");
    let refused = eventually(Duration::from_secs(120), || {
        pause(LOOK);
        let list = cluster.kubectl().get(&["-n", SYSTEM, "pods", "-l", "app=railcni"]).unwrap();
        let mut pods = list["items"].as_array().unwrap().iter();
        pods.any(|pod| pod["status"]["initContainerStatuses"][0]["restartCount"].as_u64() > Some(0))
            .then_some(())
    });
    refused.unwrap_or_else(|| panic!("nobody refused the torn image: {}", said(&cluster)));
    let whole = fs::read(binary("rail")).unwrap();
    for node in cluster.nodes() {
        assert!(
            fs::read(node.path("opt/cni/bin/rail")).unwrap() == whole,
            "{} has another rail",
            node.name()
        );
    }
    start(&cluster, &[sleeper("after", "node1", "gpu-rails"), sleeper("chain", "node2", &eight_networks())])
        .unwrap();
    await_ready(&cluster, &["after", "chain"]).unwrap();
    check_pod(&cluster, node(&cluster, "node1"), "after").unwrap();
    cluster.kubectl().run(&["-n", SYSTEM, "delete", "daemonset", "railcni"]).unwrap();
    delete_all(&cluster, &[]).unwrap();
    await_clean(&cluster).unwrap();
}
