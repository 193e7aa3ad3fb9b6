//! CHECK names each difference.

use serde_json::json;
use vm::lab::{Pod, ip};

use super::{address, ipoib, parent};

#[test]
fn each_difference_is_named() {
    let (master, pod) = (parent(0), Pod::new());
    let mut call = ipoib(&master, &pod, &address(1)).with(&json!({ "pkey": "0x8001", "mtu": 2044 }));
    call.config["prevResult"] = call.run("ADD");
    call.run("CHECK");
    for (change, named, back) in [
        ("link set dev net1 mtu 1500", "its MTU is 1500, expected 2044", "link set dev net1 mtu 2044"),
        ("link set dev net1 type ipoib umcast 0", "umcast", "link set dev net1 type ipoib umcast 1"),
        ("addr del 10.77.0.1/24 dev net1", "10.77.0.1", "addr add 10.77.0.1/24 dev net1"),
        ("link set dev net1 down", "it is down", "link set dev net1 up"),
    ] {
        pod.ip(change);
        let said = call.fails("CHECK");
        assert!(said.contains(named), "after {change}: {said}");
        pod.ip(back);
    }
    call.run("CHECK");
    let other = call.clone().with(&json!({ "pkey": "0x8002" }));
    assert!(other.fails("CHECK").contains("pkey"), "another partition than the config's");
    call.run("DEL");
    assert!(call.fails("CHECK").contains("net1 is missing in the pod"));
}

#[test]
fn a_link_of_another_kind_or_on_another_parent_is_not_ours() {
    let (master, pod) = (parent(0), Pod::new());
    let mut call = ipoib(&master, &pod, &json!({ "pkey": "0x8001" }));
    call.config["prevResult"] = call.run("ADD");
    pod.ip("link del net1");
    pod.ip("link add net1 type bridge");
    assert!(call.fails("CHECK").contains("expected ipoib"));
    pod.ip("link del net1");
    let other = parent(1);
    ip(&format!("link add link {other} name net1 netns {} type ipoib pkey 0x8001", pod.name()));
    assert!(call.fails("CHECK").contains(&format!("is not on {master}")));
    call.run("DEL");
}

#[test]
fn status_wants_a_master_that_is_up_and_an_ipam_that_can_serve() {
    let (master, pod) = (parent(0), Pod::new());
    ipoib(&master, &pod, &address(1)).run("STATUS");
    ip(&format!("link set dev {master} down"));
    let error = ipoib(&master, &pod, &address(1)).try_run("STATUS").expect_err("the master is down");
    assert_eq!(error["code"], 50, "{error}");
    assert!(error["msg"].as_str().is_some_and(|msg| msg.contains("is down")), "{error}");
    ip(&format!("link set dev {master} up"));
    ipoib(&master, &pod, &address(1)).run("ADD");
    let error = ipoib(&master, &pod, &address(1)).try_run("STATUS").expect_err("the pool is exhausted");
    assert_eq!(error["code"], 50, "{error}");
    ipoib(&master, &pod, &address(1)).run("DEL");
}
