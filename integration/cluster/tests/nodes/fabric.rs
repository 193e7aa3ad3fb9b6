//! The way of the README into a cluster: the manifests, one Fabric, one annotation.

use crate::cluster;
use crate::deployed::{self, ALL, await_released};
use crate::pods::{list, node, spec};
use crate::verdict::{address, await_clean, check_pod};
use cluster::{Cluster, RAILS, RAILS_NAMESPACE};
use serde_json::{Value, json};
use std::time::Duration;
use testkit::{eventually, pause};

const LIMIT: Duration = Duration::from_secs(240);
const FABRIC: &str = include_str!("../../../../conf-examples/fabric/macvlan-shared.yaml");

/// The example, on nodes without RDMA devices and their device plugin.
pub(crate) fn fabric() -> String {
    let (page, resources) = FABRIC.split_once("  resources:").unwrap();
    assert!(resources.lines().count() <= 3, "more than the resources is cut off: {resources}");
    page.replace("  rdma: shared\n", "")
}

/// Waits for what `kubectl get` of `what` shows.
pub(crate) fn await_object(cluster: &Cluster, what: &[&str], done: impl Fn(&Value) -> bool) {
    let mut last = Value::Null;
    let reached = eventually(LIMIT, || {
        pause(Duration::from_millis(300));
        last = cluster.kubectl().get(what).unwrap_or_default();
        done(&last).then_some(())
    });
    reached.unwrap_or_else(|| panic!("{what:?}: {last:#}\n{}", deployed::said(cluster, ALL)));
}

fn install(cluster: &Cluster) {
    deployed::install(cluster, ALL);
    deployed::await_rollout(cluster, ALL, &[]);
    await_object(cluster, &["mutatingwebhookconfiguration", "railcni"], |one| {
        one["webhooks"][0]["name"].is_string()
    });
    cluster.kubectl().apply(&fabric()).unwrap();
    await_object(cluster, &["network-attachment-definitions", "-A"], |list| {
        let mut names = list["items"].as_array().into_iter().flatten();
        names.any(|one| one["metadata"]["name"] == "gpu" && one["metadata"]["namespace"] == "default")
    });
    deployed::await_rollout(cluster, ALL, &["gpu-rail1", "gpu-rail8"]);
}

/// A pod on every node, with one annotation and nothing else of ours.
pub(crate) fn workload() -> String {
    let metadata = json!({"name": "train", "namespace": RAILS_NAMESPACE});
    let template = json!({"metadata": {"labels": {"app": "train"}, "annotations": {"railcni.dev/fabric": "gpu"}},
        "spec": spec("", &["sleep", "86400"])});
    let spec = json!({"selector": {"matchLabels": {"app": "train"}}, "template": template});
    json!({"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": metadata, "spec": spec}).to_string()
}

/// Names and nodes of the pods.
pub(crate) fn pods(cluster: &Cluster) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let pods = list(cluster).unwrap();
    pods.iter().map(|pod| (text(&pod["metadata"]["name"]), text(&pod["spec"]["nodeName"]))).collect()
}

/// From each rail of one pod to the same rail of the other, which is on another node.
fn assert_rails_meet(cluster: &Cluster, pods: &[(String, String)]) {
    let [(pod, place), (other, other_place)] = pods else { panic!("{pods:?}") };
    for rail in 1..=RAILS {
        let ifname = format!("net{rail}");
        let own = address(node(cluster, place), pod, &ifname).unwrap();
        let far = address(node(cluster, other_place), other, &ifname).unwrap();
        let args = ["-c", "1", "-W", "5", "-I", &own, &far];
        node(cluster, place).output_of_pod(RAILS_NAMESPACE, pod, "ping", &args).unwrap();
    }
}

#[test]
fn the_manifests_one_fabric_and_one_annotation_give_every_pod_eight_rails() {
    let cluster = cluster();
    install(&cluster);
    cluster.kubectl().apply(&workload()).unwrap();
    let set = ["-n", RAILS_NAMESPACE, "daemonset", "train"];
    await_object(&cluster, &set, |set| set["status"]["numberReady"] == 2);
    let pods = pods(&cluster);
    for (pod, place) in &pods {
        check_pod(&cluster, node(&cluster, place), pod).unwrap();
    }
    assert_rails_meet(&cluster, &pods);
    cluster.kubectl().run(&["-n", RAILS_NAMESPACE, "delete", "daemonset", "train"]).unwrap();
    await_released(&cluster);
    deployed::uninstall(&cluster, ALL);
    cluster.kubectl().run(&["delete", "network-attachment-definition", "gpu", "--ignore-not-found"]).unwrap();
    await_clean(&cluster).unwrap();
}
