//! What a pod has more of than anybody would copy.

use std::path::PathBuf;

use serde_json::json;
use testkit::assert_same;

use crate::pod::{Scene, Stack};

/// The files of our state whose names have `part` in them.
fn records(scene: &Scene, part: &str) -> Vec<PathBuf> {
    let state = scene.world.dirs().state.join("attachments");
    let files = ["rail1", "pods"].iter().flat_map(|network| std::fs::read_dir(state.join(network)).unwrap());
    let named = |path: &PathBuf| path.to_string_lossy().contains(part);
    files.map(|file| file.unwrap().path()).filter(named).collect()
}

/// Whatever a pod had copied into it by an older version.
#[test]
fn a_record_of_the_pod_that_is_longer_than_a_read_is_not_the_end_of_del() {
    let scene = Scene::new(2, Stack::V4);
    scene.add(1, &json!({}));
    scene.add(2, &json!({}));
    let record = records(&scene, ",coordinator-pod,").remove(0);
    std::fs::OpenOptions::new().write(true).open(record).unwrap().set_len(17 << 20).unwrap();
    scene.del(1);
    assert!(!scene.rules("-4").join("\n").contains("lookup 101"));
    let path = scene.pod.path().to_owned();
    scene.world.remove_pod("a");
    scene.world.plugin("coordinator").netns(&path).ifname("net2").del(&scene.bare_config(2)).success();
    let on_node = scene.world.host().ip(&["route", "show", "table", "all", "proto", "211"]);
    assert_eq!((on_node, records(&scene, ",coordinator")), (json!([]), Vec::new()));
    let rules = scene.world.host().ip(&["rule", "show", "priority", "1000"]);
    assert_eq!(rules, json!([]));
}

/// The pod may have any number, and the copies are written down.
#[test]
fn more_routes_than_any_nic_has_are_refused_with_their_number() {
    let scene = Scene::new(1, Stack::V4);
    let add = |n: u32| format!("route add 203.0.{}.{}/32 dev eth0 mtu 1400\n", n >> 8, n & 255);
    scene.pod.ip_do(&(0..1_100).map(add).collect::<String>());
    let before = scene.snapshot();
    let rail = &scene.rails[0];
    let error = scene.plugin("net1").add(&scene.config(rail, &json!({}))).error();
    assert!(error.msg.contains("eth0 has 110") && error.msg.contains("routes in main"), "{error:?}");
    assert_same(&before, &scene.snapshot());
}
