//! What `sriov`, `ib-sriov` and `rdma` refuse in their configs.

use netns_tests::suite::with;
use serde_json::{Value, json};

use super::links::pkeys;
use crate::{Bad, wrong};

pub(crate) fn sriov(config: &Value) -> Vec<Bad> {
    let mut all = vf(config);
    let mut add =
        |path: &str, values: &[Value]| all.extend(values.iter().map(|value| wrong(config, path, value)));
    add("vlan", &[json!(4095), json!(-1), json!("28"), json!(1.5), json!([])]);
    add("mtu", &[json!(67), json!(-1), json!("9000"), json!(4_294_967_296_u64)]);
    for key in ["min_tx_rate", "max_tx_rate"] {
        add(key, &[json!(-1), json!("5"), json!(4_294_967_296_u64)]);
    }
    for key in ["spoofchk", "trust"] {
        add(key, &[json!("On"), json!("yes"), json!(true), json!(1)]);
    }
    add(
        "mac",
        &[json!("x"), json!("01:00:5e:00:00:01"), json!("00:00:00:00:00:00"), json!("02:00:00"), json!(5)],
    );
    let bad = |words: &[&str], more: Value| Bad::new(7, words, with(config.clone(), &more));
    all.extend([
        bad(&["vlanQoS", "without vlan"], json!({ "vlanQoS": 1 })),
        bad(&["vlanProto", "without vlan"], json!({ "vlanProto": "802.1q" })),
        bad(&["vlanQoS 8"], json!({ "vlan": 5, "vlanQoS": 8 })),
        bad(&["vlanQoS 1", "vlan 0"], json!({ "vlan": 0, "vlanQoS": 1 })),
        bad(&["vlanProto", "vlan 0"], json!({ "vlan": 0, "vlanProto": "802.1ad" })),
        bad(&["vlanProto", "802.1x"], json!({ "vlan": 5, "vlanProto": "802.1x" })),
        bad(&["min_tx_rate 9", "max_tx_rate 8"], json!({ "min_tx_rate": 9, "max_tx_rate": 8 })),
        bad(&["runtimeConfig.mac", "02:zz"], json!({ "runtimeConfig": { "mac": "02:zz" } })),
    ]);
    all.push(Bad::new(7, &["CNI_ARGS", "02:zz"], config.clone()).env("CNI_ARGS", "MAC=02:zz"));
    all.extend(unknown_args(config));
    all
}

pub(crate) fn ib_sriov(config: &Value) -> Vec<Bad> {
    let mut all = vf(config);
    let mut add =
        |path: &str, values: &[Value]| all.extend(values.iter().map(|value| wrong(config, path, value)));
    let reserved = "00:00:00:00:00:00:00:00";
    add("guid", &[json!("x"), json!("02:00:00:00:00:01"), json!(reserved), json!(5), json!([])]);
    for key in ["rdmaIsolation", "ibKubernetesEnabled", "vfioPciMode"] {
        add(key, &[json!("true"), json!(1), json!([])]);
    }
    all.extend(pkeys(config));
    let bad = |code, words: &[&str], more: Value| Bad::new(code, words, with(config.clone(), &more));
    let configured = json!({ "cni": { "mellanox.infiniband.app": "configured" } });
    all.extend([
        bad(7, &["runtimeConfig.infinibandGUID", "x"], json!({ "runtimeConfig": { "infinibandGUID": "x" } })),
        bad(7, &["args.cni.guid", "x"], json!({ "args": { "cni": { "guid": "x" } } })),
        bad(7, &["ipam", "dhcp"], json!({ "ipam": { "type": "dhcp" } })),
        bad(11, &["ibKubernetesEnabled", "configured"], json!({ "ibKubernetesEnabled": true })),
        bad(7, &["ibKubernetesEnabled", "GUID"], json!({ "ibKubernetesEnabled": true, "args": configured })),
    ]);
    all
}

/// Keys of every plugin that takes a VF.
fn vf(config: &Value) -> Vec<Bad> {
    let mut all = devices(config);
    all.extend(["up", "Auto", "down"].map(|state| wrong(config, "link_state", &json!(state))));
    all.extend([json!(1), json!(true)].map(|state| wrong(config, "link_state", &state)));
    all.push(Bad::new(7, &["deviceID is missing"], with(config.clone(), &json!({ "deviceID": null }))));
    let absent = with(config.clone(), &json!({ "deviceID": "ffff:3b:1f.7" }));
    all.push(Bad::new(7, &["ffff:3b:1f.7", "no such device"], absent).after_a_look());
    all
}

/// Which no path may be made of.
fn devices(config: &Value) -> Vec<Bad> {
    let names = [
        "ens1f0",
        "../../etc",
        "0000:3b:02",
        "0000:3b:02.8",
        "0000:3b:20.1",
        "/sys/bus/pci/devices/0000:3b:02.1",
        "mlx5_core.sf",
        "mlx5_core/sf.4",
        "..",
        "a\n.4",
        "0000:3b:02.1 ",
    ];
    let mut all: Vec<_> = names
        .map(|name| Bad::new(7, &[name.trim()], with(config.clone(), &json!({ "deviceID": name }))))
        .into();
    all.extend([json!(5), json!(["0000:3b:02.1"]), json!({})].map(|value| wrong(config, "deviceID", &value)));
    let runtime = json!({ "runtimeConfig": { "deviceID": "../etc" } });
    all.push(Bad::new(7, &["../etc"], with(config.clone(), &runtime)));
    all
}

fn unknown_args(config: &Value) -> Vec<Bad> {
    let args = ["COLOR=blue", "COLOR", "=blue", "IgnoreUnknown=perhaps", "IgnoreUnknown=0;X=1"];
    args.map(|args| Bad::new(4, &["CNI_ARGS"], config.clone()).env("CNI_ARGS", args)).into()
}

pub(crate) fn rdma(config: &Value) -> Vec<Bad> {
    let mut all = devices(config);
    let mut add =
        |path: &str, values: &[Value]| all.extend(values.iter().map(|value| wrong(config, path, value)));
    add("mode", &[json!("shared"), json!("Exclusive"), json!(1), json!([])]);
    add("rdmaDeviceName", &[json!("a/b"), json!(".."), json!("9x"), json!("a b"), json!(5), json!([])]);
    add("rdmaDeviceName", &[json!("x".repeat(64))]);
    for path in ["relative", "/run/../etc/passwd", ""] {
        let runtime = json!({ "runtimeConfig": { "CNIDeviceInfoFile": path } });
        let words: &[&str] = &["CNIDeviceInfoFile", path];
        if !path.is_empty() {
            all.push(Bad::new(7, words, with(config.clone(), &runtime)));
        }
    }
    all.push(Bad::new(7, &["prevResult"], with(config.clone(), &json!({ "prevResult": null }))));
    all.extend(unknown_args(config));
    all
}
