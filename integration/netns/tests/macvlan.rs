//! `macvlan` as a runtime drives it, with `ip` as witness.

#![expect(clippy::unwrap_used, reason = "the functions between the tests are tests too")]

#[path = "macvlan/del.rs"]
mod del;
#[path = "macvlan/result.rs"]
mod result;

use std::time::Duration;

use serde_json::{Value, json};
use testkit::{Ping, Plugin, Pod, World, assert_same};

fn config(more: &Value) -> Value {
    let mut config = json!({ "cniVersion": "1.1.0", "name": "rail1", "type": "macvlan", "master": "rail1" });
    config.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    config
}

/// An IPAM that always says the same: what macvlan does with it is looked at here.
fn ipam(world: &World, result: &Value) -> Value {
    let script = format!(
        "#!/bin/sh\ncat >/dev/null\necho \"$CNI_COMMAND\" >>{log}\n[ \"$CNI_COMMAND\" != ADD ] || cat <<'EOF'\n{result}\nEOF\n",
        log = world.dirs().scratch.join("ipam.log").display()
    );
    let path = world.file("fixed-ipam", script);
    std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    json!({ "type": "fixed-ipam" })
}

fn calls_of_ipam(world: &World) -> Vec<String> {
    let log = std::fs::read_to_string(world.dirs().scratch.join("ipam.log")).unwrap_or_default();
    log.lines().map(str::to_owned).collect()
}

fn macvlan(world: &World, pod: &Pod) -> Plugin {
    world.plugin("macvlan").netns(pod.path()).env("CNI_PATH", &world.dirs().scratch)
}

fn link(pod: &Pod, name: &str) -> Value {
    pod.ip(&["-d", "link", "show", name])[0].clone()
}

fn dual_stack() -> Value {
    json!({
        "cniVersion": "1.1.0",
        "ips": [
            { "address": "172.16.1.10/24", "gateway": "172.16.1.254" },
            { "address": "fd00:16:1::10/64", "gateway": "fd00:16:1::fe" },
        ],
        "routes": [
            { "dst": "172.16.0.0/16" },
            { "dst": "172.17.0.0/16", "gw": "172.16.1.253", "mtu": 1400, "advmss": 1360, "priority": 50 },
            { "dst": "fd00:16::/32" },
            { "dst": "192.0.2.0/24", "table": 4711, "scope": 253 },
        ],
        "dns": { "nameservers": ["172.16.1.53"], "search": ["ipam.example"] },
    })
}

#[test]
fn a_layer_two_attachment_is_a_link_that_is_up() {
    let world = World::new();
    world.rail(1);
    let pod = world.pod("a");
    let before = world.snapshot();
    let plugin = macvlan(&world, &pod);
    let result = plugin.add(&config(&json!({}))).success();
    let seen = link(&pod, "net1");
    assert_eq!(seen["linkinfo"]["info_kind"], "macvlan");
    assert_eq!(seen["linkinfo"]["info_data"]["mode"], "bridge");
    assert!(seen["flags"].as_array().unwrap().contains(&json!("UP")));
    let expected = json!({
        "cniVersion": "1.1.0",
        "interfaces": [{
            "name": "net1", "mac": seen["address"], "mtu": seen["mtu"], "sandbox": pod.path().to_str(),
        }],
    });
    assert_eq!(result, expected);
    assert!(!world.host().has_link("net1"));
    plugin.del(&config(&json!({}))).success();
    assert_same(&before, &world.snapshot());
    plugin.del(&config(&json!({}))).success();
}

#[test]
fn traffic_reaches_the_gateway_and_is_announced_on_the_right_link() {
    let world = World::new();
    let rail = world.rail(1);
    let other = world.rail(2);
    let pod = world.pod("a");
    let capture = world.switch().capture();
    let conf = config(&json!({ "ipam": ipam(&world, &dual_stack()) }));
    macvlan(&world, &pod).add(&conf).success();
    let limit = Duration::from_secs(2);
    let mac = link(&pod, "net1")["address"].as_str().unwrap().to_owned();
    let sent_by = |frame: &testkit::Frame| {
        let source: Vec<_> = frame.bytes[6..12].iter().map(|byte| format!("{byte:02x}")).collect();
        !frame.outgoing && source.join(":") == mac
    };
    for ethertype in [0x0806, 0x0806, 0x0806] {
        let arp = capture.find(limit, |frame| frame.ethertype() == ethertype && sent_by(frame)).unwrap();
        assert_eq!(arp.ifname, rail.port);
        assert_ne!(arp.ifname, other.port);
        assert_eq!((&arp.bytes[28..32], &arp.bytes[38..42]), (&[172, 16, 1, 10][..], &[172, 16, 1, 10][..]));
    }
    pod.assert_ping(&Ping::to(rail.gateway4()));
    pod.assert_ping(&Ping::to(rail.gateway6()));
}

#[test]
fn every_mode_is_that_of_the_kernel() {
    let world = World::new();
    world.let_take_whole(&["rail4"]);
    for (number, mode) in ["bridge", "private", "vepa", "passthru"].into_iter().enumerate() {
        world.rail(u8::try_from(number + 1).unwrap());
        let pod = world.pod(mode);
        let conf = config(&json!({ "mode": mode, "master": format!("rail{}", number + 1) }));
        macvlan(&world, &pod).container(mode).add(&conf).success();
        assert_eq!(link(&pod, "net1")["linkinfo"]["info_data"]["mode"], mode);
    }
}

