//! Detection on InfiniBand VFs, whose hardware addresses have 20 bytes: another host is a second VF of the same PF.

use serde_json::{Value, json};
use vm::lab::{Pod, Vf, vf};

use super::ib_sriov::{picture, run, try_run};

fn config(vf: &Vf, detection: &Value) -> Value {
    json!({ "cniVersion": "1.1.0", "name": "ib", "type": "ib-sriov", "deviceID": vf.bdf(), "link_state": "enable",
        "guid": "11:22:33:44:55:66:77:01", "rdmaIsolation": true, "detection": detection,
        "ipam": { "type": "rail-ipam", "pools": [{ "name": "four", "subnet": "10.66.0.0/24", "gateway": "10.66.0.254",
            "ips": ["10.66.0.10-10.66.0.12"] }] } })
}

#[test]
fn an_address_that_another_host_has_is_passed_over_and_its_gateway_answers() {
    let (vf, other, pod) = (vf(7, 0), vf(7, 1), Pod::new());
    let before = picture(&vf);
    let neighbour = Pod::new();
    neighbour.take(&other, "net1", "10.66.0.10/24");
    neighbour.ip("addr add 10.66.0.254/24 dev net1");
    let wanted = json!({ "conflict": true, "gateway": true, "interval": "50ms", "timeout": "1s" });
    let config = config(&vf, &wanted);
    let result = run("ADD", &pod, &config);
    assert_eq!(result["ips"][0]["address"], "10.66.0.11/24", "{result}");
    let address = neighbour.link("net1")["address"].as_str().expect("a hardware address").to_owned();
    let entry = pod.ip("neigh show 10.66.0.254 dev net1");
    assert!(address.len() == 59 && entry.contains(&address), "{address}: {entry}");
    run("DEL", &pod, &config);
    assert_eq!(picture(&vf), before);
}

#[test]
fn a_silent_gateway_fails_add_and_the_vf_goes_back() {
    let (vf, pod) = (vf(6, 0), Pod::new());
    let before = picture(&vf);
    let config = config(&vf, &json!({ "gateway": true, "interval": "20ms", "timeout": "200ms" }));
    let error = try_run("ib-sriov", "ADD", &pod, &config).expect_err("nobody answers");
    assert_eq!(error["code"], 103, "{error}");
    let said = "gateway 10.66.0.254 does not answer on net1: 3 ARP requests in 240 ms";
    assert!(error["msg"].as_str().is_some_and(|msg| msg.starts_with(said)), "{error}");
    assert!(pod.links().is_empty() && pod.rdma_devices().is_empty());
    assert_eq!(picture(&vf), before);
}
