//! A VLAN of a NIC, for one pod and for many.

use std::thread;

use serde_json::{Value, json};
use testkit::{Ping, assert_same, figure, torture};

use super::{ifacer, is_up, link, steady, vlan, world};

/// Pods that come at once; a bounded run has a quarter of them.
const CROWD: usize = 256;

/// N00001
#[test]
fn a_vlan_is_made_used_by_macvlan_and_stays_without_cleanup() {
    let world = world();
    let pod = world.bare_pod("a");
    world.switch().ip_do("link add vlan100 link port1 type vlan id 100\naddr add 10.100.0.1/24 dev vlan100\nlink set vlan100 up");
    let result = ifacer(&world, "a").add(&vlan(&json!({}))).success();
    assert_eq!(result, json!({ "cniVersion": "1.1.0" }));
    let made = link(world.host(), "rail1.100");
    assert_eq!((&made["linkinfo"]["info_data"]["id"], &made["mtu"]), (&json!(100), &json!(9000)));
    assert!(is_up(&made));
    let macvlan = json!({
        "cniVersion": "1.1.0", "name": "storage", "type": "macvlan", "master": "rail1.100", "prevResult": result,
    });
    world.plugin("macvlan").container("a").netns(pod.path()).add(&macvlan).success();
    pod.ip_do("addr add 10.100.0.2/24 dev net1");
    pod.assert_ping(&Ping::to(std::net::Ipv4Addr::new(10, 100, 0, 1)));
    let mut check = vlan(&json!({}));
    check["prevResult"] = result;
    ifacer(&world, "a").check(&check).success();
    ifacer(&world, "a").del(&vlan(&json!({}))).success();
    ifacer(&world, "a").del(&vlan(&json!({}))).success();
    assert!(world.host().has_link("rail1.100"));
}

/// N00002, N00003, N00005
#[test]
fn what_was_there_before_is_used_and_never_deleted() {
    let world = world();
    world.host().ip_do("link add rail1.100 link rail1 type vlan id 100\nlink set rail1 down");
    let (before, conf) = (steady(&world), vlan(&json!({ "cleanup": true })));
    ifacer(&world, "a").add(&conf).success();
    assert!(is_up(&link(world.host(), "rail1")), "a parent that is down is brought up");
    assert!(is_up(&link(world.host(), "rail1.100")), "a VLAN that is down is brought up");
    ifacer(&world, "a").del(&conf).success();
    assert!(world.host().has_link("rail1.100"));
    assert_same(&before, &steady(&world));
}

/// What is brought up for pods is theirs to use, and down again when the last of them goes, in whatever order VLANs share a NIC.
#[test]
fn what_was_down_is_down_again_after_its_last_user() {
    let world = world();
    world.host().ip_do("link set rail1 down");
    let is_up = |name: &str| is_up(&link(world.host(), name));
    let conf = |id: u16| vlan(&json!({ "vlanID": id, "cleanup": true }));
    let before = steady(&world);
    for order in [[100, 200], [200, 100]] {
        for (id, container) in [(100, "a"), (200, "b")] {
            ifacer(&world, container).add(&conf(id)).success();
        }
        let by = |id: u16| ifacer(&world, if id == 100 { "a" } else { "b" });
        by(order[0]).del(&conf(order[0])).success();
        assert!(is_up("rail1"), "the other VLAN has it");
        by(order[1]).del(&conf(order[1])).success();
        assert_same(&before, &steady(&world));
    }
}

/// Of a network that has no ifacer, whose pods are nobody's users.
#[test]
fn a_vlan_that_a_pod_of_another_network_is_on_stays() {
    let world = world();
    let pod = world.bare_pod("a");
    let conf = vlan(&json!({ "cleanup": true }));
    ifacer(&world, "a").add(&conf).success();
    world.host().ip_do("link add link rail1.100 name net1 netns a type macvlan");
    ifacer(&world, "a").del(&conf).success();
    assert!(pod.has_link("net1") && world.host().has_link("rail1.100"));
    pod.ip_do("link del net1");
    ifacer(&world, "b").add(&conf).success();
    ifacer(&world, "b").del(&conf).success();
    assert!(!world.host().has_link("rail1.100"), "the next last user takes it away");
}

