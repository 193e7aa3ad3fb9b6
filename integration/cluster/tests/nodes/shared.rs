//! A pool that both nodes share, by the manifests of deploy/: as many pods as addresses, wherever they run.

use crate::cluster;
use crate::pods::{delete_all, node, sleeper, start};
use crate::verdict::{address, await_clean, railctl};
use cluster::{Cluster, RAILS_NAMESPACE, network, suite_image};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;
use testkit::{eventually, pause};

const IMAGE: &str = "railcni.test/railcni:shared";
const MANIFESTS: [&str; 3] = [
    include_str!("../../../../deploy/raild/agent-policy.yaml"),
    include_str!("../../../../deploy/raild/agent.yaml"),
    include_str!("../../../../deploy/raild/controller.yaml"),
];
/// Beside those of conf-examples, which are files on the nodes.
const POOL: &str = "
apiVersion: spiderpool.spidernet.io/v2beta1
kind: SpiderIPPool
metadata: {name: shared}
spec: {subnet: 172.16.11.0/24, ips: [172.16.11.221-172.16.11.224], gateway: 172.16.11.254}
";

fn crds() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/crds")
}

/// Image, kinds, agents and controllers, a pool of four addresses, and a network that uses it.
fn install(cluster: &Cluster) {
    let kubectl = cluster.kubectl();
    let tar = suite_image(cluster.dir(), IMAGE, |_, program| program).unwrap();
    cluster.nodes().iter().for_each(|node| node.import(&tar).unwrap());
    kubectl.run(&["apply", "-f", &crds().display().to_string()]).unwrap();
    kubectl.run(&["wait", "--for=condition=Established", "crd", "--all", "--timeout=120s"]).unwrap();
    for manifest in MANIFESTS {
        kubectl.apply(&manifest.replace("railcni:latest", IMAGE)).unwrap();
    }
    kubectl.apply(POOL).unwrap();
    let config = json!({"cniVersion": "1.1.0", "name": "shared", "plugins": [
        {"type": "macvlan", "master": "enp11s0f0np0",
            "ipam": {"type": "rail-ipam", "ippools": {"ipv4": ["shared"]}, "waitForGrant": 30}},
        {"type": "coordinator"},
    ]});
    kubectl.apply(&network("shared", &config)).unwrap();
}

fn uninstall(cluster: &Cluster) {
    for kind in [["daemonset", "railcni-agent"], ["deployment", "railcni-controller"]] {
        let args = [&["-n", "kube-system", "delete", "--cascade=foreground"][..], &kind].concat();
        cluster.kubectl().run(&args).unwrap();
    }
}

/// Waits until all agents and controllers are ready, and both nodes know the pool.
fn await_rollout(cluster: &Cluster) {
    let kubectl = cluster.kubectl();
    let ready = |kind: &str, name: &str, field: &str, count: u64| {
        let object = kubectl.get(&["-n", "kube-system", kind, name]).unwrap_or_default();
        object["status"][field].as_u64() == Some(count)
    };
    let knows = |name: &str| {
        let object = kubectl.get(&["railnode", name]).unwrap_or_default();
        let mut pools = object["status"]["pools"].as_array().into_iter().flatten();
        pools.any(|pool| pool["name"] == "shared")
    };
    let done = eventually(Duration::from_secs(180), || {
        pause(Duration::from_millis(500));
        let there = ready("daemonset", "railcni-agent", "numberReady", 2)
            && ready("deployment", "railcni-controller", "readyReplicas", 2);
        (there && ["node1", "node2"].into_iter().all(knows)).then_some(())
    });
    done.unwrap_or_else(|| panic!("{}", said(cluster)));
}

fn said(cluster: &Cluster) -> String {
    let kubectl = cluster.kubectl();
    let pods = kubectl.run(&["-n", "kube-system", "describe", "pods"]).unwrap_or_default();
    let logs = ["app=railcni-agent", "app=railcni-controller"].map(|label| {
        let args = ["-n", "kube-system", "logs", "--all-containers", "--tail=20", "-l", label];
        kubectl.run(&args).unwrap_or_default()
    });
    format!("{pods}\n{}", logs.join("\n"))
}

/// The addresses of pods named so on these nodes, by pod; no two have the same.
fn addresses(cluster: &Cluster, pods: &[(String, &str)]) -> BTreeMap<String, String> {
    let mut owners = BTreeMap::new();
    for (pod, place) in pods {
        let own = address(node(cluster, place), pod, "net1").unwrap();
        assert!(own.starts_with("172.16.11.22"), "{pod} has {own}");
        assert_eq!(owners.insert(own, pod.clone()), None, "{owners:?}");
    }
    owners
}

fn run_pods(cluster: &Cluster, name: &str, places: &[&'static str]) -> BTreeMap<String, String> {
    let named = |(number, place): (usize, &&'static str)| (format!("{name}-{number}"), *place);
    let pods = places.iter().enumerate().map(named).collect::<Vec<_>>();
    let objects: Vec<Value> = pods.iter().map(|(pod, place)| sleeper(pod, place, "shared")).collect();
    start(cluster, &objects).unwrap_or_else(|error| panic!("{error:#}\n{}", said(cluster)));
    addresses(cluster, &pods)
}

/// Waits until no pod has a rail any more; controllers have namespaces of their own meanwhile.
fn await_released(cluster: &Cluster) {
    let done = eventually(Duration::from_secs(180), || {
        pause(Duration::from_millis(200));
        let shown = cluster.nodes().iter().map(|node| railctl(node, &["show", "-o", "json"]));
        shown.into_iter().all(|shown| shown.is_ok_and(|shown| shown == json!([]))).then_some(())
    });
    done.expect("the pods' rails are gone");
}

#[test]
fn pods_on_two_nodes_share_a_pool_to_its_last_address() {
    let cluster = cluster();
    install(&cluster);
    await_rollout(&cluster);
    assert_eq!(run_pods(&cluster, "spread", &["node1", "node1", "node2", "node2"]).len(), 4);
    delete_all(&cluster, &[]).unwrap();
    await_released(&cluster);
    // All addresses to one node: the other gives back what its pods had. They are in the second block of 128.
    assert_eq!(run_pods(&cluster, "packed", &["node2"; 4]).len(), 4);
    let blocks = cluster.kubectl().get(&["railblock", "shared-1"]).unwrap();
    let owners = blocks["spec"]["rails"][0].as_str().unwrap().to_owned();
    assert!(owners.starts_with("node2=") && !owners.contains("node1"), "{owners}");
    cluster.kubectl().run(&["-n", RAILS_NAMESPACE, "delete", "pod", "packed-0"]).unwrap();
    assert_eq!(run_pods(&cluster, "back", &["node1"]).len(), 1);
    delete_all(&cluster, &[]).unwrap();
    await_released(&cluster);
    uninstall(&cluster);
    // Pools of the nodes' own files are in that subnet, which stays the cluster's as long as the grants say so.
    for node in cluster.nodes() {
        std::fs::remove_dir_all(node.path("run/railcni/node")).unwrap();
    }
    await_clean(&cluster).unwrap();
}
