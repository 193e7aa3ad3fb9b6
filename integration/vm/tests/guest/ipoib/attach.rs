//! ADD and DEL with a pod that lives.

use std::time::Duration;

use serde_json::{Value, json};
use vm::lab::{Pod, run, until};

use super::{address, has_carrier, host, ipoib, link, parent};

fn kind(link: &Value) -> (&Value, &Value, &Value) {
    let data = &link["linkinfo"]["info_data"];
    (&link["linkinfo"]["info_kind"], &data["key"], &data["mode"])
}

#[test]
fn a_child_is_in_the_pod_complete_and_del_takes_it_away() {
    let (master, pod) = (parent(0), Pod::new());
    let before = host();
    let call = ipoib(&master, &pod, &address(1));
    let result = call.run("ADD");
    let made = pod.link("net1");
    let mac = result["interfaces"][0]["mac"].as_str().expect("a hardware address");
    assert_eq!((mac.len(), &made["address"]), (59, &json!(mac)), "20 bytes");
    let expected = json!([{ "name": "net1", "mac": mac, "mtu": made["mtu"], "sandbox": pod.path() }]);
    assert_eq!(result["interfaces"], expected);
    assert_eq!((pod.links(), host().0), (vec!["net1".to_owned()], before.0.clone()));
    assert_eq!(made["addr_info"][0]["local"], "10.77.0.1");
    let mut check = call.clone();
    check.config["prevResult"] = result;
    check.run("CHECK");
    call.run("DEL");
    call.run("DEL");
    assert_eq!((pod.links(), host()), (Vec::new(), before));
}

#[test]
fn partition_and_mode_are_those_of_the_master() {
    let (master, pod) = (parent(0), Pod::new());
    let on_host = link(&master);
    let call = ipoib(&master, &pod, &json!({}));
    call.run("ADD");
    assert_eq!(kind(&pod.link("net1")), kind(&on_host));
    call.run("DEL");
    run(&["ip", "link", "set", "dev", &master, "type", "ipoib", "mode", "connected"]);
    call.run("ADD");
    assert_eq!(pod.link("net1")["linkinfo"]["info_data"]["mode"], "connected");
    call.run("DEL");
    run(&["ip", "link", "set", "dev", &master, "type", "ipoib", "mode", "datagram"]);
}

#[test]
fn a_partition_of_its_own_and_its_pods_ping_and_none_across() {
    let (master, pods) = (parent(0), [Pod::new(), Pod::new(), Pod::new()]);
    let partitions = ["0x8001", "0x0001", "0x8002"];
    for (number, (pod, pkey)) in (1..).zip(pods.iter().zip(partitions)) {
        ipoib(&master, pod, &address(number)).with(&json!({ "pkey": pkey })).run("ADD");
        until(Duration::from_secs(10), "carrier", || has_carrier(&pod.link("net1")));
    }
    assert_eq!(pods[0].link("net1")["broadcast"].as_str().map(|broadcast| &broadcast[24..29]), Some("80:01"));
    assert!(pods[0].pings("10.77.0.2"), "both are in partition 1");
    assert!(!pods[0].pings("10.77.0.3"), "that one is in partition 2");
}

#[test]
fn an_mtu_is_set_in_the_pod() {
    let (master, pod) = (parent(0), Pod::new());
    let call = ipoib(&master, &pod, &json!({ "mtu": 2044 }));
    assert_eq!(call.run("ADD")["interfaces"][0]["mtu"], 2044);
    assert_eq!(pod.link("net1")["mtu"], 2044);
    call.run("DEL");
}

#[test]
fn without_an_ipam_it_is_up_on_layer_two() {
    let (master, pod) = (parent(0), Pod::new());
    let call = ipoib(&master, &pod, &json!({}));
    assert_eq!(call.run("ADD")["ips"], Value::Null);
    until(Duration::from_secs(10), "carrier", || has_carrier(&pod.link("net1")));
    call.run("DEL");
}

#[test]
fn a_name_that_the_host_has_is_free_in_the_pod() {
    let (master, pod) = (parent(0), Pod::new());
    run(&["ip", "link", "add", "net1", "type", "bridge"]);
    let before = host();
    let call = ipoib(&master, &pod, &address(1));
    call.run("ADD");
    assert_eq!((pod.links(), host().0), (vec!["net1".to_owned()], before.0.clone()));
    call.run("DEL");
    assert_eq!(host(), before);
    run(&["ip", "link", "del", "net1"]);
}

/// A neighbour that takes unsolicited ARP (`arp_accept`) knows where the address is, without having asked.
#[test]
fn the_address_is_announced_with_a_hardware_address_of_20_bytes() {
    let (master, old, new) = (parent(0), Pod::new(), Pod::new());
    ipoib(&master, &old, &address(1)).run("ADD");
    until(Duration::from_secs(10), "carrier", || has_carrier(&old.link("net1")));
    old.run(&["sh", "-c", "echo 1 >/proc/sys/net/ipv4/conf/net1/arp_accept"]);
    let result = ipoib(&master, &new, &address(2)).run("ADD");
    let entry = || old.ip("-j neigh show 10.77.0.2 dev net1");
    until(Duration::from_secs(10), "the neighbour is told", || entry().contains("lladdr"));
    let mac = result["interfaces"][0]["mac"].as_str().expect("a hardware address");
    assert!(entry().contains(mac), "{mac}: {}", entry());
}

/// A partition that the port is not in: there will be no carrier, and no one to announce the address to.
#[test]
fn a_link_without_carrier_is_not_waited_for() {
    let (master, pod) = (parent(0), Pod::new());
    let time = |pkey: &str| {
        let more = json!({ "pkey": pkey, "ipam": address(1)["ipam"] });
        let call = ipoib(&master, &pod, &more);
        let start = std::time::Instant::now();
        call.run("ADD");
        let took = start.elapsed();
        let carrier = has_carrier(&pod.link("net1"));
        call.run("DEL");
        (took, carrier)
    };
    let (with, has) = time("0x8001");
    let (without, has_not) = time("0x8123");
    assert!(has && !has_not);
    assert!(without < with + Duration::from_millis(700), "{without:?}, and {with:?} with a carrier");
}
