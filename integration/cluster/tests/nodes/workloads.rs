//! Pods that controllers make, move and make again.

use crate::cluster;
use crate::pods::{LOOK, await_ready, delete_all, eight_networks, list, node, sleeper, spec};
use crate::verdict::{await_clean, check_distinct, check_pod};
use cluster::{Cluster, Kubectl, RAILS_NAMESPACE};
use serde_json::{Value, json};
use std::time::Duration;
use testkit::{eventually, pause};

/// Two hundred pods take a minute on a machine with nothing else to do.
const LIMIT: Duration = Duration::from_secs(900);

/// A template of pods with rails.
fn template(command: &[&str], networks: &str) -> Value {
    let mut spec = spec("", command);
    spec["restartPolicy"] = "Always".into();
    json!({
        "metadata": {"labels": {"app": "work"}, "annotations": {"k8s.v1.cni.cncf.io/networks": networks}},
        "spec": spec,
    })
}

fn workload(api: &str, kind: &str, spec: &Value) -> String {
    let metadata = json!({"name": "work", "namespace": RAILS_NAMESPACE});
    json!({"apiVersion": api, "kind": kind, "metadata": metadata, "spec": spec}).to_string()
}

/// Waits for what `kubectl get` of the workload shows.
fn await_status(kubectl: &Kubectl, kind: &str, done: impl Fn(&Value) -> bool) {
    let mut last = Value::Null;
    let reached = eventually(LIMIT, || {
        pause(LOOK);
        last = kubectl.get(&["-n", RAILS_NAMESPACE, kind, "work"]).unwrap_or_default();
        done(&last).then_some(())
    });
    reached.unwrap_or_else(|| panic!("{kind} has {}", last["status"]));
}

fn delete(cluster: &Cluster, kind: &str) {
    cluster.kubectl().run(&["-n", RAILS_NAMESPACE, "delete", kind, "work"]).unwrap();
}

#[test]
fn a_job_of_two_hundred_short_pods_ends_without_a_failure_and_leaves_nothing() {
    let cluster = cluster();
    let mut template = template(&["true"], "gpu-rails");
    template["spec"]["restartPolicy"] = "Never".into();
    // The first pod that fails makes the Job fail.
    let spec = json!({"completions": 200, "parallelism": 16, "backoffLimit": 0, "template": template});
    cluster.kubectl().create(&workload("batch/v1", "Job", &spec)).unwrap();
    await_status(&cluster.kubectl(), "job", |job| job["status"]["succeeded"] == 200);
    delete(&cluster, "job");
    await_clean(&cluster).unwrap();
}

#[test]
fn pods_of_a_drained_node_have_rails_on_the_other() {
    let cluster = cluster();
    let kubectl = cluster.kubectl();
    let spec = json!({"replicas": 6, "selector": {"matchLabels": {"app": "work"}},
        "template": template(&["sleep", "86400"], &eight_networks())});
    kubectl.create(&workload("apps/v1", "Deployment", &spec)).unwrap();
    await_status(&kubectl, "deployment", |one| one["status"]["readyReplicas"] == 6);
    kubectl.run(&["drain", "node1", "--ignore-daemonsets", "--force", "--timeout=120s"]).unwrap();
    await_status(&kubectl, "deployment", |one| one["status"]["readyReplicas"] == 6);
    let names: Vec<_> =
        staying(&cluster).iter().map(|pod| pod["metadata"]["name"].as_str().unwrap().to_owned()).collect();
    check_distinct(node(&cluster, "node2"), &names).unwrap();
    kubectl.run(&["uncordon", "node1"]).unwrap();
    delete(&cluster, "deployment");
    await_clean(&cluster).unwrap();
}

#[test]
fn a_pod_of_a_stateful_set_that_is_deleted_has_rails_again() {
    let cluster = cluster();
    let kubectl = cluster.kubectl();
    let spec = json!({"replicas": 2, "serviceName": "work", "podManagementPolicy": "Parallel",
        "selector": {"matchLabels": {"app": "work"}}, "template": template(&["sleep", "86400"], "gpu-rails")});
    kubectl.create(&workload("apps/v1", "StatefulSet", &spec)).unwrap();
    await_status(&kubectl, "statefulset", |set| set["status"]["readyReplicas"] == 2);
    delete_all(&cluster, &["--force", "--grace-period=0"]).unwrap();
    await_ready(&cluster, &["work-0", "work-1"]).unwrap();
    let first = kubectl.get(&["-n", RAILS_NAMESPACE, "pod", "work-0"]).unwrap();
    let place = first["spec"]["nodeName"].as_str().unwrap();
    check_pod(&cluster, node(&cluster, place), "work-0").unwrap();
    delete(&cluster, "statefulset");
    await_clean(&cluster).unwrap();
}

#[test]
fn pods_of_a_daemon_set_have_rails_before_and_after_a_rolling_update() {
    let cluster = cluster();
    let kubectl = cluster.kubectl();
    let spec = json!({"selector": {"matchLabels": {"app": "work"}}, "template": template(&["sleep", "86400"], "gpu-rails"),
        "updateStrategy": {"type": "RollingUpdate"}});
    kubectl.create(&workload("apps/v1", "DaemonSet", &spec)).unwrap();
    let rollout = || {
        await_status(&kubectl, "daemonset", |set| {
            let status = &set["status"];
            let of_last = set["metadata"]["generation"] == status["observedGeneration"];
            of_last && status["updatedNumberScheduled"] == 2 && status["numberReady"] == 2
        });
    };
    rollout();
    check_each(&cluster);
    let change = json!({"spec": {"template": {"metadata": {"annotations": {"k8s.v1.cni.cncf.io/networks": eight_networks()}}}}});
    kubectl.run(&["-n", RAILS_NAMESPACE, "patch", "daemonset", "work", "-p", &change.to_string()]).unwrap();
    rollout();
    check_each(&cluster);
    delete(&cluster, "daemonset");
    await_clean(&cluster).unwrap();
}

/// The pods that are not on their way out.
fn staying(cluster: &Cluster) -> Vec<Value> {
    let mut pods = list(cluster).unwrap();
    pods.retain(|pod| pod["metadata"]["deletionTimestamp"].is_null());
    pods
}

/// Each of them has eight rails.
fn check_each(cluster: &Cluster) {
    for pod in staying(cluster) {
        let text = |path: &str| pod.pointer(path).and_then(Value::as_str).unwrap();
        check_pod(cluster, node(cluster, text("/spec/nodeName")), text("/metadata/name")).unwrap();
    }
}

#[test]
fn a_static_pod_has_rails_as_long_as_its_file_is_there() {
    let cluster = cluster();
    let node = node(&cluster, "node2");
    let mut pod = sleeper("static", "", "gpu-rails");
    pod["spec"].as_object_mut().unwrap().remove("automountServiceAccountToken");
    node.put("etc/kubernetes/manifests/static.json", pod.to_string()).unwrap();
    await_ready(&cluster, &["static-node2"]).unwrap();
    check_pod(&cluster, node, "static-node2").unwrap();
    std::fs::remove_file(node.path("etc/kubernetes/manifests/static.json")).unwrap();
    await_clean(&cluster).unwrap();
    // The API server hears of it later than the runtime, and the next test counts pods.
    let gone = eventually(LIMIT, || {
        pause(LOOK);
        list(&cluster).is_ok_and(|pods| pods.is_empty()).then_some(())
    });
    gone.expect("the API server has forgotten the static pod");
}
