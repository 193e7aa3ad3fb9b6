//! The way of docs/helm.md: installed, upgraded under pods, and uninstalled from under them.

use crate::cluster;
use crate::deployed::{self, ALL, IMAGE, await_released};
use crate::fabric::{await_object, fabric, pods, workload};
use crate::pods::{await_ready, node, sleeper};
use crate::verdict::{await_clean, check_pod};
use cluster::{Cluster, RAILS_NAMESPACE, chart, plugins};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;
use testkit::{binary, eventually, pause};

const LIMIT: Duration = Duration::from_secs(180);
const CONFIGURATIONS: &str = "mutatingwebhookconfigurations,validatingwebhookconfigurations";

fn helm(cluster: &Cluster, args: &[&str]) {
    cluster.helm().unwrap().run(&[args, &["-n", "kube-system"]].concat()).unwrap();
}

/// As docs/helm.md has it. The kinds may be there already, by `kubectl apply`.
fn install(cluster: &Cluster) {
    deployed::publish(cluster);
    let (repository, tag) = IMAGE.rsplit_once(':').unwrap();
    let image = [format!("image.repository={repository}"), format!("image.tag={tag}")];
    let chart = chart().display().to_string();
    helm(
        cluster,
        &["install", "railcni", &chart, "--take-ownership", "--set", &image[0], "--set", &image[1]],
    );
    deployed::await_rollout(cluster, ALL, &[]);
    await_object(cluster, &["mutatingwebhookconfiguration", "railcni"], |one| {
        one["webhooks"][0]["name"].is_string()
    });
    cluster.kubectl().apply(&fabric()).unwrap();
    deployed::await_rollout(cluster, ALL, &["gpu-rail1", "gpu-rail8"]);
}

fn check(cluster: &Cluster, pods: &[(String, String)]) {
    assert_eq!(pods.len(), 2);
    for (pod, place) in pods {
        check_pod(cluster, node(cluster, place), pod).unwrap();
    }
}

/// Waits until the agents are those of the last template, on both nodes.
fn await_upgrade(cluster: &Cluster) {
    let done = eventually(LIMIT, || {
        pause(Duration::from_millis(500));
        let set = cluster.kubectl().get(&["-n", "kube-system", "daemonset", "railcni-agent"]).ok()?;
        let status = |key: &str| set["status"][key].as_u64().unwrap_or_default();
        let is_seen = set["metadata"]["generation"] == set["status"]["observedGeneration"];
        (is_seen && (status("updatedNumberScheduled"), status("numberReady")) == (2, 2)).then_some(())
    });
    done.unwrap_or_else(|| panic!("{}", deployed::said(cluster, ALL)));
}

/// How often the API server has asked about a pod, or tried to.
fn asked(cluster: &Cluster) -> u64 {
    let metrics = cluster.kubectl().run(&["get", "--raw", "/metrics"]).unwrap();
    let tried = "apiserver_admission_webhook_admission_duration_seconds_count{";
    let ours = metrics.lines().filter(|line| line.starts_with(tried) && line.contains("pods.railcni.dev"));
    ours.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum()
}

/// The first step of an uninstallation that takes the plugins, too: a node keeps them as long as a pod of it has a rail.
#[test]
fn plugins_go_off_the_nodes_when_no_pod_has_a_rail_any_more() {
    let cluster = cluster();
    let kubectl = cluster.kubectl();
    install(&cluster);
    kubectl.apply(&workload()).unwrap();
    let set = ["-n", RAILS_NAMESPACE, "daemonset", "train"];
    await_object(&cluster, &set, |set| set["status"]["numberReady"] == 2);
    let there = pods(&cluster);
    let chart = chart().display().to_string();
    helm(&cluster, &["upgrade", "railcni", &chart, "--reset-then-reuse-values", "--set", "remove=true"]);
    let of_remove = ["-n", "kube-system", "logs", "--prefix", "-l", "app=railcni-remove"];
    let refused = eventually(LIMIT, || {
        pause(Duration::from_millis(500));
        let said = kubectl.run(&of_remove).ok()?;
        let nodes: BTreeSet<_> =
            said.lines().filter(|line| line.contains("attachments")).map(pod_of).collect();
        (nodes.len() == 2).then_some(())
    });
    refused.unwrap_or_else(|| panic!("{}", deployed::said(&cluster, &[])));
    check(&cluster, &there);

    kubectl.run(&["-n", RAILS_NAMESPACE, "delete", "daemonset", "train"]).unwrap();
    await_released(&cluster);
    let done = ["-n", "kube-system", "rollout", "status", "daemonset/railcni-remove", "--timeout=300s"];
    kubectl.run(&done).unwrap_or_else(|error| panic!("{error:#}\n{}", deployed::said(&cluster, &[])));
    for node in cluster.nodes() {
        let left = node.files("opt/cni/bin").unwrap();
        let ours: Vec<_> = plugins().unwrap().into_iter().filter(|name| left.contains(name)).collect();
        assert!(ours.is_empty() && left.contains(&"bridge".to_owned()), "{}: {left:?}", node.name());
    }
    helm(&cluster, &["uninstall", "railcni", "--wait"]);
    // As the other tests have found them.
    for node in cluster.nodes() {
        plugins().unwrap().iter().for_each(|name| node.install(&binary(name)).unwrap());
    }
    deployed::uninstall(&cluster, &[]);
    kubectl.run(&["delete", "network-attachment-definition", "gpu", "--ignore-not-found"]).unwrap();
    await_clean(&cluster).unwrap();
}

