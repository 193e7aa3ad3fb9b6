//! A master that is down, and what CHECK is told by others.

use serde_json::{Value, json};
use testkit::{Ping, assert_same};

use crate::scene::{Scene, config, ipam};

fn macvlan(more: &Value) -> Value {
    let mut config = config(
        "macvlan",
        1,
        &json!({ "master": "rail1", "ipam": ipam(1, &[4, 6], &json!([{ "dst": "0.0.0.0/0" }])) }),
    );
    for (key, value) in more.as_object().into_iter().flatten() {
        config[key] = value.clone();
    }
    config
}

#[test]
fn a_link_on_a_master_that_is_down_waits_for_it_and_says_so() {
    let scene = Scene::new(1);
    scene.world.host().ip_do("link set rail1 down");
    let before = scene.kernel();
    let plugin = scene.plugin("macvlan", 1);
    let outcome = plugin.add(&macvlan(&json!({})));
    assert!(outcome.stderr.contains("rail1") && outcome.stderr.contains("is down"), "{outcome}");
    let result = outcome.success();
    plugin.check(&macvlan(&json!({ "prevResult": result }))).success();
    let status = plugin.status(&macvlan(&json!({}))).error();
    assert_eq!(status.code, 50, "{status:?}");
    scene.world.host().ip_do("link set rail1 up");
    scene.world.switch().settle(&scene.rails[0].port);
    scene.pod.assert_ping(&Ping::to(scene.rails[0].gateway4()).from(scene.rails[0].address4(10)));
    scene.world.host().ip_do("link set rail1 down");
    plugin.del(&macvlan(&json!({}))).success();
    // The kernel takes note of what a link hears only while that is up.
    scene.world.host().ip_do("link set rail1 up\nlink set rail1 down");
    assert_same(&before, &scene.kernel());
}

#[test]
fn who_requires_a_master_that_is_up_gets_code_11_and_no_link() {
    let scene = Scene::new(1);
    scene.world.host().ip_do("link set rail1 down");
    let before = scene.kernel();
    let error = scene.plugin("macvlan", 1).add(&macvlan(&json!({ "requireMasterUp": true }))).error();
    assert_eq!(error.code, 11, "{error:?}");
    assert!(error.msg.contains("`ip link set rail1 up`"), "{error:?}");
    let rail = |more: Value| {
        let mut config = macvlan(&more);
        config["type"] = json!("rail");
        config
    };
    assert_eq!(scene.plugin("rail", 1).add(&rail(json!({}))).error().code, 11);
    assert_same(&before, &scene.kernel());
    let waiting = rail(json!({ "requireMasterUp": false }));
    scene.plugin("rail", 1).add(&waiting).success();
    scene.plugin("rail", 1).del(&waiting).success();
    assert_same(&before, &scene.kernel());
}

/// tuning 1.1.1 of the reference plugins rewrites the result with a library that knows no tables.
#[test]
fn check_after_a_plugin_that_dropped_the_tables_from_the_result_is_no_alarm() {
    let scene = Scene::new(2);
    let own = ipam(1, &[4, 6], &json!([{ "dst": "0.0.0.0/0" }, { "dst": "::/0" }]));
    let mut result = scene.add(1, &own, &json!({}));
    for route in result["routes"].as_array_mut().unwrap() {
        assert!(route["table"].is_u64(), "{route}");
        route.as_object_mut().unwrap().remove("table");
    }
    scene.check(1, &own, &result);
    let rail = scene.plugin("rail", 1).ifname("net7");
    let second = ipam(2, &[4], &json!([{ "dst": "0.0.0.0/0" }]));
    let mut config = config("rail", 2, &json!({ "master": "rail2", "ipam": second }));
    let mut result = rail.add(&config).success();
    for route in result["routes"].as_array_mut().unwrap() {
        route.as_object_mut().unwrap().remove("table");
    }
    config["prevResult"] = result;
    rail.check(&config).success();
    scene.pod.ip_do("route flush table 107");
    let error = rail.check(&config).error();
    assert!(error.msg.contains("default via 172.16.2.254 dev net7 table 107"), "{error:?}");
}

#[test]
fn check_sees_an_mtu_that_only_the_result_names() {
    let scene = Scene::new(1);
    let plugin = scene.plugin("macvlan", 1);
    let result = plugin.add(&macvlan(&json!({}))).success();
    assert_eq!(result["interfaces"][0]["mtu"], 9000);
    let config = macvlan(&json!({ "prevResult": result }));
    plugin.check(&config).success();
    scene.pod.ip_do("link set net1 mtu 4200");
    let error = plugin.check(&config).error();
    assert!(error.msg.contains("its MTU is 4200, expected 9000"), "{error:?}");
}

/// A runtime may name one namespace by several paths.
#[test]
fn check_takes_a_namespace_for_itself_by_whatever_path() {
    let scene = Scene::new(1);
    let plugin = scene.plugin("macvlan", 1);
    let mut result = plugin.add(&macvlan(&json!({}))).success();
    let file = std::fs::File::open(scene.pod.path()).unwrap();
    let other = format!("/proc/{}/fd/{}", std::process::id(), std::os::fd::AsRawFd::as_raw_fd(&file));
    for path in [other.as_str(), "/run/netns/renamed-meanwhile"] {
        result["interfaces"][0]["sandbox"] = json!(path);
        plugin.check(&macvlan(&json!({ "prevResult": result }))).success();
    }
    let another = scene.world.bare_pod("b");
    result["interfaces"][0]["sandbox"] = json!(another.path());
    let error = plugin.check(&macvlan(&json!({ "prevResult": result }))).error();
    assert!(error.msg.contains("prevResult has no interface net1"), "{error:?}");
}
