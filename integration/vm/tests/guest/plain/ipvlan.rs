//! `ipvlan` on a kernel that has it.

use serde_json::{Value, json};
use testkit::{Ping, Plugin, Scope, Space, World, assert_same};

fn config(more: &Value) -> Value {
    let mut config = json!({ "cniVersion": "1.1.0", "name": "rail1", "type": "ipvlan", "master": "rail1" });
    config.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    config
}

/// The addresses of an earlier plugin in the chain: what an IPAM gives, without one.
fn chained(address: &str) -> Value {
    let before = json!({
        "cniVersion": "1.1.0",
        "interfaces": [{ "name": "rail1" }],
        "ips": [{ "address": address, "gateway": "172.16.1.254" }],
        "routes": [{ "dst": "172.16.0.0/16" }],
        "dns": { "nameservers": ["172.16.1.53"] },
    });
    json!({ "master": null, "prevResult": before })
}

fn ipvlan(world: &World, pod: &Space) -> Plugin {
    world.plugin("ipvlan").netns(pod.path()).container(pod.name())
}

fn data(pod: &Space) -> Value {
    pod.ip(&["-d", "link", "show", "net1"])[0]["linkinfo"].clone()
}

#[test]
fn pods_reach_each_other_and_the_gateway_with_the_masters_mac() {
    let world = World::new();
    let rail = world.rail(1);
    let pods = [world.bare_pod("a"), world.bare_pod("b")];
    let before = world.snapshot();
    let configs = ["172.16.1.10/24", "172.16.1.11/24"].map(|address| config(&chained(address)));
    for (pod, config) in pods.iter().zip(&configs) {
        let result = ipvlan(&world, pod).add(config).success();
        let master = world.host().ip(&["link", "show", "rail1"])[0].clone();
        assert_eq!(result["interfaces"].as_array().map(Vec::len), Some(1), "{result}");
        assert_eq!(result["interfaces"][0]["mac"], master["address"]);
        assert_eq!(result["interfaces"][0]["mtu"], master["mtu"]);
        assert_eq!(result["dns"]["nameservers"], json!(["172.16.1.53"]));
        let mut check = config.clone();
        check["prevResult"] = result;
        ipvlan(&world, pod).check(&check).success();
    }
    assert_eq!(data(&pods[0])["info_kind"], "ipvlan");
    pods[0].assert_ping(&Ping::to(rail.gateway4()));
    pods[0].assert_ping(&Ping::to(rail.address4(11)));
    for (pod, config) in pods.iter().zip(&configs) {
        ipvlan(&world, pod).del(config).success();
        ipvlan(&world, pod).del(config).success();
    }
    assert_same(&before, &world.snapshot());
}

#[test]
fn modes_and_flags_are_those_of_the_kernel() {
    let world = World::new();
    world.rail(1);
    for (mode, flag) in [("l2", "bridge"), ("l3", "private"), ("l3s", "vepa")] {
        let pod = world.bare_pod(mode);
        let conf = config(&json!({ "mode": mode, "flag": flag, "mtu": 1400 }));
        ipvlan(&world, &pod).add(&conf).success();
        let shown = pod.ip(&["-d", "link", "show", "net1"])[0].clone();
        let text = shown["linkinfo"]["info_data"].to_string();
        assert!(text.contains(&format!("\"{mode}\"")) && text.contains(flag), "{text}");
        assert_eq!(shown["mtu"], 1400);
        ipvlan(&world, &pod).del(&conf).success();
    }
}

#[test]
fn check_tells_when_another_network_has_changed_the_mode() {
    let world = World::new();
    world.rail(1);
    let (left, right) = (world.bare_pod("a"), world.bare_pod("b"));
    let mut conf = config(&json!({}));
    conf["prevResult"] = ipvlan(&world, &left).add(&conf).success();
    ipvlan(&world, &left).check(&conf).success();
    ipvlan(&world, &right).add(&config(&json!({ "mode": "l3", "flag": "private" }))).success();
    let msg = ipvlan(&world, &left).check(&conf).error().msg;
    assert!(msg.contains("mode is l3 and its flag private, expected l2 and bridge"), "{msg}");
}

