//! DEL, GC and what a killed process leaves: the pod is what it was, byte for byte.

use serde_json::{Value, json};
use testkit::{Chain, Matrix, Share, assert_same, matrix_tests};

use crate::node::on_node;
use crate::pod::{Scene, Stack};

fn config() -> Value {
    json!({
        "serviceCIDR": ["10.96.0.0/12"], "policyRoutes": [{ "dst": "10.9.0.0/16", "gw": "172.16.1.1" }],
        "podMACPrefix": "0a:1b", "txQueueLen": 2000, "podRPFilter": 2, "podDefaultRouteNic": "net1",
    })
}

/// Its interface is there from before, and so is another rail of the pod.
fn matrix(run: impl FnOnce(&Matrix<'_>)) {
    let scene = with_a_default_in_front();
    let bare = scene.snapshot();
    scene.add(2, &json!({}));
    let chain = Chain::default().first(scene.plugin("net1"), scene.config(&scene.rails[0], &config()));
    run(&Matrix::new("coordinator", &scene.world, chain, Share::All, &["file state/locks/"]));
    scene.del(2);
    assert_same(&bare, &scene.snapshot());
}

matrix_tests! { matrix }

/// Two rails, the first with its default route in front of eth0's: the hardest to put back.
fn with_a_default_in_front() -> Scene {
    let scene = Scene::new(2, Stack::Dual);
    scene.pod.ip_do(
        "route del default via 172.16.1.254 dev net1\nroute prepend default via 172.16.1.254 dev net1",
    );
    scene
}

#[test]
fn del_twice_and_without_any_add_is_success() {
    let scene = Scene::new(1, Stack::V4);
    let before = scene.snapshot();
    scene.del(1);
    scene.add(1, &config());
    scene.del(1);
    scene.del(1);
    assert_same(&before, &scene.snapshot());
}

/// Somebody has removed one file; what the pod's interfaces share is on record beside it.
#[test]
fn del_without_its_record_undoes_what_the_pods_record_knows() {
    let scene = Scene::new(2, Stack::V4);
    scene.add(1, &config());
    scene.add(2, &json!({}));
    let record = scene.world.dirs().state.join("attachments/rail1/cid,coordinator,net1");
    std::fs::remove_file(&record).unwrap_or_else(|error| panic!("{}: {error}", record.display()));
    scene.del(1);
    let rules = scene.rules("-4").join("\n");
    assert!(!rules.contains("lookup 101") && rules.contains("lookup 102"), "{rules}");
    assert!(scene.table("-4", "101").is_empty(), "{:?}", scene.table("-4", "101"));
    assert!(!on_node(&scene, "ip route show table 500").iter().any(|line| line.starts_with("172.16.1.10")));
}

/// Hazard 11: upstream's DEL needs its agent. Ours needs the record, and not even a valid config.
#[test]
fn del_needs_no_namespace_no_link_and_no_valid_config() {
    let scene = Scene::new(3, Stack::V4);
    scene.add(1, &config());
    scene.add(2, &json!({}));
    scene.add(3, &json!({ "podRPFilter": 1 }));
    scene.pod.ip_do("link del net1");
    let broken = json!({ "cniVersion": "1.1.0", "name": "rail1", "type": "coordinator", "mode": "nonsense", "policyRoutes": 7 });
    scene.plugin("net1").del(&broken).success();
    assert_eq!(scene.way_out("-4"), "eth0");
    assert!(!scene.rules("-4").join("\n").contains("lookup 101"));
    scene.plugin("net2").without_env("CNI_NETNS").del(&scene.bare_config(2)).success();
    assert!(!scene.rules("-4").join("\n").contains("lookup 102"), "found by the path of ADD");
    let path = scene.pod.path().to_owned();
    scene.world.remove_pod("a");
    scene.world.plugin("coordinator").netns(&path).ifname("net3").del(&scene.bare_config(3)).success();
    let left = scene.snapshot().to_string();
    assert!(!left.lines().any(|line| line.starts_with("file state/attachments")), "{left}");
}

#[test]
fn a_late_del_of_an_old_sandbox_leaves_a_newer_pod_alone() {
    let scene = Scene::new(1, Stack::V4);
    scene.add(1, &config());
    let path = scene.pod.path().to_owned();
    scene.world.remove_pod("a");
    let newer = scene.world.pod("a");
    newer.ip_do("rule add from 172.16.1.10 lookup 101 priority 10101 protocol 211\nroute add default via 169.254.1.1 dev eth0 table 101 protocol 211");
    // What the old one had on the node goes.
    let before = scene.world.snapshot().without("file ").without("host ");
    scene.world.plugin("coordinator").netns(&path).ifname("net1").del(&scene.bare_config(1)).success();
    assert_same(&before, &scene.world.snapshot().without("file ").without("host "));
    assert_eq!(scene.world.host().ip(&["route", "show", "table", "all", "proto", "211"]), json!([]));
}

#[test]
fn rules_and_routes_of_others_stay() {
    let scene = Scene::new(1, Stack::V4);
    scene.add(1, &config());
    scene.pod.ip_do(
        "rule add from 172.16.1.10 lookup 101 priority 9\nroute add 203.0.113.0/24 dev net1 table 101",
    );
    scene.del(1);
    assert!(scene.rules("-4").contains(&"9: from 172.16.1.10 lookup 101".to_owned()));
    assert_eq!(scene.table("-4", "101"), ["203.0.113.0/24 dev net1 scope link"]);
}

#[test]
fn a_damaged_record_is_undone_by_our_mark() {
    let scene = Scene::new(1, Stack::V4);
    let before = scene.snapshot();
    scene.add(1, &json!({ "serviceCIDR": ["10.96.0.0/12"] }));
    let record = scene.world.dirs().state.join("attachments/rail1/cid,coordinator,net1");
    std::fs::File::options().write(true).open(record).and_then(|file| file.set_len(20)).unwrap();
    scene.del(1);
    assert_same(&before, &scene.snapshot());
}

/// Rules, and routes of any table, that carry our protocol number: in the pod, and on the node.
fn marked(scene: &Scene) -> Vec<String> {
    let mut lines = Vec::new();
    for family in ["-4", "-6"] {
        lines.extend(scene.rules(family));
        let routes = scene.pod.exec(&["ip", family, "route", "show", "table", "all", "proto", "211"]);
        lines.extend(crate::pod::lines(&routes));
        for what in ["rule show", "route show table all proto 211"] {
            lines.extend(on_node(scene, &format!("ip {family} {what}")));
        }
    }
    lines
}

fn lose_the_state(scene: &Scene) {
    let state = &scene.world.dirs().state;
    std::fs::remove_dir_all(state).and_then(|()| std::fs::create_dir(state)).unwrap();
}

#[test]
fn del_knows_its_own_by_the_result_once_the_state_directory_is_lost() {
    for order in [[1, 2], [2, 1]] {
        let scene = Scene::new(2, Stack::Dual);
        let (before, rules) = (marked(&scene), |scene: &Scene| [scene.rules("-4"), scene.rules("-6")]);
        scene.add(1, &config());
        scene.add(2, &json!({}));
        let attached = rules(&scene);
        lose_the_state(&scene);
        for number in order {
            let rail = &scene.rails[number - 1];
            scene.plugin(&crate::pod::nic(rail)).del(&scene.config(rail, &json!({}))).success();
        }
        assert_eq!(marked(&scene), before, "after DEL in the order {order:?}");
        for family in ["-4", "-6"] {
            let main = scene.table(family, "main");
            // Beside that of a NIC that goes next, in IPv6 as one of its branches.
            let way_out = |line: &String| line.contains(" via ") && line.contains("dev eth0");
            assert!(main.iter().any(way_out), "eth0 has its default route again: {main:?}");
        }
        scene.add(1, &config());
        scene.add(2, &json!({}));
        assert_eq!(rules(&scene), attached, "none is there twice");
    }
}

/// Without a DEL, or after one of a version that did not look.
#[test]
fn add_takes_over_what_it_finds_of_its_own() {
    let scene = Scene::new(2, Stack::Dual);
    let before = marked(&scene);
    scene.add(1, &json!({}));
    let attached = marked(&scene);
    lose_the_state(&scene);
    scene.add(1, &json!({}));
    assert_eq!(marked(&scene).len(), attached.len(), "{:?}", marked(&scene));
    scene.del(1);
    assert_eq!(marked(&scene), before);
}

#[test]
fn del_without_a_record_leaves_what_another_attachment_has_on_record() {
    let scene = Scene::new(2, Stack::Dual);
    scene.add(1, &json!({}));
    scene.add(2, &json!({}));
    let before = scene.snapshot();
    // The address of net2, in the result of a container that is gone; and net2 itself by a container that never was.
    let theirs = scene.config(&scene.rails[1], &json!({}));
    scene.plugin("net7").container("gone").del(&theirs).success();
    scene.plugin("net2").container("gone").del(&theirs).success();
    let damaged = scene.world.dirs().state.join("attachments/rail2/gone,coordinator,net2");
    std::fs::File::create_new(&damaged).unwrap();
    scene.plugin("net2").container("gone").del(&theirs).success();
    assert_same(&before, &scene.snapshot());
}

#[test]
fn a_table_that_somebody_else_has_added_to_is_met() {
    let scene = Scene::new(2, Stack::V4);
    scene.add(1, &json!({}));
    scene.pod.ip_do("route replace default via 172.16.1.1 dev net1 table 100");
    scene.add(2, &json!({}));
    assert_eq!(scene.way_out("-4"), "eth0");
    scene.del(2);
    scene.del(1);
    assert_eq!(scene.table("-4", "100"), ["default via 172.16.1.1 dev net1"], "it is theirs");
}

#[test]
fn gc_undoes_what_is_not_valid_and_nothing_else() {
    let scene = Scene::new(2, Stack::Dual);
    let before = scene.snapshot();
    scene.add(1, &config());
    scene.add(2, &json!({}));
    let gc = |network: &str, valid: Value| {
        let config = json!({ "cniVersion": "1.1.0", "name": network, "type": "coordinator", "cni.dev/valid-attachments": valid });
        scene.world.plugin("coordinator").gc(&config)
    };
    let both = scene.snapshot();
    gc("rail1", json!([{ "containerID": "cid", "ifname": "net1" }])).success();
    gc("rail9", json!([])).success();
    assert_same(&both, &scene.snapshot());
    scene.world.plugin("coordinator").gc(&scene.bare_config(1)).success();
    assert_same(&both, &scene.snapshot());
    gc("rail1", json!([{ "containerID": "other", "ifname": "net1" }])).success();
    assert_eq!(scene.way_out("-4"), "eth0");
    assert!(scene.rules("-4").join("\n").contains("lookup 102"), "the other network's is left");
    gc("rail2", Value::Null).success();
    assert_same(&before, &scene.snapshot());
}

#[test]
fn gc_drops_the_records_of_a_pod_whose_namespace_is_gone() {
    let scene = Scene::new(1, Stack::V4);
    scene.add(1, &config());
    scene.world.remove_pod("a");
    let config = json!({ "cniVersion": "1.1.0", "name": "rail1", "type": "coordinator", "cni.dev/valid-attachments": [] });
    scene.world.plugin("coordinator").gc(&config).success();
    assert!(!scene.snapshot().to_string().contains("file state/attachments"));
}

/// A pod whose lock is held is not waited for without end, and its state is not touched.
#[test]
fn a_held_lock_is_try_again_later() {
    let scene = Scene::new(1, Stack::V4);
    scene.add(1, &json!({}));
    scene.del(1);
    let before = scene.world.snapshot();
    let slot = 1 << 32 | i64::try_from(scene.pod.id().1).unwrap();
    let locks = scene.world.dirs().state.join("locks");
    let lock =
        state::Lock::acquire_slot(&locks.join("attachments"), slot, std::time::Duration::ZERO).unwrap();
    let error = scene.plugin("net1").add(&scene.config(&scene.rails[0], &json!({}))).error();
    assert_eq!(error.code, 11, "{error:?}");
    drop(lock);
    assert_same(&before, &scene.world.snapshot());
    let left: Vec<_> = std::fs::read_dir(&locks).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["node-routes"], "attachments and pods come and go, and leave no file");
}
