//! Deletion in every order: of pods that share masters, pools and locks, and of what their networks are made of.

use crate::cluster;
use crate::pods::{await_event, delete_all, eight_networks, node, sleeper, start};
use crate::verdict::{addresses, await_clean};
use cluster::{Cluster, Kubectl, RAILS_NAMESPACE};
use serde_json::{Value, json};

/// Every order of three.
const ORDERS: [[usize; 3]; 6] = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];
const POOLS: &str = "etc/railcni/pools.d/rails.yaml";

/// The pods of an order: eight networks, one of `rail`, and eight networks again, made in this order.
fn name(order: usize, pod: usize) -> String {
    format!("order-{order}-{pod}")
}

fn delete(cluster: &Cluster, names: &[String]) {
    let names = names.iter().map(String::as_str);
    let args: Vec<_> = ["-n", RAILS_NAMESPACE, "delete", "pod"].into_iter().chain(names).collect();
    cluster.kubectl().run(&args).unwrap();
}

#[test]
fn pods_that_are_deleted_in_every_order_leave_the_others_their_rails() {
    let cluster = cluster();
    let node = node(&cluster, "node1");
    for (pod, networks) in [eight_networks(), "gpu-rails".into(), eight_networks()].iter().enumerate() {
        let pods: Vec<_> =
            (0..ORDERS.len()).map(|order| sleeper(&name(order, pod), "node1", networks)).collect();
        start(&cluster, &pods).unwrap();
    }
    let mut rails: Vec<_> = (0..ORDERS.len())
        .flat_map(|order| (0..3).map(move |pod| name(order, pod)))
        .map(|pod| (addresses(node, &pod).unwrap(), pod))
        .collect();
    for step in 0..3 {
        let gone: Vec<_> = ORDERS.iter().enumerate().map(|(order, pods)| name(order, pods[step])).collect();
        delete(&cluster, &gone);
        rails.retain(|(_, pod)| !gone.contains(pod));
        for (before, pod) in &rails {
            assert_eq!(addresses(node, pod).unwrap(), *before, "{pod} after {gone:?}");
        }
    }
    await_clean(&cluster).unwrap();
}

/// The networks of the namespace, as they are made.
fn networks(kubectl: &Kubectl) -> String {
    let list = kubectl.get(&["-n", RAILS_NAMESPACE, "net-attach-def"]).unwrap();
    let items = list["items"].as_array().unwrap().iter();
    let made = |one: &Value| {
        json!({"apiVersion": one["apiVersion"], "kind": one["kind"], "spec": one["spec"],
            "metadata": {"name": one["metadata"]["name"], "namespace": RAILS_NAMESPACE}})
    };
    json!({"apiVersion": "v1", "kind": "List", "items": items.map(made).collect::<Vec<_>>()}).to_string()
}

#[test]
fn pods_whose_networks_and_pools_went_before_them_leave_nothing() {
    let cluster = cluster();
    let (node, kubectl) = (node(&cluster, "node2"), cluster.kubectl());
    start(&cluster, &[sleeper("one", "node2", "gpu-rails"), sleeper("eight", "node2", &eight_networks())])
        .unwrap();
    let (pools, networks) = (std::fs::read_to_string(node.path(POOLS)).unwrap(), networks(&kubectl));
    std::fs::remove_file(node.path(POOLS)).unwrap();
    // Who comes now is told what is missing, and where it was looked for.
    kubectl.create(&sleeper("late", "node2", "gpu1-macvlan").to_string()).unwrap();
    let said = await_event(&cluster, RAILS_NAMESPACE, "late", "is not defined, nor is any other").unwrap();
    assert!(said.contains("/etc/railcni/pools.d holds no *.yaml, *.yml or *.json"), "{said}");

    kubectl.run(&["-n", RAILS_NAMESPACE, "delete", "net-attach-def", "--all"]).unwrap();
    delete_all(&cluster, &[]).unwrap();
    await_clean(&cluster).unwrap();
    node.put(POOLS, pools).unwrap();
    kubectl.apply(&networks).unwrap();
    // Of the leases, too, which only now have a pool again.
    await_clean(&cluster).unwrap();
}
