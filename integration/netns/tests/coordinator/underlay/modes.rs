//! Which mode is taken, what it makes, and what is refused.

use std::time::Duration;

use serde_json::{Value, json};
use testkit::eventually;

use super::Underlay;
use super::undo::same;
use crate::pod::{Scene, Stack};

fn link(space: &testkit::Space, name: &str) -> Value {
    space.ip(&["-d", "link", "show", name])[0].clone()
}

/// The same once a worker of the kernel has taken notice of its carrier.
fn link_with_carrier(space: &testkit::Space, name: &str) -> Value {
    let up = || Some(link(space, name)).filter(|link| link["operstate"] == "UP");
    eventually(Duration::from_secs(5), up).unwrap_or_else(|| link(space, name))
}

/// C00023 (veth MTU), and what the pair is beside that.
#[test]
fn the_pair_has_its_mtu_its_addresses_and_stable_macs() {
    let scene = Underlay::new(1);
    let before = scene.snapshot();
    let config = json!({ "vethMTU": 1400, "vethLinkAddress": "169.254.200.1" });
    let mut macs = Vec::new();
    for _ in 0..2 {
        let result = scene.add(1, &config);
        let ends = [
            link_with_carrier(&scene.pod, "veth0"),
            link_with_carrier(scene.world.host(), "veth0123456789a"),
        ];
        for end in &ends {
            assert_eq!((&end["mtu"], &end["operstate"]), (&json!(1400), &json!("UP")), "{end}");
            let first = u8::from_str_radix(&end["address"].as_str().unwrap()[..2], 16).unwrap();
            assert_eq!(first & 3, 2, "unicast, and administered locally: {end}");
            // As systemd's MACAddressPolicy looks at it: 3 is "set by somebody".
            let name = end["ifname"].as_str().unwrap();
            let read = || std::fs::read_to_string(format!("/sys/class/net/{name}/addr_assign_type")).unwrap();
            let assigned = if name == "veth0" { scene.pod.run_with_sysfs(read) } else { read() };
            assert_eq!(assigned.trim(), "3", "{name}");
        }
        assert_ne!(ends[0]["address"], ends[1]["address"]);
        macs.push(ends.map(|end| end["address"].clone()));
        let address = &scene.pod.ip(&["-4", "addr", "show", "veth0"])[0]["addr_info"][0];
        assert_eq!((&address["local"], &address["prefixlen"]), (&json!("169.254.200.1"), &json!(32)));
        assert_eq!(scene.check(1, &config, &result), "");
        scene.del(1);
        same(&before, &scene.snapshot());
    }
    assert_eq!(macs[0], macs[1], "the same whenever it is made");
}

/// The layout of the design: nothing shifts with what else is in the pod (hazard 2).
#[test]
fn rules_tables_and_marks_are_the_same_whatever_is_beside() {
    let scene = Underlay::new(2);
    scene.pod.ip_do("link add other0 type veth peer name other1\nlink set other0 up\nlink set other1 up");
    let config = json!({ "serviceCIDR": ["10.96.0.0/12"] });
    scene.add(1, &config);
    let way = "10.96.0.0/12 via 172.16.1.1 dev veth0 proto 211 src 172.16.1.10 onlink";
    let hosts = ["172.16.1.1", "172.16.2.1"]
        .map(|host| format!("{host} dev veth0 proto 211 scope link src 172.16.1.10"));
    let main = scene.table("-4", "main");
    assert!(main.contains(&way.to_owned()) && hosts.iter().all(|host| main.contains(host)), "{main:?}");
    assert_eq!(scene.table("-4", "99"), ["default via 172.16.1.1 dev veth0 proto 211 onlink"]);
    assert_eq!(
        scene.table("-6", "99"),
        ["default via fd00:16:1::1 dev veth0 proto 211 metric 1024 onlink pref medium"]
    );
    scene.add(2, &config);
    for family in ["-4", "-6"] {
        let rules = scene.rules(family);
        let expected = [
            "10099: from all fwmark 0x20000000/0x20000000 lookup 99 proto 211".to_owned(),
            format!(
                "10100: from {} lookup 100 proto 211",
                if family == "-4" { "172.16.1.10" } else { "fd00:16:1::10" }
            ),
            format!(
                "10102: from {} lookup 102 proto 211",
                if family == "-4" { "172.16.2.10" } else { "fd00:16:2::10" }
            ),
        ];
        assert_eq!(rules[1..4], expected, "{rules:?}");
    }
    for table in ["100", "102"] {
        let routes = scene.table("-4", table);
        assert!(
            routes.contains(&way.to_owned()) && hosts.iter().all(|host| routes.contains(host)),
            "{table}: {routes:?}"
        );
    }
    let node = scene.on_node(&["ip", "route", "show", "table", "500"]);
    let expected =
        ["172.16.1.10", "172.16.2.10"].map(|ip| format!("{ip} dev veth0123456789a proto 211 scope link"));
    assert_eq!(node, expected);
    let marks = scene.ruleset().join("\n");
    assert!(marks.contains("iifname \"veth0\" ct state new ct mark set ct mark | 0x20000000"), "{marks}");
    assert!(marks.contains("type route hook output priority mangle; policy accept;"), "{marks}");
}

