//! NICs with several addresses, gateways or metrics, and the keys of `sbr`.

use serde_json::{Value, json};
use testkit::assert_same;

use crate::pod::{Scene, Stack, nic};

/// The gateway and the table's NIC that a packet of `from` takes to the world outside.
fn way(scene: &Scene, from: &str) -> (String, String) {
    let route = scene.pod.ip(&["route", "get", "198.51.100.1", "from", from])[0].clone();
    let text = |key: &str| route[key].as_str().unwrap_or_default().to_owned();
    (text("gateway"), text("dev"))
}

fn by(gateway: &str) -> (String, String) {
    (gateway.to_owned(), "net1".to_owned())
}

/// A NIC that has an address of another range as well, with a gateway of its own.
fn two_ranges() -> (Scene, Value) {
    let scene = Scene::new(1, Stack::Dual);
    scene.pod.ip_do("addr add 192.168.101.209/24 dev net1\naddr add fd00:101::209/64 dev net1 nodad");
    let mut previous = scene.previous(&scene.rails[0], &nic(&scene.rails[0]));
    for (address, gateway) in [("192.168.101.209/24", "192.168.101.1"), ("fd00:101::209/64", "fd00:101::1")] {
        let ips = previous["ips"].as_array_mut().unwrap();
        ips.push(json!({ "interface": 0, "address": address, "gateway": gateway }));
    }
    (scene, previous)
}

#[test]
fn each_range_of_one_nic_has_a_table_and_leaves_by_its_own_gateway() {
    let (scene, previous) = two_ranges();
    let before = scene.snapshot();
    let result = scene.add(1, &json!({ "prevResult": previous }));
    assert_eq!(way(&scene, "172.16.1.10"), by("172.16.1.254"));
    assert_eq!(way(&scene, "192.168.101.209"), by("192.168.101.1"));
    let six = scene.pod.ip(&["-6", "route", "get", "2001:db8::1", "from", "fd00:101::209"]);
    assert_eq!(six[0]["gateway"], "fd00:101::1");
    for family in ["-4", "-6"] {
        let rules = scene.rules(family).join("\n");
        for (address, table) in [("192.168.101.209", 102), ("fd00:101::209", 102), ("172.16.1.10", 101)] {
            let of_family = address.contains(':') == (family == "-6");
            assert_eq!(rules.contains(&format!("from {address} lookup {table}")), of_family, "{rules}");
        }
    }
    let listed = |table: u64| {
        result["routes"].as_array().unwrap().iter().filter(|route| route["table"] == table).count()
    };
    assert_eq!((listed(101), listed(102)), (2, 2), "{result}");
    assert_eq!(scene.check(1, &json!({}), &result), "");
    scene.pod.ip_do("route del default table 102");
    let said = scene.check(1, &json!({}), &result);
    assert!(said.contains("default via 192.168.101.1 dev net1 table 102"), "{said}");
    scene.pod.ip_do("route add default via 192.168.101.1 dev net1 table 102 proto 211");
    scene.del(1);
    assert_same(&before, &scene.snapshot());
}

#[test]
fn several_gateways_for_one_prefix_are_all_in_the_table_and_in_the_result() {
    let scene = Scene::new(1, Stack::V4);
    scene.pod.ip_do("route append default via 172.16.1.253 dev net1\nroute append 10.9.0.0/16 via 172.16.1.1 dev net1\nroute append 10.9.0.0/16 via 172.16.1.2 dev net1");
    let before = scene.snapshot();
    let mut previous = scene.previous(&scene.rails[0], "net1");
    let routes = previous["routes"].as_array_mut().unwrap();
    routes.push(json!({ "dst": "0.0.0.0/0", "gw": "172.16.1.253" }));
    let result = scene.add(1, &json!({ "prevResult": previous }));
    let gateways = |dst: &str| -> Vec<String> {
        let listed = scene.table("-4", "101");
        let of_dst = listed.iter().filter(|line| line.starts_with(dst));
        of_dst.filter_map(|line| line.split(' ').nth(2).map(str::to_owned)).collect()
    };
    assert_eq!(gateways("default"), ["172.16.1.254", "172.16.1.253"]);
    assert_eq!(gateways("10.9.0.0/16"), ["172.16.1.1", "172.16.1.2"]);
    let expected = json!([{ "dst": "0.0.0.0/0", "gw": "172.16.1.254", "table": 101 },
                          { "dst": "0.0.0.0/0", "gw": "172.16.1.253", "table": 101 }]);
    assert_eq!(result["routes"], expected);
    assert_eq!(scene.check(1, &json!({}), &result), "");
    scene.del(1);
    assert_same(&before, &scene.snapshot());
}

