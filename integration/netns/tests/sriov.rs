//! `sriov` and `rdma` on a machine that has neither VFs nor RDMA: what is refused, and that refusing changes nothing.

use serde_json::{Value, json};
use testkit::{Plugin, Space, World, assert_same};

const DEVICE: &str = "0000:7f:1f.7";

fn config(more: &Value) -> Value {
    let mut config = json!({ "cniVersion": "1.1.0", "name": "rail1", "type": "sriov", "deviceID": DEVICE });
    config.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    config
}

fn plugin(world: &World, name: &str, pod: &Space) -> Plugin {
    world.plugin(name).netns(pod.path())
}

#[test]
fn bad_config_is_refused_with_key_and_value_before_any_change() {
    let world = World::new();
    let pod = world.bare_pod("a");
    let before = world.snapshot();
    for (bad, said) in [
        (json!({ "vlan": 4095 }), "vlan 4095"),
        (json!({ "vlan": "28" }), "vlan"),
        (json!({ "vlanQoS": 1 }), "vlanQoS"),
        (json!({ "vlan": 0, "vlanProto": "802.1ad" }), "vlanProto"),
        (json!({ "spoofchk": "On" }), "spoofchk \"On\""),
        (json!({ "trust": "yes" }), "trust \"yes\""),
        (json!({ "link_state": "up" }), "link_state \"up\""),
        (json!({ "min_tx_rate": 9, "max_tx_rate": 8 }), "min_tx_rate 9"),
        (json!({ "mac": "01:00:5e:00:00:01" }), "01:00:5e:00:00:01"),
        (json!({ "mtu": 60 }), "invalid MTU 60"),
        (json!({ "deviceID": "ens1f0" }), "\"ens1f0\""),
        (json!({ "deviceID": null }), "deviceID"),
        (json!({}), "no such device"),
    ] {
        let error = plugin(&world, "sriov", &pod).add(&config(&bad)).error();
        assert_eq!(error.code, 7, "{error:?}");
        assert!(error.msg.contains(said), "{error:?}");
    }
    assert_same(&before, &world.snapshot());
}

#[test]
fn del_of_what_never_was_is_a_success() {
    let world = World::new();
    let pod = world.bare_pod("a");
    let before = world.snapshot();
    for name in ["sriov", "rdma"] {
        let plugin = plugin(&world, name, &pod);
        plugin.del(&config(&json!({ "type": name }))).success();
        plugin.without_env("CNI_NETNS").del(&config(&json!({ "type": name, "deviceID": 5 }))).success();
    }
    assert_same(&before, &world.snapshot());
}

#[test]
#[expect(clippy::disallowed_methods, reason = "the peer writes its files in place")]
fn a_cache_of_the_peer_whose_vf_is_gone_is_removed() {
    let world = World::new();
    let pod = world.bare_pod("a");
    let folder = world.dirs().peer.join("sriov");
    std::fs::create_dir_all(folder.join("pci")).expect("the peer's folder");
    let cache = json!({
        "cniVersion": "1.0.0", "name": "rail1", "type": "sriov", "ipam": {}, "deviceID": DEVICE, "VFID": 0,
        "OrigVfState": { "HostIFName": "ens1f0v0", "EffectiveMAC": "02:00:00:00:00:01", "MTU": 1500 },
        "Master": "ens1f0", "vlan": 100,
    });
    std::fs::write(folder.join("cid-net1"), cache.to_string()).expect("the cache");
    std::fs::write(folder.join("pci").join(DEVICE), pod.path().to_str().expect("a path"))
        .expect("the allocation");
    plugin(&world, "sriov", &pod).del(&config(&json!({}))).success();
    assert!(!folder.join("cid-net1").exists() && !folder.join("pci").join(DEVICE).exists());
}

#[test]
fn gc_without_a_list_releases_nothing_and_with_one_succeeds() {
    let world = World::new();
    let pod = world.bare_pod("a");
    for name in ["sriov", "rdma"] {
        let plugin = plugin(&world, name, &pod);
        let outcome = plugin.gc(&config(&json!({ "type": name })));
        assert!(outcome.stderr.contains("cni.dev/valid-attachments"), "{outcome}");
        outcome.success();
        plugin.gc(&config(&json!({ "type": name, "cni.dev/valid-attachments": [] }))).success();
    }
}

#[test]
fn rdma_neither_runs_alone_nor_without_a_device_to_move() {
    let world = World::new();
    let pod = world.bare_pod("a");
    let before = world.snapshot();
    let rdma = plugin(&world, "rdma", &pod);
    let alone = rdma.add(&config(&json!({ "type": "rdma" }))).error();
    assert!(alone.code == 7 && alone.msg.contains("prevResult"), "{alone:?}");
    let previous =
        json!({ "cniVersion": "1.1.0", "interfaces": [{ "name": "net1", "sandbox": pod.path() }] });
    let said = rdma.add(&config(&json!({ "type": "rdma", "prevResult": previous }))).error().msg;
    // By the kernel: without RDMA, with it in its first mode, or made ready for pods.
    let reasons = ["this kernel has no RDMA", "rdma system set netns exclusive", "no such device"];
    assert!(reasons.iter().any(|reason| said.contains(reason)), "{said}");
    assert_same(&before, &world.snapshot());
}

#[test]
fn the_log_has_the_tokens_that_the_operators_suite_looks_for() {
    let world = World::new();
    let pod = world.bare_pod("a");
    let log = world.dirs().scratch.join("sriov.log");
    let allowed = format!("paths: {{ logFile: ['{}'] }}\n", world.dirs().scratch.display());
    state::file::replace(&world.dirs().config.join("node.yaml"), allowed.as_bytes()).expect("node.yaml");
    let conf = config(&json!({ "logLevel": "debug", "logFile": log }));
    let outcome = plugin(&world, "sriov", &pod).add(&conf);
    assert!(!outcome.status.success());
    let text = std::fs::read_to_string(&log).expect("the log");
    let line = text.lines().find(|line| line.contains("msg=\"function called\"")).expect("the line");
    for token in ["level=\"debug\"", "func=\"cmdAdd\"", "cniName=\"sriov-cni\"", "ifname=\"net1\""] {
        assert!(line.contains(token), "{token} is missing in {line}");
    }
}
