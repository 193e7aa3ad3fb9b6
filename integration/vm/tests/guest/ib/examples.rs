//! The files in conf-examples/infiniband that are about VFs.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use vm::lab::{Mode, Pod, run as program, set_rdma_mode, vf};

use super::ib_sriov::{fails, run};

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../conf-examples")
}

/// The first plugin's config; of a YAML file, its `config`.
fn first(file: &str) -> Value {
    let text = fs::read_to_string(examples().join("infiniband").join(file)).expect("the example");
    let json = text.split_once("config: |").map_or(text.as_str(), |(_, config)| config);
    let list: Value = serde_json::from_str(json).expect("JSON");
    let mut conf = list["plugins"][0].clone();
    for key in ["cniVersion", "name"] {
        conf[key] = list[key].clone();
    }
    conf
}

fn pools() {
    let pools = examples().join("pools/rails-shared-subnet.yaml");
    program(&["mkdir", "-p", "/etc/railcni/pools.d"]);
    program(&["cp", pools.to_str().expect("a path"), "/etc/railcni/pools.d/"]);
}

fn attach(file: &str, more: &Value) {
    set_rdma_mode(Mode::Exclusive);
    pools();
    let (vf, pod) = (vf(0, 2), Pod::new());
    let mut conf = first(file);
    conf["deviceID"] = json!(vf.bdf());
    conf.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    let result = run("ADD", &pod, &conf);
    assert!(result["ips"][0]["address"].as_str().is_some_and(|ip| ip.starts_with("172.16.11.")), "{result}");
    assert_eq!((pod.links().len(), pod.rdma_devices().len()), (1, 1));
    run("DEL", &pod, &conf);
    assert!(pod.links().is_empty() && pod.rdma_devices().is_empty());
}

#[test]
fn a_vf_with_its_rdma_device() {
    attach("isolated.conflist", &json!({ "args": { "cni": { "guid": "11:22:33:44:55:66:99:01" } } }));
}

#[test]
fn a_partition_through_ib_kubernetes() {
    let mut conf = first("ib-kubernetes.yaml");
    conf["deviceID"] = json!(vf(0, 2).bdf());
    assert!(fails("ib-sriov", "ADD", &Pod::new(), &conf).contains("mellanox.infiniband.app"));
    let configured = json!({
        "args": { "cni": { "mellanox.infiniband.app": "configured", "pkey": "0x8001" } },
        "runtimeConfig": { "infinibandGUID": "11:22:33:44:55:66:99:02" },
    });
    attach("ib-kubernetes.yaml", &configured);
}
