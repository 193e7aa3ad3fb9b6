//! A pool that both nodes share, by the manifests of deploy/: as many pods as addresses, wherever they run.

use crate::cluster;
use crate::deployed::{self, ADDRESSES, await_released};
use crate::pods::{delete_all, node, sleeper, start};
use crate::verdict::{address, await_clean};
use cluster::{Cluster, RAILS_NAMESPACE, network};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Beside those of conf-examples, which are files on the nodes.
const POOL: &str = "
apiVersion: spiderpool.spidernet.io/v2beta1
kind: SpiderIPPool
metadata: {name: shared}
spec: {subnet: 172.16.11.0/24, ips: [172.16.11.221-172.16.11.224], gateway: 172.16.11.254}
";

/// Agents and controllers, a pool of four addresses, and a network that uses it.
fn install(cluster: &Cluster) {
    deployed::install(cluster, ADDRESSES);
    cluster.kubectl().apply(POOL).unwrap();
    let config = json!({"cniVersion": "1.1.0", "name": "shared", "plugins": [
        {"type": "macvlan", "master": "enp11s0f0np0",
            "ipam": {"type": "rail-ipam", "ippools": {"ipv4": ["shared"]}, "waitForGrant": 30}},
        {"type": "coordinator"},
    ]});
    cluster.kubectl().apply(&network("shared", &config)).unwrap();
    deployed::await_rollout(cluster, ADDRESSES, &["shared"]);
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
    start(cluster, &objects)
        .unwrap_or_else(|error| panic!("{error:#}\n{}", deployed::said(cluster, ADDRESSES)));
    addresses(cluster, &pods)
}

#[test]
fn pods_on_two_nodes_share_a_pool_to_its_last_address() {
    let cluster = cluster();
    install(&cluster);
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
    deployed::uninstall(&cluster, ADDRESSES);
    await_clean(&cluster).unwrap();
}
