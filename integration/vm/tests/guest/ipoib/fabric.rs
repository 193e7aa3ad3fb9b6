//! What the emulated HCA gives to `ib_ipoib`: without it, nothing else here would mean much.

use std::time::Duration;

use vm::lab::{Pod, ip, pf, pfs, until, vf};

use super::{has_carrier, link, parent};

#[test]
fn every_port_has_an_interface_of_ib_ipoib() {
    for function in pfs() {
        let shown = link(&function.ifname());
        assert_eq!(shown["linkinfo"]["info_kind"], "ipoib", "{shown}");
        assert_eq!(shown["parentdev"], function.bdf());
        assert_eq!(function.vfs().len(), 2);
    }
}

#[test]
fn children_by_netlink_reach_each_other_within_their_partition() {
    let (master, pods) = (parent(0), [Pod::new(), Pod::new(), Pod::new()]);
    for (number, (pod, pkey)) in pods.iter().zip(["0x8001", "0x8001", "0x8002"]).enumerate() {
        ip(&format!("link add link {master} name net1 netns {} type ipoib pkey {pkey}", pod.name()));
        pod.ip(&format!("addr add 10.8.0.{}/24 dev net1", number + 1));
        pod.ip("link set dev net1 up");
        until(Duration::from_secs(10), "carrier", || has_carrier(&pod.link("net1")));
    }
    assert!(pods[0].pings("10.8.0.2"), "the same partition");
    assert!(!pods[0].pings("10.8.0.3"), "another partition");
}

#[test]
fn a_port_that_is_not_in_a_partition_has_no_carrier_there() {
    let (master, pod) = (parent(0), Pod::new());
    ip(&format!("link add link {master} name net1 netns {} type ipoib pkey 0x8777", pod.name()));
    pod.ip("link set dev net1 up");
    until(Duration::from_secs(10), "the parent has carrier", || has_carrier(&link(&master)));
    assert!(!has_carrier(&pod.link("net1")));
}

#[test]
fn a_vf_reaches_its_pf_and_loses_its_carrier_with_its_link_state() {
    let (vf, pod) = (vf(1, 0), Pod::new());
    vf.set("node_guid 11:22:33:44:55:66:77:01");
    vf.set("port_guid 11:22:33:44:55:66:77:01");
    vf.rebind();
    let master = parent(1);
    ip(&format!("addr add 10.8.0.1/24 dev {master}"));
    pod.take(&vf, "net1", "10.8.0.2/24");
    until(Duration::from_secs(10), "carrier", || has_carrier(&pod.link("net1")));
    assert!(pod.pings("10.8.0.1"));
    pf(1).set_vf(0, "state disable");
    until(Duration::from_secs(10), "no carrier", || !has_carrier(&pod.link("net1")));
}
