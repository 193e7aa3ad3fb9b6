//! `rail` with children of interfaces of `ib_ipoib`: what the chain of `ipoib` and `coordinator` does, for all rails at once.

use std::time::Duration;

use serde_json::{Value, json};
use vm::lab::{Pod, ip, until};

use super::{has_carrier, host, parent};
use crate::eth::sriov::call::{Call, call, pod};

const SOON: Duration = Duration::from_secs(10);

/// One address, always the same.
fn ipam(rail: usize) -> Value {
    let address = format!("10.{}.0.10", 77 + rail);
    let gateway = format!("10.{}.0.254", 77 + rail);
    json!({ "type": "rail-ipam", "routes": [{ "dst": "0.0.0.0/0" }], "ranges": [[{
        "subnet": format!("10.{}.0.0/24", 77 + rail), "rangeStart": address, "rangeEnd": address, "gateway": gateway }]] })
}

fn link(rail: usize, master: &str) -> Value {
    json!({ "master": master, "pkey": "0x8001", "mtu": 2044, "ipam": ipam(rail) })
}

fn rail(masters: &[String], pod: &Pod) -> Call {
    let rails: Vec<_> = masters.iter().enumerate().map(|(rail, master)| link(rail, master)).collect();
    call(
        "rail",
        pod,
        json!({ "cniVersion": "1.1.0", "name": "ib", "type": "rail", "link": "ipoib", "rails": rails }),
    )
}

fn add_by_chain(masters: &[String], pod: &Pod) -> Vec<Call> {
    let mut calls = Vec::new();
    for (rail, master) in masters.iter().enumerate() {
        let config = json!({ "cniVersion": "1.1.0", "name": format!("ib{rail}"), "type": "ipoib" });
        let first = call("ipoib", pod, config).with(&link(rail, master)).ifname(&format!("net{}", rail + 1));
        let result = first.run("ADD");
        let second = first
            .then("coordinator", &json!({ "prevResult": result, "master": null, "pkey": null, "mtu": null }));
        second.run("ADD");
        calls.extend([first, second]);
    }
    calls
}

fn parents() -> Vec<String> {
    (0..8).map(parent).collect()
}

/// Links, addresses, rules, routes and settings of the pod, but for numbers that the kernel chooses: those of links, and the
/// queue pair in a hardware address with all that IPv6 makes of it.
fn picture(pod: &Pod, rails: usize) -> String {
    for rail in 1..=rails {
        until(SOON, "carrier", || has_carrier(&pod.link(&format!("net{rail}"))));
    }
    until(SOON, "IPv6 is sure of its addresses", || !pod.ip("-6 addr").contains("tentative"));
    let json_of = |args: &str| -> Value { serde_json::from_str(&pod.ip(args)).expect("JSON") };
    let mut links = json_of("-d -j -4 addr");
    for link in links.as_array_mut().expect("links") {
        let link = link.as_object_mut().expect("an object");
        for chosen in ["ifindex", "link_index", "link_netnsid", "address"] {
            link.remove(chosen);
        }
    }
    let settings = pod.run(&[
        "sh",
        "-c",
        "cd /proc/sys/net/ipv4/conf && grep -H . net*/rp_filter net*/arp_* all/rp_filter",
    ]);
    let whole = json!({ "links": links, "rules": json_of("-j rule"), "routes": json_of("-4 -j route show table all"),
        "settings": settings.lines().collect::<Vec<_>>() });
    format!("{whole:#}")
}

#[test]
fn the_end_state_of_eight_rails_is_that_of_the_chain() {
    let masters = parents();
    let before = host();
    let by_chain = {
        let pod = pod();
        let calls = add_by_chain(&masters, &pod);
        let made = picture(&pod, 8);
        calls.iter().rev().for_each(|call| drop(call.run("DEL")));
        made
    };
    assert_eq!(host(), before);
    let pod = pod();
    let call = rail(&masters, &pod);
    let result = call.run("ADD");
    assert_eq!(by_chain.lines().collect::<Vec<_>>(), picture(&pod, 8).lines().collect::<Vec<_>>());
    let macs = result["interfaces"].as_array().expect("interfaces").iter().map(|one| one["mac"].clone());
    for (rail, mac) in (1..).zip(macs) {
        assert_eq!(
            (pod.link(&format!("net{rail}"))["address"].clone(), mac.as_str().map(str::len)),
            (mac.clone(), Some(59))
        );
    }
    call.clone().with(&json!({ "prevResult": result })).run("CHECK");
    call.run("DEL");
    call.run("DEL");
    assert!(pod.links().iter().all(|link| !link.starts_with("net")));
    assert_eq!(host(), before);
}