/// The id of the code for C00023: of a single underlay NIC, they are in main.
#[test]
fn policy_routes_of_the_first_nic_are_in_main() {
    let scene = Underlay::new(1);
    scene.add(1, &json!({ "policyRoutes": [{ "dst": "10.9.0.0/16", "gw": "172.16.1.3" }] }));
    assert!(scene.table("-4", "main").contains(&"10.9.0.0/16 via 172.16.1.3 dev eth0 proto 211".to_owned()));
    assert_eq!(scene.rules("-4").len(), 4, "local, the mark's, main, default");
}

/// Errors of section 1.8, each without a trace.
#[test]
fn a_mode_that_does_not_fit_is_refused_and_changes_nothing() {
    let scene = Underlay::new(2);
    let before = scene.snapshot();
    let refused = |number: usize, more: Value, expected: &str| {
        let error = scene.plugin(number).add(&scene.config(number, &more)).error();
        assert!(error.code == 7 && error.msg.contains(expected), "{more}: {error:?}");
    };
    refused(1, json!({ "mode": "overlay" }), "mode \"overlay\": eth0 is the pod's first NIC");
    refused(2, json!({ "mode": "underlay" }), "mode \"underlay\": the pod has no veth0");
    refused(
        2,
        json!({ "mode": "sideways" }),
        "allowed are auto (the default), underlay, overlay and disable",
    );
    refused(
        1,
        json!({ "policyRoutes": [{ "dst": "10.9.0.0/16", "gw": "192.0.2.1" }] }),
        "is in no subnet of eth0",
    );
    same(&before, &scene.snapshot());
    scene.add(1, &json!({}));
    refused(2, json!({ "mode": "overlay" }), "mode \"overlay\": the pod has veth0");
    scene.add(2, &json!({ "mode": "underlay" }));
}

#[test]
fn what_is_in_the_way_is_named_and_left_alone() {
    let scene = Underlay::new(1);
    let refused = |expected: &str| {
        let before = scene.snapshot();
        let error = scene.plugin(1).add(&scene.config(1, &json!({}))).error();
        assert!(error.msg.contains(expected), "{error:?}");
        same(&before, &scene.snapshot());
    };
    scene.world.host().ip_do("link add veth0123456789a type bridge");
    refused("the node has a link veth0123456789a already");
    scene.world.host().ip_do("link del veth0123456789a");
    scene.pod.ip_do("link add veth0 type bridge");
    refused("the pod has an interface veth0 already");
    scene.pod.ip_do("link del veth0");
    assert!(scene.pod.exec(&["nft", "add", "table", "inet", "railcni"]).status.success());
    refused("the pod has a table inet railcni of nftables already");
}