#[test]
fn what_was_down_stays_up_while_anything_else_uses_it() {
    let world = world();
    let pod = world.bare_pod("a");
    let conf = vlan(&json!({ "cleanup": true }));
    for (use_it, let_go) in [
        ("link add link rail1 name used netns a type macvlan", ""),
        ("addr add 10.9.9.1/24 dev rail1", "addr del 10.9.9.1/24 dev rail1"),
        ("link add used link rail1 type vlan id 7\nlink set used up", "link del used"),
    ] {
        world.host().ip_do("link set rail1 down");
        ifacer(&world, "a").add(&conf).success();
        world.host().ip_do(use_it);
        ifacer(&world, "a").del(&conf).success();
        assert!(is_up(&link(world.host(), "rail1")), "{use_it}");
        world.host().ip_do(let_go);
        if pod.has_link("used") {
            pod.ip_do("link del used");
        }
    }
}

/// N00004
#[test]
fn a_vlan_under_another_name_is_refused_on_one_nic_and_fine_on_another() {
    let world = world();
    world.host().ip_do("link add storage link rail1 type vlan id 100");
    let before = world.snapshot().without("file ");
    let error = ifacer(&world, "a").add(&vlan(&json!({}))).error();
    assert!(
        error.code == 7 && error.msg.contains("as storage") && error.msg.contains("vlanName"),
        "{error:?}"
    );
    assert_same(&before, &world.snapshot().without("file "));
    ifacer(&world, "a").add(&vlan(&json!({ "vlanName": "storage" }))).success();
    ifacer(&world, "b").add(&vlan(&json!({ "interfaces": ["rail2"] }))).success();
    assert!(world.host().has_link("rail2.100"));
    let other =
        ifacer(&world, "c").add(&vlan(&json!({ "interfaces": ["rail3"], "vlanName": "storage" }))).error();
    assert!(other.msg.contains("storage is there already and is VLAN 100"), "{other:?}");
}

#[test]
fn the_last_of_a_crowd_of_pods_at_once_removes_it() {
    let (world, crowd) = (world(), if torture() { CROWD } else { CROWD / 4 });
    let before = world.snapshot().without("file ");
    let conf = vlan(&json!({ "cleanup": true, "mtu": 4200 }));
    let plugins: Vec<_> = (0..crowd).map(|number| ifacer(&world, &format!("pod{number}"))).collect();
    let every = |verb: &str| {
        thread::scope(|scope| {
            let runs: Vec<_> = plugins.iter().map(|plugin| scope.spawn(|| plugin.run(verb, &conf))).collect();
            for run in runs {
                run.join().expect("no panic").success();
            }
        });
    };
    every("ADD");
    figure("concurrent ADDs", "one VLAN master", crowd, CROWD);
    assert_eq!(link(world.host(), "rail1.100")["mtu"], 4200);
    let (last, others) = plugins.split_last().expect("a crowd");
    for plugin in &others[..crowd - 4] {
        plugin.del(&conf).success();
    }
    assert!(world.host().has_link("rail1.100"));
    every("DEL");
    last.del(&conf).success();
    assert_same(&before, &world.snapshot().without("file "));
}

#[test]
fn gc_releases_the_users_of_this_network() {
    let world = world();
    let conf = vlan(&json!({ "cleanup": true }));
    for container in ["a", "b"] {
        ifacer(&world, container).add(&conf).success();
    }
    let gc = |name: &str, valid: Value| {
        let call = vlan(&json!({ "name": name, "cni.dev/valid-attachments": valid }));
        world.plugin("ifacer").gc(&call).success();
        world.host().has_link("rail1.100")
    };
    assert!(gc("other", json!([])));
    assert!(gc("storage", json!([{ "containerID": "b", "ifname": "net1" }])));
    assert!(!gc("storage", json!([])));
}