#[test]
fn check_names_each_difference() {
    let world = World::new();
    world.rail(1);
    world.rail(2);
    let pod = world.bare_pod("a");
    let mut conf = config(&chained("172.16.1.10/24"));
    conf["mtu"] = json!(1400);
    conf["prevResult"] = ipvlan(&world, &pod).add(&conf).success();
    conf["master"] = json!("rail1");
    ipvlan(&world, &pod).check(&conf).success();
    for (change, named, back) in [
        ("link set net1 mtu 1300", "its MTU is 1300, expected 1400", "link set net1 mtu 1400"),
        (
            "addr del 172.16.1.10/24 dev net1",
            "172.16.1.10",
            "addr add 172.16.1.10/24 dev net1\nroute add 172.16.0.0/16 via 172.16.1.254",
        ),
        ("route del 172.16.0.0/16", "route 172.16.0.0/16", "route add 172.16.0.0/16 via 172.16.1.254"),
        ("link set net1 down", "it is down", "link set net1 up\nroute add 172.16.0.0/16 via 172.16.1.254"),
    ] {
        pod.ip_do(change);
        let msg = ipvlan(&world, &pod).check(&conf).error().msg;
        assert!(msg.contains(named), "after {change}: {msg}");
        pod.ip_do(back);
    }
    ipvlan(&world, &pod).check(&conf).success();
    conf["master"] = json!("rail2");
    let msg = ipvlan(&world, &pod).check(&conf).error().msg;
    assert!(msg.contains("it is not on rail2"), "{msg}");
    pod.ip_do("link del net1\nlink add net1 type bridge");
    let msg = ipvlan(&world, &pod).check(&conf).error().msg;
    assert!(msg.contains("expected ipvlan"), "{msg}");
    pod.ip_do("link del net1");
    let msg = ipvlan(&world, &pod).check(&conf).error().msg;
    assert!(msg.contains("net1 is missing in the pod"), "{msg}");
    ipvlan(&world, &pod).del(&conf).success();
}

#[test]
fn without_a_master_it_is_that_of_the_default_route_and_an_ipam_gives_the_address() {
    let world = World::new();
    world.rail(1);
    world.host().ip_do("addr add 172.16.1.2/24 dev rail1\nroute add default via 172.16.1.254");
    let pod = world.bare_pod("a");
    let before = world.snapshot().without("file ");
    let ipam = json!({ "type": "rail-ipam", "ranges": [[{ "subnet": "172.16.1.0/24", "rangeStart": "172.16.1.10" }]] });
    let conf = config(&json!({ "master": null, "ipam": ipam }));
    let result = ipvlan(&world, &pod).add(&conf).success();
    assert_eq!(result["ips"][0]["address"], "172.16.1.10/24", "{result}");
    let [link, on_host] = [pod.ip(&["link", "show", "net1"]), world.host().ip(&["link", "show", "rail1"])];
    assert_eq!(link[0]["link_index"], on_host[0]["ifindex"], "it is on rail1");
    world.host().ip_do("route del default");
    ipvlan(&world, &pod).del(&conf).success();
    world.host().ip_do("route add default via 172.16.1.254");
    assert_same(&before, &world.snapshot().without("file "));
}

#[test]
fn del_of_a_link_that_was_never_made_is_a_success() {
    let world = World::new();
    world.rail(1);
    let pod = world.bare_pod("a");
    let before = world.snapshot();
    ipvlan(&world, &pod).del(&config(&json!({}))).success();
    assert_same(&before, &world.snapshot());
}

#[test]
fn macvlan_and_ipvlan_on_one_master_name_each_other() {
    let world = World::new();
    world.rail(1);
    let (left, right) = (world.bare_pod("a"), world.bare_pod("b"));
    for (first, second) in [("macvlan", "ipvlan"), ("ipvlan", "macvlan")] {
        let of = |kind: &str| config(&json!({ "type": kind }));
        let plugin = |kind: &str, pod: &Space| world.plugin(kind).netns(pod.path()).container(pod.name());
        plugin(first, &left).add(&of(first)).success();
        let error = plugin(second, &right).add(&of(second)).error();
        let expected = format!("use plugin {first}");
        assert!(error.code == 7 && error.msg.contains("rail1") && error.msg.contains(&expected), "{error:?}");
        assert!(!right.has_link("net1"));
        plugin(first, &left).del(&of(first)).success();
    }
}