#[test]
fn the_result_lists_the_default_routes_that_there_are_with_their_metrics() {
    let scene = Scene::new(1, Stack::V4);
    scene.pod.ip_do("route del default via 172.16.1.254 dev net1\nroute add default via 172.16.1.254 dev net1 metric 200\nroute add default via 172.16.1.253 dev net1 metric 100");
    let before = scene.snapshot();
    let mut previous = scene.previous(&scene.rails[0], "net1");
    previous["routes"] = json!([{ "dst": "0.0.0.0/0", "gw": "172.16.1.254", "priority": 200 },
                                { "dst": "0.0.0.0/0", "gw": "172.16.1.253", "priority": 100 }]);
    let result = scene.add(1, &json!({ "prevResult": previous }));
    let table = scene.table("-4", "101");
    let listed = result["routes"].as_array().unwrap();
    assert_eq!(listed.len(), 2, "{result}");
    for route in listed {
        let (gw, metric) = (route["gw"].as_str().unwrap(), &route["priority"]);
        let line = format!("default via {gw} dev net1 proto 211 metric {metric}");
        assert!(table.contains(&line), "{line} is not in {table:#?}");
    }
    assert_eq!(scene.check(1, &json!({}), &result), "");
    scene.del(1);
    assert_same(&before, &scene.snapshot());
}

/// sbr: "static gateways", of either family and of both.
#[test]
fn the_gateways_of_the_config_are_those_of_the_table() {
    for (gateways, four, six) in [
        (json!(["172.16.1.7"]), "172.16.1.7", "fd00:16:1::fe"),
        (json!(["fd00:16:1::7"]), "172.16.1.254", "fd00:16:1::7"),
        (json!(["172.16.1.7", "fd00:16:1::7"]), "172.16.1.7", "fd00:16:1::7"),
    ] {
        let (scene, previous) = two_ranges();
        let before = scene.snapshot();
        let result =
            scene.add(1, &json!({ "prevResult": previous, "gateways": gateways, "addSourceHints": true }));
        for (family, gateway) in [("-4", four), ("-6", six)] {
            let table = scene.table(family, "101");
            let defaults: Vec<_> = table.iter().filter(|line| line.starts_with("default")).collect();
            assert!(
                defaults.len() == 1 && defaults[0].contains(&format!("via {gateway} dev net1")),
                "{defaults:?}"
            );
        }
        assert_eq!(scene.check(1, &json!({ "gateways": gateways }), &result), "");
        scene.del(1);
        assert_same(&before, &scene.snapshot());
    }
}

/// sbr's "table ID": the IPAM has filled it already.
#[test]
fn a_table_that_the_ipam_has_filled_is_met_and_left_as_it_was() {
    let scene = Scene::new(1, Stack::V4);
    scene.pod.ip_do("route add default via 172.16.1.9 dev net1 table 5000\nroute add 10.7.0.0/16 via 172.16.1.9 dev net1 table 5000");
    let before = scene.snapshot();
    let result = scene.add(1, &json!({ "table": 5000 }));
    assert!(scene.rules("-4").contains(&"15000: from 172.16.1.10 lookup 5000 proto 211".to_owned()));
    assert_eq!(way(&scene, "172.16.1.10"), by("172.16.1.9"));
    assert_eq!(scene.check(1, &json!({ "table": 5000 }), &result), "");
    scene.del(1);
    assert_same(&before, &scene.snapshot());
}

#[test]
fn a_table_or_gateways_that_make_no_sense_change_nothing() {
    let scene = Scene::new(2, Stack::V4);
    scene.add(1, &json!({}));
    let before = scene.snapshot();
    for (more, expected) in [
        (json!({ "table": 254 }), "table \"254\": allowed are"),
        (json!({ "table": -1 }), "table \"-1\": allowed are"),
        (json!({ "table": 20001 }), "table \"20001\": allowed are"),
        (json!({ "table": 101 }), "table 101: another NIC of the pod has it"),
        (
            json!({ "gateways": ["172.16.2.1", "172.16.2.2"] }),
            "gateways[1] \"172.16.2.2\": 172.16.2.1 is of the same family",
        ),
        (json!({ "gateways": ["gw"] }), "gateways[0] \"gw\": expected an IP address"),
    ] {
        let rail = &scene.rails[1];
        let error = scene.plugin("net2").add(&scene.config(rail, &more)).error();
        assert!(error.msg.contains(expected), "{error:?}");
        assert_eq!(error.code, 7);
        assert_same(&before, &scene.snapshot());
    }
}
