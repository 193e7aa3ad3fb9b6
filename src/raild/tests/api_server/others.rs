//! Addresses that pods have from Spiderpool and whereabouts: nobody else gets them before the other's record says that they are free.

use std::time::Duration;

use cluster::{Api, WHEREABOUTS_KINDS};
use serde_json::{Value, json};
use testkit::eventually;

use crate::node::{Node, Process, api_server, raild};

const PATIENCE: u64 = 30;

fn serve_whereabouts(api: &Api) {
    api.kubectl().apply(WHEREABOUTS_KINDS).unwrap();
    api.kubectl().run(&["wait", "--for=condition=Established", "crd", "--all", "--timeout=60s"]).unwrap();
}

/// As whereabouts writes it: an address is its distance from the range's.
fn allocations(api: &Api, offsets: &[u8]) {
    let holder = json!({"id": "container", "podref": "ai/train-0", "ifname": "net1"});
    let allocations = offsets.iter().map(|offset| (offset.to_string(), holder.clone())).collect();
    let pool = json!({"apiVersion": "whereabouts.cni.cncf.io/v1alpha1", "kind": "IPPool",
        "metadata": {"name": "172.16.1.0-24", "namespace": "kube-system"},
        "spec": {"range": "172.16.1.0/24", "allocations": Value::Object(allocations)}});
    let path = api.dir().join("whereabouts-pool.json");
    state::file::replace_json(&path, &pool).unwrap();
    let path = path.display().to_string();
    // Not applied: what is not there any more is to go.
    if api.kubectl().run(&["replace", "-f", &path]).is_err() {
        api.kubectl().run(&["create", "-f", &path]).unwrap();
    }
}

fn pods(name: &str, count: usize) -> Vec<String> {
    (0..count).map(|number| format!("{name}{number}")).collect()
}

/// The addresses of pods, in order, without their length.
fn addresses(node: &Node, pods: &[String]) -> Vec<String> {
    let ended = node.add(pods, PATIENCE);
    let address = |ended: &Result<String, _>| ended.as_ref().unwrap().split('/').next().unwrap().to_owned();
    let mut addresses = ended.iter().map(address).collect::<Vec<_>>();
    addresses.sort();
    addresses
}

#[test]
fn addresses_of_whereabouts_are_granted_when_its_pods_are_gone() {
    let api = api_server(6);
    serve_whereabouts(&api);
    allocations(&api, &[1, 2]);
    let reservation = json!({"apiVersion": "whereabouts.cni.cncf.io/v1alpha1", "kind": "OverlappingRangeIPReservation",
        "metadata": {"name": "172.16.1.4", "namespace": "kube-system"},
        "spec": {"podref": "ai/train-1", "containerid": "container", "ifname": "net1"}});
    api.kubectl().create(&reservation.to_string()).unwrap();
    let _controller = Process::start(&mut raild(&api, "controller"));
    let one = Node::start(&api, "one");
    assert_eq!(addresses(&one, &pods("early", 3)), ["172.16.1.3", "172.16.1.5", "172.16.1.6"]);
    let (code, message) = one.add(&pods("over", 1), 3)[0].clone().unwrap_err();
    assert_eq!(code, 11, "{message}");

    // Its pods end: whereabouts takes the allocation away, and the reservation with it.
    allocations(&api, &[1]);
    assert_eq!(addresses(&one, &pods("late", 1)), ["172.16.1.2"]);
    api.kubectl()
        .run(&["-n", "kube-system", "delete", "overlappingrangeipreservation", "172.16.1.4"])
        .unwrap();
    assert_eq!(addresses(&one, &pods("last", 1)), ["172.16.1.4"]);
}

#[test]
fn whereabouts_that_comes_later_takes_what_nobody_uses() {
    let api = api_server(4);
    let _controller = Process::start(&mut raild(&api, "controller"));
    let one = Node::start(&api, "one");
    assert!(one.want(4).starts_with("granted"));
    serve_whereabouts(&api);
    allocations(&api, &[1, 2]);
    let given_up = || (one.granted() == 2).then_some(());
    eventually(Duration::from_secs(90), given_up).expect("the node has let go of them");
    assert_eq!(addresses(&one, &pods("pod", 2)), ["172.16.1.3", "172.16.1.4"]);
}

#[test]
fn what_spiderpool_wrote_is_left_alone_and_what_we_write_is_none_of_its() {
    let api = api_server(4);
    let record = json!({"172.16.1.2": {"interface": "net1", "pod": "ai/train-0", "podUid": "u"}}).to_string();
    let patch = json!({"status": {"allocatedIPs": &record}}).to_string();
    let status = |patch: &str| {
        let args = ["patch", "spiderippool", "shared", "--subresource=status", "--type=merge", "-p", patch];
        api.kubectl().run(&args).unwrap();
    };
    status(&patch);
    let _controller = Process::start(&mut raild(&api, "controller"));
    let one = Node::start(&api, "one");
    let three = pods("pod", 3);
    assert_eq!(addresses(&one, &three), ["172.16.1.1", "172.16.1.3", "172.16.1.4"]);
    let shown = || {
        let pool = api.kubectl().get(&["spiderippool", "shared"]).unwrap();
        (pool["status"]["allocatedIPCount"] == 3).then_some(pool)
    };
    let pool = eventually(Duration::from_secs(60), shown).expect("its status counts our pods");
    assert_eq!(pool["status"]["allocatedIPs"], record, "the record is Spiderpool's, as it was");

    // Its pods are gone, and so is the record: all four are ours, though our own status says that three are used.
    status(r#"{"status": {"allocatedIPs": null}}"#);
    assert_eq!(addresses(&one, &pods("late", 1)), ["172.16.1.2"]);
}
