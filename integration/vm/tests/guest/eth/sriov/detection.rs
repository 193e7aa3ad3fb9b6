//! Detection on VFs: another host on the rail is a second VF of the same PF.

use serde_json::{Value, json};
use vm::lab::{Pod, Vf, vf};

use super::call::sriov;
use super::state::{State, assert_no_file, assert_untouched};

fn config(detection: &Value) -> Value {
    json!({ "detection": detection, "ipam": { "type": "rail-ipam", "pools": [{ "name": "four", "subnet": "10.60.0.0/24",
        "gateway": "10.60.0.254", "ips": ["10.60.0.10-10.60.0.12"] }] } })
}

/// A host on the rail of `vf` that has these addresses.
fn host(vf: &Vf, addresses: &[&str]) -> Pod {
    let host = Pod::new();
    host.take(vf, "eth1", addresses[0]);
    for address in &addresses[1..] {
        host.ip(&format!("addr add {address} dev eth1"));
    }
    host
}

#[test]
fn an_address_that_another_host_has_is_quarantined_and_the_next_one_given() {
    let (vf, other, pod) = (vf(0, 0), vf(0, 1), Pod::new());
    let before = State::of(&vf);
    let neighbour = host(&other, &["10.60.0.10/24", "10.60.0.254/24"]);
    let mac = neighbour.link("eth1")["address"].as_str().expect("a MAC").to_owned();
    let call = sriov(
        &vf,
        &pod,
        &config(&json!({ "conflict": true, "gateway": true, "interval": "50ms", "timeout": "1s" })),
    );
    let output = call.output("ADD");
    let log = String::from_utf8_lossy(&output.stderr);
    assert!(log.contains(&format!("10.60.0.10 for net1 is in use by {mac}")), "{log}");
    let result: Value = serde_json::from_slice(&output.stdout).expect("a result");
    assert_eq!(result["ips"][0]["address"], "10.60.0.11/24", "{result}");
    assert!(pod.pings("10.60.0.254"));
    call.clone().with(&json!({ "prevResult": result })).run("CHECK");
    call.run("DEL");
    assert_untouched(&vf, &before);
    let call = call.with(&json!({ "detection": false }));
    let next = call.run("ADD");
    assert_eq!(next["ips"][0]["address"], "10.60.0.12/24", "the quarantine lasts, and .11 rests");
    call.run("DEL");
}

#[test]
fn a_silent_gateway_fails_add_and_the_vf_goes_back() {
    let (vf, pod) = (vf(1, 0), Pod::new());
    let before = State::of(&vf);
    let more = config(&json!({ "gateway": true, "interval": "20ms", "timeout": "200ms" }));
    let call = sriov(&vf, &pod, &more);
    let call = call.with(&json!({ "vlan": 7, "spoofchk": "on" }));
    let error = call.try_run("ADD").expect_err("nobody answers");
    assert_eq!(error["code"], 103, "{error}");
    let said = "gateway 10.60.0.254 does not answer on net1: 3 ARP requests in 240 ms";
    assert!(error["msg"].as_str().is_some_and(|msg| msg.starts_with(said)), "{error}");
    assert_eq!(pod.links(), [""; 0]);
    assert_untouched(&vf, &before);
}

#[test]
fn a_bad_key_is_refused_by_every_verb_that_needs_a_valid_config() {
    let (vf, pod) = (vf(2, 0), Pod::new());
    let before = State::of(&vf);
    let call = sriov(&vf, &pod, &config(&json!({ "gateway": true, "retries": 0 })));
    let call = call.with(&json!({ "prevResult": { "cniVersion": "1.1.0" } }));
    for verb in ["ADD", "CHECK", "STATUS"] {
        let said = call.fails(verb);
        assert!(said.contains("detection.retries 0: expected 1 to 10"), "{verb}: {said}");
    }
    assert_untouched(&vf, &before);
    assert_no_file();
}
