//! The file of conf-examples/infiniband that names the interface of a port.

use std::fs;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use vm::lab::{run, until};

use super::{has_carrier, host, parent};
use crate::eth::sriov::call::{call, pod};

#[test]
fn a_child_in_a_partition_with_an_address_of_its_rail_and_routing() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../conf-examples");
    let text = fs::read_to_string(folder.join("infiniband/ipoib.conflist")).expect("the example");
    let list: Value = serde_json::from_str(&text).expect("JSON");
    run(&["mkdir", "-p", "/etc/railcni/pools.d"]);
    let pools = folder.join("pools/rails-shared-subnet.yaml");
    run(&["cp", pools.to_str().expect("a path"), "/etc/railcni/pools.d/"]);
    assert_eq!(list["plugins"][0]["master"], parent(0));
    let (before, pod) = (host(), pod());
    let with_names = |index: usize| {
        let mut config = list["plugins"][index].clone();
        config["cniVersion"] = list["cniVersion"].clone();
        config["name"] = list["name"].clone();
        config
    };
    let first = call("ipoib", &pod, with_names(0));
    let result = first.run("ADD");
    assert!(result["ips"][0]["address"].as_str().is_some_and(|ip| ip.starts_with("172.16.11.")), "{result}");
    let second = call("coordinator", &pod, with_names(1)).with(&json!({ "prevResult": result }));
    second.run("ADD");
    assert!(pod.ip("rule").contains("lookup 101"), "{}", pod.ip("rule"));
    until(Duration::from_secs(10), "carrier", || has_carrier(&pod.link("net1")));
    second.run("DEL");
    first.run("DEL");
    assert_eq!(host().1, before.1);
    assert!(!pod.links().contains(&"net1".to_owned()));
}
