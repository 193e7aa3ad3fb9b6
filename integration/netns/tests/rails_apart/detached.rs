//! A pod that does what it can against being detached.

use serde_json::{Value, json};
use testkit::assert_same;

use crate::scene::{Scene, config, ipam};

fn rails() -> Value {
    let rail = |number: usize| json!({ "master": format!("rail{number}"), "ipam": ipam(number, &[4, 6], &json!([{ "dst": "0.0.0.0/0" }])) });
    config("rail", 1, &json!({ "name": "rails", "rails": [rail(1), rail(2)] }))
}

/// The kernel deletes the links of a group together or not at all, and `lo` cannot be deleted.
#[test]
fn lo_in_the_group_of_links_that_go_does_not_keep_them() {
    let scene = Scene::new(2);
    let before = scene.kernel();
    let plugin = scene.plugin("rail", 1);
    plugin.add(&rails()).success();
    let first = scene.pod.ifindex("net1").min(scene.pod.ifindex("net2"));
    for index in [first, scene.pod.ifindex("net1"), scene.pod.ifindex("net2")] {
        scene.pod.ip_do(&format!("link set lo group {}", 211_u32 << 23 | index));
    }
    let group = 211_u32 << 23 | scene.pod.ifindex("net1");
    scene.pod.ip_do(&format!("link set lo group {group}"));
    let outcome = plugin.del(&rails());
    assert!(outcome.stderr.contains("one by one"), "{outcome}");
    outcome.success();
    assert!(!scene.pod.has_link("net1") && !scene.pod.has_link("net2"));
    scene.pod.ip_do("link set lo group 0");
    assert_same(&before, &scene.kernel());
    let leases = scene.world.snapshot().to_string();
    assert!(!leases.contains("lease 172.16."), "{leases}");
}

/// Another link of the pod has taken the MAC that net1 had before.
#[test]
fn a_mac_that_the_pod_has_taken_does_not_keep_the_nic() {
    let scene = Scene::new(1);
    let own = ipam(1, &[4], &json!([{ "dst": "0.0.0.0/0" }]));
    let mut link =
        config("macvlan", 1, &json!({ "master": "rail1", "ipam": own, "mac": "02:00:5e:00:00:01" }));
    let mut routing = config("coordinator", 1, &json!({ "podMACPrefix": "0a:1b" }));
    let before = scene.kernel();
    routing["prevResult"] = scene.plugin("macvlan", 1).add(&link).success();
    link["prevResult"] = scene.plugin("coordinator", 1).add(&routing).success();
    scene.pod.ip_do(
        "link add link net1 name thief address 02:00:5e:00:00:01 type macvlan mode bridge\nlink set thief up",
    );
    let outcome = scene.plugin("coordinator", 1).del(&routing);
    assert!(outcome.stderr.contains("left as it is in the pod"), "{outcome}");
    outcome.success();
    scene.plugin("macvlan", 1).del(&link).success();
    scene.pod.ip_do("link del thief");
    assert_same(&before, &scene.kernel());
}

/// Whatever the pod has made of our rules and routes, DEL comes to its end, and the node's side is gone.
#[test]
fn what_the_pod_has_put_in_the_place_of_ours_does_not_keep_the_nic() {
    let scene = Scene::new(2);
    let before = scene.kernel();
    let plugin = scene.plugin("rail", 1);
    for mischief in [
        "rule flush\nrule add lookup main",
        "route flush table 101\nroute add unreachable default table 101\nroute flush table main\nroute add blackhole default",
        "link set net1 down\nlink set net1 name gone\nlink set net2 addrgenmode none",
        "addr flush dev net1\naddr add 172.16.2.10/24 dev net1",
        "link del net2\nlink add net2 type bridge\nlink set net2 up",
    ] {
        plugin.add(&rails()).success();
        scene.pod.ip_do(mischief);
        plugin.del(&rails()).success();
        assert!(!scene.pod.has_link("net1") && !scene.pod.has_link("gone"), "{mischief}");
        let node = scene.kernel();
        let of_node = |picture: testkit::Snapshot| picture.without("a ");
        assert_same(&of_node(before.clone()), &of_node(node));
        restore(&scene);
    }
}

/// The pod as it was, for the next try.
fn restore(scene: &Scene) {
    for line in [
        "rule flush",
        "rule add lookup main priority 32766",
        "rule add lookup default priority 32767",
        "route flush table 101",
        "route flush table main",
        "addr flush dev eth0",
        "link del net2",
    ] {
        drop(scene.pod.try_ip(&line.split(' ').collect::<Vec<_>>()));
    }
    let own = scene.pod.eth0_4();
    scene.pod.ip_do(&format!(
        "addr add {own}/32 dev eth0\nroute add 169.254.1.1 dev eth0 scope link\nroute add default via 169.254.1.1 dev eth0"
    ));
}

/// What is too long for the name of a record was never attached, and so it is detached.
#[test]
fn a_container_id_that_is_too_long_for_a_record_can_be_deleted() {
    let scene = Scene::new(1);
    let before = scene.kernel();
    let long = "c".repeat(250);
    let own = ipam(1, &[4], &json!([]));
    let link = config("macvlan", 1, &json!({ "master": "rail1", "ipam": own }));
    for plugin in ["macvlan", "rail"] {
        let plugin = scene.plugin(plugin, 1).container(&long);
        let error = plugin.add(&link).error();
        assert!(error.msg.contains("250 bytes at most"), "{error:?}");
        plugin.del(&link).success();
    }
    scene.plugin("coordinator", 1).container(&long).del(&config("coordinator", 1, &json!({}))).success();
    assert_same(&before, &scene.kernel());
}
