//! DEL and GC: what they take away, what they need for it, and what they leave alone.

use serde_json::{Value, json};
use testkit::{World, assert_same};

use super::{calls_of_ipam, config, dual_stack, ipam, macvlan};

#[test]
fn del_finds_a_link_that_the_pod_has_renamed() {
    let world = World::new();
    world.rail(1);
    let pod = world.pod("a");
    let plugin = macvlan(&world, &pod);
    plugin.add(&config(&json!({}))).success();
    pod.ip_do("link set net1 down\nlink set net1 name rdma0");
    plugin.del(&config(&json!({}))).success();
    assert!(!pod.has_link("rdma0"));
}

#[test]
fn del_needs_neither_master_nor_namespace_nor_ipam_binary() {
    let world = World::new();
    world.rail(1);
    let pod = world.pod("a");
    let before = world.snapshot();
    let conf = config(&json!({ "ipam": ipam(&world, &dual_stack()) }));
    let plugin = macvlan(&world, &pod);
    plugin.add(&conf).success();
    // An edited network definition: the master is another, the mode is nonsense, the IPAM is gone from the config.
    plugin.del(&config(&json!({ "master": "nosuch", "mode": "nonsense" }))).success();
    assert_eq!(calls_of_ipam(&world), ["ADD", "DEL"], "the record knows the IPAM");
    assert_same(&before.without("file "), &world.snapshot().without("file "));
    plugin.add(&conf).success();
    world.remove_pod("a");
    plugin.del(&conf).success();
    assert_eq!(calls_of_ipam(&world).last().unwrap(), "DEL");
    plugin.clone().without_env("CNI_NETNS").del(&conf).success();
    std::fs::remove_file(world.dirs().scratch.join("fixed-ipam")).unwrap();
    let error = plugin.del(&conf).error();
    assert!(error.msg.contains("fixed-ipam"), "{error:?}");
}

/// IPv6 is off in many pods until one of their interfaces has an address of it.
#[test]
fn ipv6_is_off_again_on_lo_after_the_last_address_of_it_and_after_a_failed_add() {
    let world = World::new();
    world.rail(1);
    let pod = world.bare_pod("a");
    for name in ["lo", "default"] {
        pod.set_sysctl(&format!("net/ipv6/conf/{name}/disable_ipv6"), "1");
    }
    let before = world.snapshot().without("file ");
    for name in ["macvlan", "rail"] {
        let conf = config(&json!({ "ipam": ipam(&world, &dual_stack()) }));
        let plugin = world.plugin(name).netns(pod.path()).env("CNI_PATH", &world.dirs().scratch);
        plugin.add(&conf).success();
        assert_eq!(
            pod.sysctl("net/ipv6/conf/lo/disable_ipv6"),
            "0",
            "an address of the pod is reached by lo"
        );
        plugin.del(&conf).success();
        assert_same(&before, &world.snapshot().without("file "));
        // The address is there when a route is refused.
        let mut result = dual_stack();
        result["routes"] = json!([{ "dst": "fd00:99::/64", "gw": "fd00:98::1" }]);
        plugin.add(&config(&json!({ "ipam": ipam(&world, &result) }))).error();
        assert_same(&before, &world.snapshot().without("file "));
    }
}

#[test]
fn a_late_del_leaves_the_next_pod_at_the_same_path_alone() {
    let world = World::new();
    world.rail(1);
    let old = world.pod("a");
    let plugin = macvlan(&world, &old);
    plugin.add(&config(&json!({}))).success();
    world.remove_pod("a");
    let new = world.pod("a");
    let newer = macvlan(&world, &new).container("other");
    newer.add(&config(&json!({}))).success();
    plugin.del(&config(&json!({}))).success();
    assert!(new.has_link("net1"));
}

#[test]
fn gc_releases_what_is_not_valid_in_this_network_only() {
    let world = World::new();
    world.rail(1);
    let pods: Vec<_> = ["a", "b", "c"].into_iter().map(|name| world.pod(name)).collect();
    let conf = config(&json!({}));
    let mut other = conf.clone();
    other["name"] = json!("rail9");
    macvlan(&world, &pods[0]).container("a").add(&conf).success();
    macvlan(&world, &pods[1]).container("b").add(&conf).success();
    macvlan(&world, &pods[2]).container("c").add(&other).success();
    let plugin = world.plugin("macvlan");
    plugin.gc(&conf).success();
    assert!(pods.iter().all(|pod| pod.has_link("net1")), "an absent list must not wipe the network");
    let mut call = conf.clone();
    call["cni.dev/valid-attachments"] = json!([{ "containerID": "a", "ifname": "net1" }]);
    plugin.gc(&call).success();
    let have: Vec<_> = pods.iter().map(|pod| pod.has_link("net1")).collect();
    assert_eq!(have, [true, false, true]);
    call["cni.dev/valid-attachments"] = Value::Null;
    plugin.gc(&call).success();
    assert!(!pods[0].has_link("net1") && pods[2].has_link("net1"));
}

/// What the record does not tell may be up all the same, and answers for its addresses.
#[test]
#[expect(clippy::disallowed_methods, reason = "nobody reads the files while they are written")]
fn gc_tells_the_ipam_to_keep_what_is_on_record() {
    let world = World::new();
    world.rail(1);
    let pod = world.pod("a");
    let asked = world.dirs().scratch.join("asked");
    let ipam = ipam(&world, &dual_stack());
    let script = std::fs::read_to_string(world.dirs().scratch.join("fixed-ipam")).unwrap();
    std::fs::write(
        world.dirs().scratch.join("fixed-ipam"),
        script.replace("/dev/null", &asked.display().to_string()),
    )
    .unwrap();
    let mut conf = config(&json!({ "ipam": ipam }));
    let plugin = macvlan(&world, &pod);
    plugin.add(&conf).success();
    let record = &world.dirs().state.join("attachments/rail1/cid,macvlan,net1");
    let text = std::fs::read_to_string(record).unwrap();
    std::fs::write(record, text.replace("attached", "attacheX")).unwrap();
    conf["cni.dev/valid-attachments"] = json!([{ "containerID": "b", "ifname": "net7" }]);
    for _ in 0..2 {
        let said = plugin.gc(&conf).error().msg;
        assert!(said.contains("checksum") && said.contains("is kept"), "{said}");
        let told: Value = serde_json::from_slice(&std::fs::read(&asked).unwrap()).unwrap();
        let valid =
            json!([{ "containerID": "b", "ifname": "net7" }, { "containerID": "cid", "ifname": "net1" }]);
        assert_eq!(told["cni.dev/valid-attachments"], valid);
        assert!(pod.has_link("net1"));
    }
    plugin.del(&conf).success();
    assert!(!pod.has_link("net1") && !record.exists());
}
