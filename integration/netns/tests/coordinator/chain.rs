//! After `macvlan`, as a runtime chains them.

use std::os::unix::fs::PermissionsExt;

use serde_json::{Value, json};
use testkit::{Plugin, World, assert_same};

fn plugins(world: &World, netns: &std::path::Path) -> [(Plugin, Value); 2] {
    let result = json!({
        "cniVersion": "1.1.0",
        "ips": [{ "address": "172.16.1.10/24", "gateway": "172.16.1.254" },
                { "address": "fd00:16:1::10/64", "gateway": "fd00:16:1::fe" }],
        "routes": [{ "dst": "0.0.0.0/0" }, { "dst": "::/0" }, { "dst": "172.16.0.0/16", "gw": "172.16.1.253" }],
    });
    let script = world.file(
        "fixed-ipam",
        format!("#!/bin/sh\ncat >/dev/null\n[ \"$CNI_COMMAND\" != ADD ] || echo '{result}'\n"),
    );
    std::fs::set_permissions(script, std::fs::Permissions::from_mode(0o755)).unwrap();
    let config = |kind: &str, more: Value| {
        let mut config = json!({ "cniVersion": "1.1.0", "name": "rail1", "type": kind });
        crate::pod::merge(&mut config, &more);
        (world.plugin(kind).netns(netns).env("CNI_PATH", &world.dirs().scratch), config)
    };
    [
        config("macvlan", json!({ "master": "rail1", "ipam": { "type": "fixed-ipam" } })),
        config("coordinator", json!({ "serviceCIDR": ["10.96.0.0/12"], "podMACPrefix": "0a:1b" })),
    ]
}

#[test]
fn a_chain_with_macvlan_is_added_checked_and_deleted() {
    let world = World::new();
    world.rail(1);
    let pod = world.pod("a");
    let before = world.snapshot().without("file state/locks/");
    let chain = plugins(&world, pod.path());
    let mut result = Value::Null;
    for (plugin, config) in &chain {
        let mut config = config.clone();
        if !result.is_null() {
            config["prevResult"] = result;
        }
        result = plugin.add(&config).success();
    }
    assert_eq!(pod.ip(&["route", "get", "198.51.100.1"])[0]["dev"], "eth0");
    assert_eq!(pod.ip(&["route", "get", "198.51.100.1", "from", "172.16.1.10"])[0]["dev"], "net1");
    let pool = pod.ip(&["route", "get", "172.16.9.9", "from", "172.16.1.10"])[0].clone();
    assert_eq!((&pool["gateway"], &pool["dev"]), (&json!("172.16.1.253"), &json!("net1")));
    for (plugin, config) in &chain {
        let mut config = config.clone();
        config["prevResult"] = result.clone();
        plugin.check(&config).success();
    }
    for (plugin, config) in chain.iter().rev() {
        let mut config = config.clone();
        config["prevResult"] = result.clone();
        plugin.del(&config).success();
    }
    assert_same(&before, &world.snapshot().without("file state/locks/"));
}
