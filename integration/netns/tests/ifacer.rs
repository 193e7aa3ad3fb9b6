//! What `ifacer` refuses, and what it does without a change to the kernel. VLANs and bonds are made in the VM lab.

#![expect(clippy::unwrap_used, reason = "the functions between the tests are tests too")]

use serde_json::{Value, json};
use testkit::{World, assert_same};

fn config(more: &Value) -> Value {
    let mut config =
        json!({ "cniVersion": "1.1.0", "name": "rail1", "type": "ifacer", "interfaces": ["rail1"] });
    config.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    config
}

/// ADD with that config has to fail with code 7 and all of `words`, and to leave nobody noted as a user.
fn refused(words: &[&str], more: &Value, prepare: impl Fn(&World)) {
    let world = World::new();
    for number in [1, 2] {
        world.rail(number);
    }
    let pod = world.bare_pod("a");
    prepare(&world);
    let before = world.snapshot().without("file ");
    let error = world.plugin("ifacer").netns(pod.path()).add(&config(more)).error();
    let text = format!("{} {}", error.msg, error.details);
    assert_eq!(error.code, 7, "{text}");
    for word in words {
        assert!(text.contains(word), "{word:?} is missing in: {text}");
    }
    assert_same(&before, &world.snapshot().without("file "));
    let users = std::fs::read_dir(world.dirs().state.join("masters")).into_iter().flatten().flatten();
    assert!(users.map(|entry| entry.file_name()).all(|name| name == ".lock"));
}

fn refused_config(words: &[&str], more: &Value) {
    refused(words, more, |_| ());
}

#[test]
fn configs_that_make_no_sense() {
    refused_config(&["at least one"], &json!({ "interfaces": [] }));
    refused_config(&["vlanID 4095", "4094"], &json!({ "vlanID": 4095 }));
    refused_config(&["without a `bond`"], &json!({ "interfaces": ["rail1", "rail2"], "vlanID": 5 }));
    let options = json!({ "mode": 1, "options": "primary=rail1; arp_intervall=1" });
    refused_config(
        &["\"arp_intervall\"", "arp_interval"],
        &json!({ "interfaces": ["rail1", "rail2"], "bond": options }),
    );
}

#[test]
fn interfaces_that_cannot_serve() {
    refused_config(&["\"nosuch\"", "host"], &json!({ "interfaces": ["nosuch"], "vlanID": 5 }));
    refused_config(&["mtu 9001", "9000 of rail1"], &json!({ "vlanID": 5, "mtu": 9001 }));
    let bond = json!({ "interfaces": ["rail1", "rail2"], "bond": { "mode": 1 } });
    let port = |world: &World| world.host().ip_do("link add br0 type bridge\nlink set rail2 master br0");
    refused(&["\"rail2\" is a port of br0"], &bond, port);
}

/// A port of a bond is down for a moment, and loses its routes for ever.
#[test]
fn what_the_node_lives_by_becomes_no_port_of_a_bond() {
    let bond = json!({ "interfaces": ["rail1", "eth0"], "bond": { "mode": 1 } });
    let prepare = |change: &'static str| {
        move |world: &World| {
            world.let_take_whole(&["rail1"]);
            world.host().ip_do(&format!(
                "link add eth0 type veth peer name wire\nlink set eth0 up\nlink set wire up\n{change}"
            ));
        }
    };
    let words = ["eth0 has an address of the node, 192.0.2.7/24", "a bond", "wholeMasters in"];
    refused(&words, &bond, prepare("addr add 192.0.2.7/24 dev eth0"));
    refused(&["eth0 has the node's default route"], &bond, prepare("route add default dev eth0"));
    let of_a_pod = json!({ "interfaces": ["rail1", "rail2"], "bond": { "mode": 1 } });
    refused(&["rail2 is one end of a veth pair"], &of_a_pod, |world| world.let_take_whole(&["rail1"]));
}

#[test]
fn a_link_of_that_name_that_is_something_else() {
    let bridge =
        |name: &'static str| move |world: &World| world.host().ip_do(&format!("link add {name} type bridge"));
    refused(&["rail1.5", "is a bridge", "VLAN 5 of rail1"], &json!({ "vlanID": 5 }), bridge("rail1.5"));
    let bond = json!({ "interfaces": ["rail1", "rail2"], "bond": { "mode": 1 } });
    refused(&["sp_bond0", "is a bridge", "a bond"], &bond, bridge("sp_bond0"));
}

#[test]
fn one_interface_alone_is_left_as_it_is_and_the_chain_goes_on() {
    let world = World::new();
    world.rail(1);
    let pod = world.bare_pod("a");
    let before = world.snapshot();
    let plugin = world.plugin("ifacer").netns(pod.path());
    let result = plugin.add(&config(&json!({}))).success();
    assert_eq!(result, json!({ "cniVersion": "1.1.0" }));
    let earlier =
        json!({ "cniVersion": "1.1.0", "interfaces": [{ "name": "eth0", "sandbox": "/run/netns/a" }] });
    let result = plugin.add(&config(&json!({ "prevResult": earlier }))).success();
    assert_eq!(result, earlier);
    plugin.check(&config(&json!({ "prevResult": earlier }))).success();
    plugin.status(&config(&json!({}))).success();
    assert_same(&before, &world.snapshot());
}

#[test]
fn an_old_version_that_cannot_tell_an_empty_result_changes_nothing() {
    refused_config(&["0.3.0"], &json!({ "cniVersion": "0.2.0", "vlanID": 5 }));
}

#[test]
fn del_and_gc_need_no_interface() {
    let world = World::new();
    let gone = config(&json!({ "interfaces": ["nosuch"], "vlanID": 9999, "cni.dev/valid-attachments": [] }));
    world.plugin("ifacer").del(&gone).success();
    world.plugin("ifacer").gc(&gone).success();
    let error =
        world.plugin("ifacer").status(&config(&json!({ "interfaces": ["nosuch"], "vlanID": 5 }))).error();
    assert_eq!(error.code, 50, "{error:?}");
}
