//! What pods ask for by annotations, and who may ask for what.

use crate::cluster;
use crate::pods::{await_event, delete_all, node, pod, sleeper, start};
use crate::verdict::await_clean;
use cluster::{Cluster, RAILS_NAMESPACE, network};
use serde_json::{Value, json};

/// A network of the first rail whose pods may ask for addresses and a MAC.
fn offer(cluster: &Cluster) {
    let config = json!({"cniVersion": "1.1.0", "name": "asked", "plugins": [
        {"type": "macvlan", "master": "enp11s0f0np0", "capabilities": {"ips": true, "mac": true},
            "ipam": {"type": "rail-ipam", "ippools": {"ipv4": ["gpu1-net11"]}}},
        {"type": "coordinator"},
    ]});
    cluster.kubectl().apply(&network("asked", &config)).unwrap();
}

fn default_route(cluster: &Cluster, pod: &str) -> Value {
    let routes =
        node(cluster, "node1").ip_of_pod(RAILS_NAMESPACE, pod, &["route", "show", "default"]).unwrap();
    assert_eq!(routes.as_array().map(Vec::len), Some(1), "{routes}");
    routes[0]["dev"].clone()
}

#[test]
fn pods_get_the_address_the_mac_the_name_and_the_default_route_that_they_ask_for() {
    let cluster = cluster();
    offer(&cluster);
    let asked = json!([{"name": "asked", "ips": ["172.16.11.90"], "mac": "02:00:00:00:aa:01", "interface": "fast0"},
        {"name": "asked", "interface": "fast1"}]);
    let leading = json!([{"name": "asked", "cni-args": {"podDefaultRouteNic": "net1"}}]);
    // Multus 4.3 compares a route's destination with nothing at all, and never finds the one that it would replace.
    let of_multus = json!([{"name": "asked", "default-route": ["172.16.11.254"]}]);
    let pods = [("asked", &asked), ("leading", &leading), ("of-multus", &of_multus)];
    start(&cluster, &pods.map(|(name, networks)| sleeper(name, "node1", &networks.to_string()))).unwrap();

    let links = node(&cluster, "node1")
        .ip_of_pod(RAILS_NAMESPACE, "asked", &["addr", "show", "dev", "fast0"])
        .unwrap();
    assert_eq!(links[0]["address"], "02:00:00:00:aa:01");
    assert_eq!(links[0]["addr_info"][0]["local"], "172.16.11.90");
    let twice =
        node(&cluster, "node1").ip_of_pod(RAILS_NAMESPACE, "asked", &["link", "show", "dev", "fast1"]);
    assert!(twice.is_ok(), "one network twice");
    let defaults = pods.map(|(name, _)| default_route(&cluster, name));
    assert_eq!(defaults, ["eth0", "net1", "eth0"]);
    delete_all(&cluster, &[]).unwrap();
    await_clean(&cluster).unwrap();
}

#[test]
fn a_pod_of_another_namespace_gets_no_network_of_this_one() {
    let cluster = cluster();
    let mut stranger = sleeper("stranger", "node1", "rails/gpu1-macvlan");
    stranger["metadata"]["namespace"] = "default".into();
    cluster.kubectl().create(&stranger.to_string()).unwrap();
    let refused = await_event(&cluster, "default", "stranger", "namespace isolation");
    cluster.kubectl().run(&["delete", "pod", "stranger", "--force", "--grace-period=0"]).unwrap();
    refused.unwrap();
    await_clean(&cluster).unwrap();
}

#[test]
fn a_pod_in_the_network_of_the_node_is_left_alone() {
    let cluster = cluster();
    // Of a NIC's state nobody knows whether it is as before: the bridge has just lost the pods of other tests.
    let shown = || {
        let links = node(&cluster, "node1").ip(&["addr"]).unwrap();
        let links = links.as_array().unwrap().iter();
        let links: Vec<_> = links.map(|link| (link["ifname"].clone(), link["addr_info"].clone())).collect();
        (links, node(&cluster, "node1").ip(&["rule"]).unwrap())
    };
    let before = shown();
    let mut agent = pod("agent", "node1", "gpu-rails", &["sleep", "86400"]);
    agent["spec"]["hostNetwork"] = true.into();
    start(&cluster, &[agent]).unwrap();
    assert_eq!(shown(), before);
    await_clean(&cluster).unwrap();
    delete_all(&cluster, &[]).unwrap();
}