/// In front of a line of its log: `[pod/NAME/CONTAINER]`.
fn pod_of(line: &str) -> String {
    line.split(' ').next().unwrap_or_default().to_owned()
}

#[test]
fn a_release_comes_is_upgraded_under_pods_and_goes_from_under_them() {
    let cluster = cluster();
    let kubectl = cluster.kubectl();
    install(&cluster);
    kubectl.apply(&workload()).unwrap();
    let set = ["-n", RAILS_NAMESPACE, "daemonset", "train"];
    await_object(&cluster, &set, |set| set["status"]["numberReady"] == 2);
    let first = pods(&cluster);
    check(&cluster, &first);

    let chart = chart().display().to_string();
    helm(
        &cluster,
        &["upgrade", "railcni", &chart, "--reset-then-reuse-values", "--set", "metrics.enabled=true"],
    );
    await_upgrade(&cluster);
    check(&cluster, &first);
    kubectl.run(&["-n", RAILS_NAMESPACE, "delete", "pod", &first[0].0]).unwrap();
    await_object(&cluster, &set, |set| set["status"]["numberReady"] == 2);
    let second = pods(&cluster);
    assert_ne!(first, second);
    check(&cluster, &second);

    assert!(asked(&cluster) > 0, "the pods that have rails were asked about");
    helm(&cluster, &["uninstall", "railcni", "--wait"]);
    assert_eq!(kubectl.run(&["get", CONFIGURATIONS, "-o", "name"]).unwrap(), "");
    let left = kubectl.run(&["-n", "kube-system", "get", "daemonsets,deployments", "-o", "name"]).unwrap();
    assert!(!left.contains("railcni"), "{left}");
    // Pods that are there keep their rails; one that asks now comes through at once, and has none.
    check(&cluster, &second);
    let mut late = sleeper("late", "node1", "");
    late["metadata"]["annotations"] = serde_json::json!({"railcni.dev/fabric": "gpu"});
    let before = asked(&cluster);
    kubectl.create(&late.to_string()).unwrap();
    assert_eq!(asked(&cluster), before, "the API server asks a webhook that was taken away");
    await_ready(&cluster, &["late"]).unwrap();
    let late = kubectl.get(&["-n", RAILS_NAMESPACE, "pod", "late"]).unwrap();
    assert_eq!(late["metadata"]["annotations"]["k8s.v1.cni.cncf.io/networks"], Value::Null);
    // The plugins are there for their end, and leave nothing.
    kubectl.run(&["-n", RAILS_NAMESPACE, "delete", "pod", "late"]).unwrap();
    kubectl.run(&["-n", RAILS_NAMESPACE, "delete", "daemonset", "train"]).unwrap();
    await_released(&cluster);
    for node in cluster.nodes() {
        assert!(fs::metadata(node.path("opt/cni/bin/rail")).is_ok(), "{} lost its plugins", node.name());
    }
    deployed::uninstall(&cluster, &[]);
    kubectl.run(&["delete", "network-attachment-definition", "gpu", "--ignore-not-found"]).unwrap();
    await_clean(&cluster).unwrap();
}
