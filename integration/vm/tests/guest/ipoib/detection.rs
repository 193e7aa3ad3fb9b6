//! Detection on IP over InfiniBand, whose hardware addresses have 20 bytes: another host on the fabric is a child that
//! `ip` made.

use std::time::Duration;

use serde_json::{Value, json};
use vm::lab::{Pod, ip, until};

use super::{has_carrier, host, ipoib, parent};

const SOON: Duration = Duration::from_secs(10);

fn config(detection: &Value) -> Value {
    json!({ "pkey": "0x8001", "detection": detection, "ipam": { "type": "rail-ipam", "pools": [
        { "name": "four", "subnet": "10.77.0.0/24", "gateway": "10.77.0.254", "ips": ["10.77.0.10-10.77.0.12"] },
        { "name": "six", "subnet": "fd00:77::/64", "gateway": "fd00:77::fe", "ips": ["fd00:77::10-fd00:77::12"] },
    ] } })
}

/// Somebody else in the partition, who has these addresses; and its hardware address.
fn neighbour(master: &str, addresses: &[&str]) -> (Pod, String) {
    let pod = Pod::new();
    ip(&format!("link add link {master} name far netns {} type ipoib pkey 0x8001", pod.name()));
    pod.ip("link set dev far up");
    for address in addresses {
        let flags = if address.contains(':') { "nodad" } else { "" };
        pod.ip(&format!("addr add {address} dev far {flags}"));
    }
    until(SOON, "carrier", || has_carrier(&pod.link("far")));
    let address = pod.link("far")["address"].as_str().expect("a hardware address").to_owned();
    assert_eq!(address.len(), 59, "20 bytes: {address}");
    (pod, address)
}

fn addresses(result: &Value) -> Vec<&str> {
    result["ips"].as_array().into_iter().flatten().filter_map(|ip| ip["address"].as_str()).collect()
}

#[test]
fn an_address_that_another_host_has_is_quarantined_and_the_next_one_given() {
    let (master, pod) = (parent(0), Pod::new());
    let (_other, address) = neighbour(&master, &["10.77.0.10/24"]);
    let before = host();
    let mut config = config(&json!({ "conflict": true, "interval": "200ms", "timeout": "2s" }));
    config["ipam"]["pools"].as_array_mut().expect("pools").truncate(1);
    let call = ipoib(&master, &pod, &config);
    let output = call.output("ADD");
    let log = String::from_utf8_lossy(&output.stderr);
    assert!(log.contains(&format!("10.77.0.10 for net1 is in use by {address}")), "{log}");
    let result: Value = serde_json::from_slice(&output.stdout).expect("a result");
    assert_eq!(addresses(&result), ["10.77.0.11/24"], "{result}");
    call.clone().with(&json!({ "prevResult": result })).run("CHECK");
    call.run("DEL");
    assert_eq!((pod.links(), host()), (Vec::new(), before));
    // That one is not tried again, and the last one rests.
    let call = call.with(&json!({ "detection": false }));
    let result = call.run("ADD");
    assert_eq!(addresses(&result), ["10.77.0.12/24"], "{result}");
    call.run("DEL");
}

#[test]
fn free_addresses_and_gateways_that_answer_let_the_pod_start() {
    let (master, pod) = (parent(0), Pod::new());
    let (_gateway, address) = neighbour(&master, &["10.77.0.254/24", "fd00:77::fe/64"]);
    let call = ipoib(
        &master,
        &pod,
        &config(&json!({ "conflict": true, "gateway": true, "retries": 1, "timeout": "10s" })),
    );
    let result = call.run("ADD");
    assert_eq!(addresses(&result), ["10.77.0.10/24", "fd00:77::10/64"], "{result}");
    for gateway in ["10.77.0.254", "fd00:77::fe"] {
        let entry = pod.ip(&format!("neigh show {gateway} dev net1"));
        assert!(entry.contains(&address), "{entry}");
    }
    call.run("DEL");
}

#[test]
fn a_silent_gateway_fails_add_and_leaves_nothing() {
    let (master, pod) = (parent(0), Pod::new());
    let before = host();
    let call =
        ipoib(&master, &pod, &config(&json!({ "gateway": true, "interval": "50ms", "timeout": "500ms" })));
    let error = call.try_run("ADD").expect_err("nobody answers");
    assert_eq!(error["code"], 103, "{error}");
    let said = error["msg"].as_str().unwrap_or_default();
    assert!(said.contains("gateway 10.77.0.254 does not answer on net1: 3 ARP requests in 600 ms"), "{said}");
    assert!(said.contains("gateway fd00:77::fe does not answer on net1: 3 NDP requests in 600 ms"), "{said}");
    assert_eq!((pod.links(), host()), (Vec::new(), before));
}

#[test]
fn a_bad_key_is_refused_by_every_verb_that_needs_a_valid_config() {
    let (master, pod) = (parent(0), Pod::new());
    let before = host();
    let call = ipoib(&master, &pod, &config(&json!({ "conflict": true, "interval": "1m" })));
    let call = call.with(&json!({ "prevResult": { "cniVersion": "1.1.0" } }));
    for verb in ["ADD", "CHECK", "STATUS"] {
        let said = call.fails(verb);
        assert!(
            said.contains("detection.interval \"1m\": expected a time from 10ms to 10s"),
            "{verb}: {said}"
        );
    }
    assert_eq!((pod.links(), host()), (Vec::new(), before));
}
