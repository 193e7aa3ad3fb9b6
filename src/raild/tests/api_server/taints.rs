//! The taint of nodes that are not ready, put and taken off with the rights of the manifests.

use std::time::Duration;

use cluster::Api;
use serde_json::{Value, json};
use testkit::eventually;

use crate::deploy::{apply, kubeconfig, token};
use crate::node::{Node, Process, api_server, raild};
use crate::readiness::tree;

const LIMIT: Duration = Duration::from_secs(120);

fn fabric(api: &Api) {
    let fabric = json!({"apiVersion": "railcni.dev/v1alpha1", "kind": "Fabric", "metadata": {"name": "gpu"}, "spec": {
        "link": "macvlan", "rdma": "shared", "taintUntilReady": true, "rails": [{"interface": "ens1"}],
        "nodeSelector": {"matchLabels": {"gpu": "yes"}}, "addressing": {"shared": {"subnet": "172.16.11.0/24"}},
    }});
    api.kubectl().apply(&fabric.to_string()).unwrap();
}

fn taints(api: &Api, node: &str) -> Vec<Value> {
    let taints = api.kubectl().get(&["node", node]).unwrap()["spec"]["taints"].clone();
    // The API server itself has put one on a Node whose kubelet has said nothing.
    let is_own = |taint: &Value| taint["key"] == "node.kubernetes.io/not-ready";
    taints.as_array().into_iter().flatten().filter(|taint| !is_own(taint)).cloned().collect()
}

#[track_caller]
fn becomes(api: &Api, wanted: &[Value]) {
    let is_so = || (taints(api, "one") == wanted).then_some(());
    eventually(LIMIT, is_so).unwrap_or_else(|| panic!("{:?} in place of {wanted:?}", taints(api, "one")));
}

#[test]
fn a_node_that_a_fabric_has_is_tainted_until_it_is_ready_and_while_it_is_not() {
    let api = api_server(4);
    apply(&api);
    let rights = kubeconfig(&api, "controller", &token(&api, "railcni-controller", None));
    let _controller = Process::start(raild(&api, "controller").env("KUBECONFIG", rights));
    let (others, registered) = ("a=b:NoSchedule", "railcni.dev/not-ready=:NoSchedule");
    api.kubectl().run(&["label", "node", "one", "gpu=yes"]).unwrap();
    api.kubectl().run(&["taint", "node", "one", others]).unwrap();
    // Its Fabric may be still to come.
    api.kubectl().run(&["taint", "node", "two", registered]).unwrap();
    fabric(&api);
    let foreign = json!({"key": "a", "value": "b", "effect": "NoSchedule"});
    let ours = json!({"key": "railcni.dev/not-ready", "value": "raild", "effect": "NoSchedule"});
    let tainted = [foreign.clone(), ours];
    becomes(&api, &tainted);
    let root = api.dir().join("root");
    tree(&root, "4: ACTIVE");
    let mut node = Node::start_with(&api, "one", &[("RAILD_NODE_ROOT", &root)]);
    becomes(&api, std::slice::from_ref(&foreign));
    node.kill_agent();
    tree(&root, "1: DOWN");
    node.start_agent(&api);
    becomes(&api, &tainted);
    api.kubectl().run(&["delete", "fabric", "gpu"]).unwrap();
    becomes(&api, std::slice::from_ref(&foreign));
    assert_eq!(taints(&api, "two").len(), 1, "what kubelet has put stays until a Fabric has the node");
    api.kubectl().run(&["label", "node", "two", "gpu=yes"]).unwrap();
    fabric(&api);
    becomes(&api, &tainted);
    assert_eq!(taints(&api, "two").len(), 1, "it is there already");
}