#[test]
fn a_name_that_the_host_uses_is_free_in_the_pod() {
    let world = World::new();
    world.rail(1);
    let pod = world.bare_pod("a");
    let before = world.snapshot();
    for kind in ["ipvlan", "macvlan"] {
        let plugin = world.plugin(kind).netns(pod.path()).ifname("rail1");
        let conf = config(&json!({ "type": kind }));
        plugin.add(&conf).success();
        assert_eq!(pod.ip(&["-d", "link", "show", "rail1"])[0]["linkinfo"]["info_kind"], kind);
        plugin.del(&conf).success();
        assert_same(&before, &world.snapshot());
    }
}

#[test]
fn del_needs_neither_namespace_nor_master_nor_a_valid_config() {
    let world = World::new();
    world.rail(1);
    let pod = world.bare_pod("a");
    ipvlan(&world, &pod).add(&config(&json!({}))).success();
    let nonsense = config(&json!({ "master": "nosuch", "mode": "l9" }));
    ipvlan(&world, &pod).del(&nonsense).success();
    assert!(!pod.has_link("net1"));
    ipvlan(&world, &pod).add(&config(&json!({}))).success();
    world.remove_pod("a");
    ipvlan(&world, &pod).without_env("CNI_NETNS").del(&nonsense).success();
}

#[test]
fn gc_releases_what_is_not_valid() {
    let world = World::new();
    world.rail(1);
    let pods = [world.bare_pod("a"), world.bare_pod("b")];
    for pod in &pods {
        ipvlan(&world, pod).add(&config(&json!({}))).success();
    }
    let valid = json!([{ "containerID": "a", "ifname": "net1" }]);
    world.plugin("ipvlan").gc(&config(&json!({ "cni.dev/valid-attachments": valid }))).success();
    assert_eq!(pods.map(|pod| pod.has_link("net1")), [true, false]);
}

#[test]
fn killed_at_any_message_to_the_kernel_del_leaves_nothing() {
    let world = World::new();
    world.rail(1);
    let pod = world.bare_pod("a");
    let conf = config(&chained("172.16.1.10/24"));
    let plugin = ipvlan(&world, &pod);
    let whole = plugin.trace("ADD", &conf, "sendto,sendmsg", Scope::Plugin);
    plugin.del(&conf).success();
    let before = world.snapshot().without("file ");
    for point in whole.points() {
        plugin.kill_at("ADD", &conf, Scope::Plugin, &point);
        plugin.del(&conf).success();
        assert_same(&before, &world.snapshot().without("file "));
        assert!(!pod.has_link("net1"), "{point}");
    }
}

/// As a macvlan does: nodes bring their rails up late.
#[test]
fn a_link_on_a_master_that_is_down_waits_for_it_and_says_so() {
    let world = World::new();
    let (rail, pod) = (world.rail(1), world.bare_pod("a"));
    world.host().ip_do("link set rail1 down");
    let conf = config(&chained("172.16.1.10/24"));
    let outcome = ipvlan(&world, &pod).add(&conf);
    assert!(outcome.stderr.contains("rail1") && outcome.stderr.contains("is down"), "{outcome}");
    let mut check = conf.clone();
    check["prevResult"] = outcome.success();
    ipvlan(&world, &pod).check(&check).success();
    let status = ipvlan(&world, &pod).status(&config(&json!({}))).error();
    assert_eq!(status.code, 50, "{status:?}");
    world.host().ip_do("link set rail1 up");
    world.switch().settle(&rail.port);
    pod.assert_ping(&Ping::to(rail.gateway4()));
    ipvlan(&world, &pod).del(&conf).success();
    assert!(!pod.has_link("net1"));
}
