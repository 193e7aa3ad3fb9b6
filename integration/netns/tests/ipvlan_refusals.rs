//! What `ipvlan` refuses: code, message, and that nothing changed. What a kernel with ipvlan does is seen in the VM lab.

#![expect(clippy::unwrap_used, reason = "the functions between the tests are tests too")]

use serde_json::{Value, json};
use testkit::{Outcome, Plugin, World, assert_same};

fn config(more: &Value) -> Value {
    let mut config = json!({ "cniVersion": "1.1.0", "name": "rail1", "type": "ipvlan", "master": "rail1" });
    config.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    config
}

/// A world with a rail and a pod, in which `attempt` has to fail with `code` and all of `words`, and to change nothing.
fn refused(code: u64, words: &[&str], prepare: impl Fn(&World), attempt: impl Fn(Plugin) -> Outcome) {
    let world = World::new();
    world.rail(1);
    let pod = world.pod("a");
    prepare(&world);
    let before = world.snapshot();
    let error = attempt(world.plugin("ipvlan").netns(pod.path())).error();
    let text = format!("{} {}", error.msg, error.details);
    assert_eq!(error.code, code, "{text}");
    for word in words {
        assert!(text.contains(word), "{word:?} is missing in: {text}");
    }
    assert_same(&before.without("file "), &world.snapshot().without("file "));
    assert!(!world.dirs().state.join("attachments/rail1/cid,ipvlan,net1").exists());
}

fn refused_config(words: &[&str], more: &Value) {
    refused(7, words, |_| (), |plugin| plugin.add(&config(more)));
}

#[test]
fn wrong_values() {
    refused_config(&["unknown ipvlan mode: \"l4\"", "l3s"], &json!({ "mode": "l4" }));
    refused_config(&["unknown ipvlan flag: \"public\"", "vepa"], &json!({ "flag": "public" }));
    refused_config(&["mtu", "\"9000\""], &json!({ "mtu": "9000" }));
    refused_config(&["invalid MTU 9001", "master MTU(9000)"], &json!({ "mtu": 9001 }));
}

#[test]
fn a_master_that_cannot_serve() {
    refused_config(&["master \"nosuch\"", "host"], &json!({ "master": "nosuch" }));
    refused_config(&["one master", "ifacer"], &json!({ "master": ["rail1", "rail2"] }));
    refused_config(&["loopback"], &json!({ "master": "lo" }));
    let down = |world: &World| world.host().ip_do("link set rail1 down");
    let required = config(&json!({ "requireMasterUp": true }));
    refused(11, &["\"rail1\" is down", "ip link set"], down, |plugin| plugin.add(&required));
    let port = |world: &World| world.host().ip_do("link add br0 type bridge\nlink set rail1 master br0");
    refused(7, &["port of br0"], port, |plugin| plugin.add(&config(&json!({}))));
}

#[test]
fn a_chain_without_a_single_interface() {
    let mut conf = config(&json!({ "prevResult": { "cniVersion": "1.1.0", "interfaces": [] } }));
    conf.as_object_mut().unwrap().remove("master");
    refused(7, &["chained master failure"], |_| (), |plugin| plugin.add(&conf));
}

#[test]
fn a_name_that_the_pod_uses() {
    refused(7, &["eth0"], |_| (), |plugin| plugin.ifname("eth0").add(&config(&json!({}))));
}

#[test]
fn del_needs_neither_master_nor_default_route_nor_a_single_interface() {
    let world = World::new();
    let pod = world.bare_pod("a");
    let before = json!({ "cniVersion": "1.1.0", "interfaces": [{ "name": "a" }, { "name": "b" }] });
    let conf = json!({ "cniVersion": "1.1.0", "name": "rail1", "type": "ipvlan", "mode": "l9", "prevResult": before });
    for plugin in [world.plugin("ipvlan").netns(pod.path()), world.plugin("ipvlan")] {
        assert!(plugin.del(&conf).success().is_null());
    }
}

#[test]
fn status_wants_the_master() {
    let world = World::new();
    world.rail(1);
    let before = world.snapshot();
    world.plugin("ipvlan").status(&config(&json!({}))).success();
    let error = world.plugin("ipvlan").status(&config(&json!({ "master": "nosuch" }))).error();
    assert!(error.code == 50 && error.msg.contains("nosuch"), "{error:?}");
    assert_same(&before, &world.snapshot());
}
