//! What cannot be attached is refused before anything is made.

use serde_json::{Value, json};
use vm::lab::{Pod, ip, pf};

use super::{address, host, ipoib, link, parent};

/// ADD says all of `words`, and nothing is left on host and pod.
#[track_caller]
fn refused(words: &[&str], master: &str, more: &Value) {
    let pod = Pod::new();
    let before = host();
    let said = ipoib(master, &pod, &address(1)).with(more).fails("ADD");
    for word in words {
        assert!(said.contains(word), "{word:?} is missing in: {said}");
    }
    assert_eq!((pod.links(), host()), (Vec::new(), before));
}

#[test]
fn a_master_that_is_missing_or_down() {
    refused(&["nosuch"], "nosuch", &json!({}));
    let down = pf(1).ifname();
    refused(&["is down", &format!("ip link set {down} up")], &down, &json!({}));
}

#[test]
fn a_master_that_is_no_ipoib_interface() {
    ip("link add plain type bridge");
    ip("link set dev plain up");
    refused(&["is not an IPoIB interface", "macvlan"], "plain", &json!({}));
    ip("link del plain");
}

#[test]
fn a_master_that_is_a_child_itself() {
    let master = parent(0);
    ip(&format!("link add link {master} name part1 type ipoib pkey 0x8001"));
    ip("link set dev part1 up");
    refused(&["is a child itself", &master, "pkey"], "part1", &json!({}));
    ip("link del part1");
}

#[test]
fn an_mtu_above_the_masters() {
    let master = parent(0);
    let mtu = link(&master)["mtu"].as_u64().expect("an MTU");
    refused(&["invalid MTU", &mtu.to_string()], &master, &json!({ "mtu": mtu + 1 }));
}

#[test]
fn a_pkey_a_mode_and_an_ipam_that_make_no_sense() {
    let master = parent(0);
    refused(&["pkey \"0x8000\""], &master, &json!({ "pkey": "0x8000" }));
    refused(&["unknown ipoib mode"], &master, &json!({ "mode": "fast" }));
    refused(&["dhcp"], &master, &json!({ "ipam": { "type": "dhcp" } }));
}

#[test]
fn macvlan_and_ipvlan_on_such_a_master_name_the_right_plugin() {
    let (master, pod) = (parent(0), Pod::new());
    for plugin in ["macvlan", "ipvlan"] {
        let config = json!({ "cniVersion": "1.1.0", "name": "ib", "type": plugin, "master": master });
        let said = crate::eth::sriov::call::call(plugin, &pod, config).fails("ADD");
        assert!(said.contains("use `ipoib` or `ib-sriov`"), "{plugin}: {said}");
    }
}

#[test]
fn a_name_that_the_pod_has_already() {
    let (master, pod) = (parent(0), Pod::new());
    pod.ip("link add net1 type bridge");
    let before = host();
    let said = ipoib(&master, &pod, &address(1)).fails("ADD");
    assert!(said.contains("net1"), "{said}");
    assert_eq!((pod.links(), host()), (vec!["net1".to_owned()], before));
}
