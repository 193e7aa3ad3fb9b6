//! Undo without the pod, after a kill, and after a failure at each message.

use std::time::Duration;

use serde_json::{Value, json};
use vm::lab::{Pod, ip, run, until};

use super::{address, host, ipoib, parent};

fn whole() -> Value {
    let mut config = address(1);
    config["pkey"] = json!("0x8001");
    config["mtu"] = json!(2044);
    config
}

#[test]
fn del_needs_no_netns_no_valid_config_and_no_master() {
    let (master, pod) = (parent(0), Pod::new());
    let before = host();
    let call = ipoib(&master, &pod, &whole());
    call.run("ADD");
    call.without_netns().with(&json!({ "master": null, "pkey": "broken" })).run("DEL");
    assert_eq!((pod.links(), host()), (Vec::new(), before));
}

/// The kernel gives the child to the host then, under the name that it had in the pod or another.
#[test]
fn a_child_that_outlives_its_namespace_goes_with_del() {
    let master = parent(0);
    let unchanged = host();
    for taken in [false, true] {
        if taken {
            ip("link add net1 type bridge");
        }
        let (pod, before) = (Pod::new(), host());
        let call = ipoib(&master, &pod, &whole());
        call.run("ADD");
        drop(pod);
        call.run("DEL");
        until(Duration::from_secs(10), "nothing is left", || host() == before);
        call.run("DEL");
    }
    run(&["ip", "link", "del", "net1"]);
    assert_eq!(host(), unchanged);
}

#[test]
fn gc_deletes_what_is_not_valid_any_more() {
    let (master, pods) = (parent(0), [Pod::new(), Pod::new()]);
    for (number, pod) in (1..).zip(&pods) {
        ipoib(&master, pod, &address(number)).run("ADD");
    }
    let valid = json!([{ "containerID": pods[1].name(), "ifname": "net1" }]);
    ipoib(&master, &pods[0], &json!({ "cni.dev/valid-attachments": valid })).run("GC");
    assert_eq!((pods[0].links().len(), pods[1].links().len()), (0, 1));
}

#[test]
fn a_failure_of_the_ipam_leaves_nothing() {
    let (master, pod) = (parent(0), Pod::new());
    let before = host();
    let said = ipoib(&master, &pod, &json!({ "ipam": { "type": "rail-ipam" } })).fails("ADD");
    assert!(!said.is_empty());
    assert_eq!((pod.links(), host()), (Vec::new(), before));
}

#[test]
fn an_add_that_is_killed_at_any_message_is_undone_by_del() {
    let (master, pod) = (parent(0), Pod::new());
    let before = host();
    for nth in 1.. {
        let call = ipoib(&master, &pod, &whole());
        let output = call.clone().killed_at(nth).output("ADD");
        call.run("DEL");
        assert_eq!((pod.links(), host()), (Vec::new(), before.clone()), "killed at message {nth}");
        if output.status.success() {
            assert!(nth > 5, "only {nth} messages were seen: is strace counting?");
            return;
        }
    }
}

/// The record has the child's name before there is a child, and its address before it gets another name.
#[test]
fn an_add_that_is_killed_at_any_message_is_undone_by_del_after_the_namespace_has_died() {
    let master = parent(0);
    let before = host();
    let mut outlived = 0;
    for nth in 1.. {
        let pod = Pod::new();
        let call = ipoib(&master, &pod, &whole());
        let output = call.clone().killed_at(nth).output("ADD");
        outlived += pod.links().len();
        drop(pod);
        call.run("DEL");
        until(Duration::from_secs(10), &format!("nothing is left, killed at {nth}"), || host() == before);
        if output.status.success() {
            assert!(nth > 5 && outlived > 2, "{outlived} of {nth} had a child: is strace counting?");
            return;
        }
    }
}

#[test]
fn an_add_that_fails_at_any_message_leaves_nothing() {
    let (master, pod) = (parent(0), Pod::new());
    let before = host();
    for nth in 1.. {
        let call = ipoib(&master, &pod, &whole());
        let failed = call.clone().failing_at(nth).try_run("ADD").is_err();
        if !failed {
            call.run("DEL");
            assert!(nth > 5, "only {nth} messages were seen: is strace counting?");
            return;
        }
        assert_eq!((pod.links(), host()), (Vec::new(), before.clone()), "message {nth} failed");
    }
}

#[test]
fn a_del_that_is_killed_at_any_message_is_finished_by_the_next() {
    let (master, pod) = (parent(0), Pod::new());
    let before = host();
    for nth in 1.. {
        let call = ipoib(&master, &pod, &whole());
        call.run("ADD");
        let output = call.clone().killed_at(nth).output("DEL");
        call.run("DEL");
        assert_eq!((pod.links(), host()), (Vec::new(), before.clone()), "killed at message {nth}");
        if output.status.success() {
            assert!(nth > 2, "only {nth} messages were seen: is strace counting?");
            return;
        }
    }
}

/// What the peer made has no record; the result of its ADD has the address, which names queue pair and port.
#[test]
fn a_child_of_the_peer_that_outlives_its_namespace_is_known_by_its_address() {
    let (master, pod) = (parent(0), Pod::new());
    let before = host();
    ip(&format!("link add link {master} name veth5 type ipoib pkey 0x7fff umcast 1"));
    ip(&format!("link set dev veth5 netns {} name net1", pod.name()));
    pod.ip("link set net1 up");
    let mac = pod.link("net1")["address"].clone();
    let interface = json!({ "name": "net1", "mac": mac, "sandbox": pod.path() });
    let result = json!({ "cniVersion": "1.1.0", "interfaces": [interface] });
    let call = ipoib(&master, &pod, &json!({ "prevResult": result }));
    drop(pod);
    call.run("DEL");
    assert_eq!(host(), before);
    call.run("DEL");
    assert_eq!(host(), before);
}
