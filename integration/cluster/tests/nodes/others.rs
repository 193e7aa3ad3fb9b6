//! Nodes whose pods get their eth0 by a rail, and nodes whose Multus is a daemon.

use crate::cluster;
use crate::pods::{delete_all, eight_networks, network_status, node, pod, sleeper, start};
use crate::verdict::{await_clean, check_pod};
use cluster::{Cluster, RAILS_NAMESPACE};
use serde_json::{Value, json};

const UNDERLAY: &str = include_str!("../../../../conf-examples/underlay/default-network.conflist");
const DEFAULTS: &str = include_str!("../../../../conf-examples/underlay/node.yaml");

/// A pod of node1 that kubelet knows ready when it has reached it.
fn server(name: &str) -> Value {
    let mut pod = pod(name, "node1", "gpu2-macvlan", &["httpd", "-f", "-p", "8080"]);
    pod["spec"]["containers"][0]["readinessProbe"] = json!({"tcpSocket": {"port": 8080}, "periodSeconds": 1});
    pod
}

/// eth0 is a macvlan with a rail's address; it leads to the rail's gateway, to the node, and to the other pod.
fn check_underlay(cluster: &Cluster, name: &str, other: &str) {
    let node = node(cluster, "node1");
    let ip = |args: &[&str]| node.ip_of_pod(RAILS_NAMESPACE, name, args).unwrap();
    let eth0 = ip(&["-details", "addr", "show", "dev", "eth0"]);
    assert_eq!(eth0[0]["linkinfo"]["info_kind"], "macvlan");
    let default = ip(&["route", "show", "default"]);
    assert_eq!((&default[0]["gateway"], &default[0]["dev"]), (&json!("172.16.11.254"), &json!("eth0")));
    for to in ["172.16.11.254", "172.16.12.254", "10.250.1.1", other] {
        node.output_of_pod(RAILS_NAMESPACE, name, "ping", &["-c", "1", "-W", "5", to]).unwrap();
    }
}

fn address_of_eth0(cluster: &Cluster, name: &str) -> String {
    let status = network_status(cluster, name).unwrap();
    let entry = status.iter().find(|entry| entry["default"] == true).unwrap();
    entry["ips"][0].as_str().unwrap().to_owned()
}

#[test]
fn pods_whose_eth0_is_a_macvlan_are_reached_by_kubelet_and_reach_the_node() {
    let mut cluster = cluster();
    node(&cluster, "node1").put("etc/railcni/node.yaml", DEFAULTS).unwrap();
    let underlay = serde_json::from_str(UNDERLAY).unwrap();
    node(&cluster, "node1").set_default_network(Some(&underlay)).unwrap();
    cluster.node_mut(0).restart_containerd().unwrap();

    start(&cluster, &[server("first"), server("second")]).unwrap();
    let (first, second) = (address_of_eth0(&cluster, "first"), address_of_eth0(&cluster, "second"));
    check_underlay(&cluster, "first", &second);
    check_underlay(&cluster, "second", &first);
    delete_all(&cluster, &[]).unwrap();
    await_clean(&cluster).unwrap();

    std::fs::remove_file(node(&cluster, "node1").path("etc/railcni/node.yaml")).unwrap();
    node(&cluster, "node1").set_default_network(None).unwrap();
    cluster.node_mut(0).restart_containerd().unwrap();
}

#[test]
fn pods_have_their_rails_by_the_daemon_of_a_thick_multus() {
    let mut cluster = cluster();
    // Its plugin is away meanwhile: what starts there was attached by the daemon.
    cluster.start_multus_daemon(1).unwrap();
    start(&cluster, &[sleeper("one", "node2", "gpu-rails"), sleeper("eight", "node2", &eight_networks())])
        .unwrap();
    for name in ["one", "eight"] {
        check_pod(&cluster, node(&cluster, "node2"), name).unwrap();
    }
    delete_all(&cluster, &[]).unwrap();
    await_clean(&cluster).unwrap();
    cluster.node_mut(1).end_multus_daemon().unwrap();
}
