//! Nodes on a bad day: programs killed, pods deleted by force.

use crate::cluster;
use crate::pods::{await_ready, delete_all, eight_networks, node, sleeper, start};
use crate::verdict::{addresses, await_clean, check_pod};

#[test]
fn pods_outlive_kubelet_and_containerd_that_were_killed() {
    let mut cluster = cluster();
    start(&cluster, &[sleeper("one", "node1", "gpu-rails"), sleeper("eight", "node1", &eight_networks())])
        .unwrap();
    let before: Vec<_> = ["one", "eight"].map(|pod| addresses(node(&cluster, "node1"), pod).unwrap()).into();

    cluster.node_mut(0).kill_kubelet().unwrap();
    cluster.node_mut(0).kill_containerd().unwrap();
    cluster.node_mut(0).start_containerd().unwrap();
    cluster.node_mut(0).start_kubelet().unwrap();
    await_ready(&cluster, &["one", "eight"]).unwrap();
    let node = node(&cluster, "node1");
    let after: Vec<_> = ["one", "eight"].map(|pod| addresses(node, pod).unwrap()).into();
    assert_eq!(before, after);
    for pod in ["one", "eight"] {
        check_pod(&cluster, node, pod).unwrap();
    }
    delete_all(&cluster, &[]).unwrap();
    await_clean(&cluster).unwrap();
}

#[test]
fn pods_deleted_while_kubelet_is_dead_are_gone_when_it_is_back() {
    let mut cluster = cluster();
    let pods = [sleeper("one", "node1", "gpu-rails"), sleeper("eight", "node1", &eight_networks())];
    start(&cluster, &pods).unwrap();
    cluster.node_mut(0).kill_kubelet().unwrap();
    delete_all(&cluster, &["--force", "--grace-period=0"]).unwrap();
    cluster.node_mut(0).start_kubelet().unwrap();
    await_clean(&cluster).unwrap();
}

#[test]
fn pods_deleted_by_force_while_they_start_leave_nothing() {
    let cluster = cluster();
    let pods: Vec<_> =
        (0..8).map(|number| sleeper(&format!("forced-{number}"), "node2", "gpu-rails")).collect();
    let list = serde_json::json!({"apiVersion": "v1", "kind": "List", "items": pods});
    cluster.kubectl().create(&list.to_string()).unwrap();
    delete_all(&cluster, &["--force", "--grace-period=0"]).unwrap();
    await_clean(&cluster).unwrap();
}