#[test]
fn pods_of_two_rails_reach_their_neighbours_and_check_names_each_difference() {
    let (masters, pod, other) = ([parent(0), parent(1)], pod(), Pod::new());
    for (rail, master) in masters.iter().enumerate() {
        ip(&format!("link add link {master} name far{rail} netns {} type ipoib pkey 0x8001", other.name()));
        other.ip(&format!("link set dev far{rail} up"));
        other.ip(&format!("addr add 10.{}.0.254/24 dev far{rail}", 77 + rail));
        until(SOON, "carrier", || has_carrier(&other.link(&format!("far{rail}"))));
    }
    // Paths and multicast groups are the subnet manager's, and the guest is slow; an answer is not waited for any longer.
    let call = rail(&masters, &pod).with(&json!({ "detection": { "gateway": true, "timeout": "10s" } }));
    let result = call.run("ADD");
    assert!(pod.pings("10.77.0.254") && pod.pings("10.78.0.254"));
    let check = call.clone().with(&json!({ "prevResult": result }));
    check.run("CHECK");
    pod.ip("link set dev net2 mtu 1500");
    pod.ip("rule del priority 10101");
    let said = check.fails("CHECK");
    assert!(said.contains("net2: its MTU is 1500, expected 2044"), "{said}");
    assert!(said.contains("net1: rule 10101: from 10.77.0.10 lookup 101 is missing"), "{said}");
    call.run("DEL");
}

#[test]
fn an_add_that_fails_on_the_second_rail_leaves_nothing() {
    let (masters, pod) = ([parent(0), parent(1)], pod());
    let before = host();
    let call = rail(&masters, &pod);
    let quick = json!({ "gateway": true, "retries": 1, "timeout": "200ms" });
    let error = call.clone().with(&json!({ "detection": quick })).try_run("ADD").expect_err("nobody answers");
    assert_eq!(error["code"], 103, "{error}");
    assert_eq!(host(), before);
    let mut rails = call.config["rails"].clone();
    rails[1]["master"] = json!("nosuch");
    let said = call.clone().with(&json!({ "rails": rails })).fails("ADD");
    assert!(said.contains("nosuch"), "{said}");
    assert!(pod.links().iter().all(|link| !link.starts_with("net")));
    assert_eq!(host(), before);
}

#[test]
fn del_needs_neither_the_namespace_nor_a_valid_config() {
    let (masters, pod) = ([parent(0), parent(1)], pod());
    let before = host();
    let call = rail(&masters, &pod);
    call.run("ADD");
    drop(pod);
    call.without_netns().with(&json!({ "rails": null, "link": "nothing" })).run("DEL");
    until(SOON, "nothing is left", || host() == before);
}

/// Every third message, as a guest is slow; a link of that name on the host takes the way by the host, which has more to
/// undo.
#[test]
fn an_add_that_is_killed_is_undone_by_del() {
    let (masters, pod) = ([parent(0), parent(1)], pod());
    ip("link add net1 type bridge");
    let before = host();
    for nth in (1..).step_by(3) {
        let call = rail(&masters, &pod);
        let output = call.clone().killed_at(nth).output("ADD");
        call.run("DEL");
        assert!(pod.links().iter().all(|link| !link.starts_with("net")), "killed at message {nth}");
        assert_eq!(host(), before, "killed at message {nth}");
        if output.status.success() {
            assert!(nth > 8, "only {nth} messages were seen: is strace counting?");
            break;
        }
    }
    ip("link del net1");
}