#[test]
fn mtu_mac_and_queue_are_as_asked_for() {
    let world = World::new();
    world.rail(1);
    let pod = world.pod("a");
    let conf =
        config(&json!({ "master": ["rail1"], "mtu": 1400, "mac": "02:00:5e:10:00:01", "bcqueuelen": 4096 }));
    let result = macvlan(&world, &pod).add(&conf).success();
    let seen = link(&pod, "net1");
    assert_eq!((&seen["mtu"], &seen["address"]), (&json!(1400), &json!("02:00:5e:10:00:01")));
    assert_eq!(seen["linkinfo"]["info_data"]["bcqueuelen"], 4096);
    assert_eq!(
        (&result["interfaces"][0]["mtu"], &result["interfaces"][0]["mac"]),
        (&seen["mtu"], &seen["address"])
    );
    let mut checked = conf;
    checked["prevResult"] = result;
    macvlan(&world, &pod).check(&checked).success();
    pod.ip_do("link set net1 type macvlan bcqueuelen 100");
    let error = macvlan(&world, &pod).check(&checked).error();
    assert!(error.msg.contains("bcqueuelen is 100, expected 4096"), "{error:?}");
}

#[test]
fn a_mac_from_cni_args_counts() {
    let world = World::new();
    world.rail(1);
    let pod = world.pod("a");
    macvlan(&world, &pod).args("IgnoreUnknown=1;MAC=02:00:5e:10:00:02").add(&config(&json!({}))).success();
    assert_eq!(link(&pod, "net1")["address"], "02:00:5e:10:00:02");
}

#[test]
fn without_a_master_it_is_the_interface_of_the_default_route() {
    let world = World::new();
    world.rail(1);
    let pod = world.pod("a");
    world.host().ip_do("addr add 192.0.2.1/24 dev rail1\nroute add default via 192.0.2.254");
    let mut conf = config(&json!({}));
    conf.as_object_mut().unwrap().remove("master");
    macvlan(&world, &pod).add(&conf).success();
    assert_eq!(link(&pod, "net1")["link_index"], world.host().ifindex("rail1"));
}

#[test]
fn a_link_in_the_container_sits_on_a_master_there() {
    let world = World::new();
    let pod = world.pod("a");
    let conf = config(&json!({ "linkInContainer": true, "master": "eth0" }));
    let plugin = macvlan(&world, &pod);
    plugin.add(&conf).success();
    assert_eq!(link(&pod, "net1")["link"], "eth0");
    plugin.del(&conf).success();
    assert!(!pod.has_link("net1"));
}

#[test]
fn a_name_that_the_host_uses_is_free_in_the_pod() {
    let world = World::new();
    world.rail(1);
    let pod = world.bare_pod("a");
    let plugin = world.plugin("macvlan").netns(pod.path()).ifname("rail1");
    let conf = config(&json!({}));
    plugin.add(&conf).success();
    assert!(pod.has_link("rail1") && world.host().has_link("rail1"));
    plugin.del(&conf).success();
    assert!(!pod.has_link("rail1") && world.host().has_link("rail1"));
}

#[test]
fn check_names_each_difference() {
    let world = World::new();
    world.rail(1);
    let pod = world.pod("a");
    let mut conf = config(&json!({ "mtu": 1400, "ipam": ipam(&world, &dual_stack()) }));
    let plugin = macvlan(&world, &pod);
    let result = plugin.add(&conf).success();
    assert_eq!(plugin.check(&conf).error().msg, "required prevResult missing");
    conf["prevResult"] = result;
    plugin.check(&conf).success();
    for (change, named) in [
        ("link set net1 mtu 1300", "MTU is 1300, expected 1400"),
        ("route del 172.16.0.0/16", "route 172.16.0.0/16"),
        ("addr del 172.16.1.10/24 dev net1", "address 172.16.1.10/24 is missing"),
        ("link set net1 down", "it is down"),
        ("link set net1 address 02:00:00:00:00:09", "MAC is 02:00:00:00:00:09"),
        ("link del net1", "interface net1 is missing"),
    ] {
        pod.ip_do(change);
        let msg = plugin.check(&conf).error().msg;
        assert!(msg.contains(named), "after {change}: {msg}");
    }
}

#[test]
fn status_says_what_would_stop_an_add_and_writes_nothing() {
    let world = World::new();
    world.rail(1);
    let plugin = world.plugin("macvlan").env("CNI_PATH", &world.dirs().scratch);
    let before = world.snapshot();
    plugin.status(&config(&json!({}))).success();
    let error = plugin.status(&config(&json!({ "master": "nosuch" }))).error();
    assert!(error.code == 50 && error.msg.contains("nosuch"), "{error:?}");
    assert_same(&before, &world.snapshot());
    plugin.status(&config(&json!({ "ipam": ipam(&world, &dual_stack()) }))).success();
    assert_eq!(calls_of_ipam(&world), ["STATUS"]);
}
