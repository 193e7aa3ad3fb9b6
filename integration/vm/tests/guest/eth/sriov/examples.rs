//! The files in conf-examples/sriov.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use vm::lab::{Pod, Vf, ip, run, vf};

use super::call::{pod, sriov};
use super::state::{State, assert_untouched};

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../conf-examples")
}

fn pools(name: &str) {
    let path = examples().join("pools").join(name);
    run(&["mkdir", "-p", "/etc/railcni/pools.d"]);
    run(&["cp", path.to_str().expect("a path"), "/etc/railcni/pools.d/"]);
}

/// Attaches and detaches by a conflist, and returns the last result.
fn attach(file: &str, vf: &Vf, pod: &Pod) -> Value {
    let before = State::of(vf);
    let text = fs::read_to_string(examples().join("sriov").join(file)).expect("the example");
    let list: Value = serde_json::from_str(&text).expect("JSON");
    let mut calls = Vec::new();
    let mut result = Value::Null;
    for plugin in list["plugins"].as_array().expect("plugins") {
        let name = plugin["type"].as_str().expect("a type");
        let whole = json!({ "cniVersion": list["cniVersion"], "name": list["name"], "prevResult": result });
        let call = sriov(vf, pod, &json!({})).then(name, plugin).with(&whole);
        result = call.run("ADD");
        calls.push(call);
    }
    for call in calls.iter().rev() {
        call.run("DEL");
    }
    assert_untouched(vf, &before);
    result
}

#[test]
fn a_shared_subnet() {
    pools("rails-shared-subnet.yaml");
    let result = attach("shared-subnet.conflist", &vf(0, 0), &pod());
    assert!(
        result["ips"][0]["address"].as_str().is_some_and(|address| address.starts_with("172.16.")),
        "{result}"
    );
}

#[test]
fn an_mtu_of_4200() {
    pools("rails-shared-subnet.yaml");
    let vf = vf(0, 0);
    ip(&format!("link set dev {} mtu 4200", vf.pf().ifname()));
    let result = attach("mtu-4200.conflist", &vf, &pod());
    assert_eq!(result["interfaces"][0]["mtu"], 4200);
}

#[test]
fn a_subnet_per_node_is_that_of_the_pf() {
    pools("rails-per-node-27.yaml");
    run(&["hostname", "node1"]);
    for (rail, net) in [(0, "172.16.1."), (2, "172.16.3.")] {
        let vf = vf(rail, 0);
        ip(&format!("addr add {net}30/27 dev {}", vf.pf().ifname()));
        let result = attach("per-node.conflist", &vf, &pod());
        let address = result["ips"][0]["address"].as_str().unwrap_or_default();
        assert!(address.starts_with(net), "{result}");
    }
}

#[test]
fn eight_rails_in_one_network() {
    pools("rails-per-node-27.yaml");
    run(&["hostname", "node1"]);
    let text = fs::read_to_string(examples().join("sriov/rails.conflist")).expect("the example");
    let list: Value = serde_json::from_str(&text).expect("JSON");
    let vfs: Vec<_> = (0..8).map(|rail| vf(rail, 0)).collect();
    let before: Vec<_> = vfs.iter().map(State::of).collect();
    for (rail, vf) in vfs.iter().enumerate() {
        ip(&format!("addr add 172.16.{}.30/27 dev {}", rail + 1, vf.pf().ifname()));
    }
    let written = list["plugins"][0]["rails"].as_array().expect("rails").len();
    assert_eq!(written, vfs.len());
    // The masters have the names of the lab, and the devices come in no order.
    let pfs: Vec<_> = vfs.iter().map(|vf| vf.pf().ifname()).collect();
    let devices: Vec<_> = vfs.iter().rev().map(|vf| vf.bdf()).collect();
    let here = json!({ "cniVersion": list["cniVersion"], "name": list["name"], "rails": pfs, "deviceID": null,
        "runtimeConfig": { "deviceID": devices } });
    let pod = pod();
    let call = sriov(&vfs[0], &pod, &json!({})).then("rail", &list["plugins"][0]).with(&here);
    let result = call.run("ADD");
    for (rail, ip) in result["ips"].as_array().expect("addresses").iter().enumerate() {
        let net = format!("172.16.{}.", rail + 1);
        assert!(ip["address"].as_str().is_some_and(|address| address.starts_with(&net)), "{result}");
    }
    assert_eq!(pod.rdma_devices().len(), 8);
    call.run("DEL");
    vfs.iter().zip(&before).for_each(|(vf, before)| assert_untouched(vf, before));
}
