//! What `ipoib` refuses on a machine without InfiniBand, and that nothing changed.

use serde_json::{Value, json};
use testkit::{World, assert_same};

fn config(more: &Value) -> Value {
    let mut config = json!({ "cniVersion": "1.1.0", "name": "ib", "type": "ipoib", "master": "rail1" });
    config.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    config
}

fn refused(words: &[&str], more: &Value) {
    let world = World::new();
    world.rail(1);
    let pod = world.bare_pod("a");
    let before = world.snapshot();
    let error = world.plugin("ipoib").netns(pod.path()).add(&config(more)).error();
    assert_eq!(error.code, 7, "{error:?}");
    for word in words {
        assert!(error.msg.contains(word), "{word:?} is missing in: {error:?}");
    }
    assert_same(&before, &world.snapshot());
}

#[test]
fn a_master_that_is_missing_or_no_ipoib_interface() {
    refused(&["master is missing"], &json!({ "master": null }));
    refused(&["\"nosuch\"", "host"], &json!({ "master": "nosuch" }));
    refused(&["not an IPoIB interface", "macvlan"], &json!({}));
}

#[test]
fn values_that_make_no_sense() {
    refused(&["pkey \"0x8000\"", "0x8001"], &json!({ "pkey": "0x8000" }));
    refused(&["unknown ipoib mode", "connected"], &json!({ "mode": "reliable" }));
    refused(&["\"dhcp\"", "rail-ipam"], &json!({ "ipam": { "type": "dhcp" } }));
}

#[test]
fn del_leaves_a_link_of_another_kind_alone() {
    let world = World::new();
    let pod = world.bare_pod("a");
    pod.ip_do("link add net1 type bridge");
    let plugin = world.plugin("ipoib").netns(pod.path());
    plugin.del(&config(&json!({ "master": null }))).success();
    assert!(pod.has_link("net1"));
}

#[test]
fn status_wants_an_ipoib_master() {
    let world = World::new();
    world.rail(1);
    let error = world.plugin("ipoib").status(&config(&json!({}))).error();
    assert!(error.code == 50 && error.msg.contains("rail1"), "{error:?}");
}