#[test]
fn check_names_each_difference_of_the_pair_the_marks_and_the_node() {
    let scene = Underlay::new(1);
    let before = scene.snapshot();
    let cases = [
        ("pod nft delete table inet railcni", "table inet railcni of nftables is missing"),
        ("pod nft flush chain inet railcni output", "table inet railcni of nftables in the pod is not as"),
        ("pod ip neigh del 172.16.1.1 dev veth0", "the neighbour 172.16.1.1 dev veth0 is missing"),
        ("pod ip rule del priority 10099", "rule 10099: from all fwmark 0x20000000 lookup 99 is missing"),
        ("pod ip route flush table 99", "route default via 172.16.1.1 dev veth0 table 99 is missing"),
        ("pod ip link set veth0 down", "veth0 is down in the pod"),
        (
            "node ip link set veth0123456789a mtu 1300",
            "the MTU of veth0123456789a is 1300 on the node, expected 1500",
        ),
        (
            "node ip route del 172.16.1.10 table 500",
            "the node's route 172.16.1.10 dev veth0123456789a table 500 is missing",
        ),
        (
            "node ip neigh del 172.16.1.10 dev veth0123456789a",
            "the node's neighbour 172.16.1.10 dev veth0123456789a lladdr",
        ),
        ("node ip rule del priority 1000", "the node's rule 1000: from all lookup 500 (V4) is missing"),
        ("node ip link del veth0123456789a", "veth0123456789a is missing on the node"),
    ];
    for (meddling, expected) in cases {
        let result = scene.add(1, &json!({}));
        assert_eq!(scene.check(1, &json!({}), &result), "");
        let words: Vec<&str> = meddling.split(' ').collect();
        match words[0] {
            "pod" => assert!(scene.pod.exec(&words[1..]).status.success(), "{meddling}"),
            _ => drop(scene.on_node(&words[1..])),
        }
        let said = scene.check(1, &json!({}), &result);
        assert!(said.contains(expected), "{meddling}: {said:?}");
        scene.del(1);
        same(&before, &scene.snapshot());
    }
}

/// C00002: with another network's first NIC there is no pair.
#[test]
fn overlay_is_taken_where_the_first_nic_is_anothers() {
    let scene = Scene::new(1, Stack::Dual);
    scene.add(1, &json!({ "mode": "auto" }));
    assert!(!scene.pod.has_link("veth0"));
    assert!(scene.rules("-4").contains(&"10101: from 172.16.1.10 lookup 101 proto 211".to_owned()));
}

/// A pod needs no more than `CAP_NET_RAW` to say that it is a router, and a node that routes no IPv6 itself listens.
#[test]
fn the_node_hears_no_router_in_the_pod() {
    let scene = Underlay::new(1);
    let host = scene.world.host();
    for name in ["all", "default"] {
        host.set_sysctl(&format!("net/ipv6/conf/{name}/forwarding"), "0");
    }
    scene.add(1, &json!({}));
    scene.pod.settle("veth0");
    // What it would learn from it: a default route, and an address of the prefix.
    let heard = || {
        let addresses = host.ip(&["addr"]).to_string();
        addresses.contains("2001:db8:bad:") || host.ip(&["-6", "route", "show", "proto", "ra"]) != json!([])
    };
    for _ in 0..3 {
        scene.pod.advertise("veth0", "2001:db8:bad::".parse().unwrap());
    }
    assert!(!heard());
    let veth =
        host.ip(&["link"]).as_array().unwrap().iter().find_map(|link| {
            link["ifname"].as_str().filter(|name| name.starts_with("veth")).map(str::to_owned)
        });
    host.set_sysctl(&format!("net/ipv6/conf/{}/accept_ra", veth.unwrap()), "1");
    let listens = || {
        scene.pod.advertise("veth0", "2001:db8:bad::".parse().unwrap());
        heard().then_some(())
    };
    testkit::eventually(std::time::Duration::from_secs(10), listens)
        .expect("where it listens, it is led astray");
}
