//! What an IPAM answers is on the link and in the result.

use std::time::Duration;

use serde_json::json;
use testkit::{World, assert_same, eventually};

use super::{calls_of_ipam, config, dual_stack, ipam, macvlan};

#[test]
fn addresses_and_routes_of_the_ipam_are_on_the_link() {
    let world = World::new();
    world.rail(1);
    let pod = world.pod("a");
    let conf =
        config(&json!({ "ipam": ipam(&world, &dual_stack()), "dns": { "nameservers": ["10.0.0.53"] } }));
    let result = macvlan(&world, &pod).add(&conf).success();
    assert_eq!(result["ips"][0]["interface"], 0);
    assert_eq!(result["ips"][1]["interface"], 0);
    let dns = json!({ "nameservers": ["10.0.0.53", "172.16.1.53"], "search": ["ipam.example"] });
    assert_eq!(result["dns"], dns, "neither name service is lost");
    let route = |args: &[&str]| pod.ip(&[&["route", "show"], args].concat())[0].clone();
    assert_eq!(route(&["172.16.0.0/16"])["gateway"], "172.16.1.254");
    let special = route(&["172.17.0.0/16"]);
    assert_eq!((&special["gateway"], &special["metric"]), (&json!("172.16.1.253"), &json!(50)));
    assert_eq!(special["metrics"], json!([{ "mtu": 1400, "advmss": 1360 }]), "{special}");
    assert_eq!(special["protocol"], "211");
    assert_eq!(route(&["192.0.2.0/24", "table", "4711"])["scope"], "link");
    assert_eq!(pod.ip(&["-6", "route", "show", "fd00:16::/32"])[0]["gateway"], "fd00:16:1::fe");
    let tentative = pod.ip(&["-6", "addr", "show", "dev", "net1", "tentative"]);
    assert!(!tentative.to_string().contains("fd00:16:1::10"), "DAD was waited for: {tentative}");
}

/// As the reference plugins have them: two routes, of which the kernel uses the first.
#[test]
fn next_hops_of_one_destination_are_all_there() {
    let world = World::new();
    world.rail(1);
    let pod = world.pod("a");
    let result = json!({
        "cniVersion": "1.1.0",
        "ips": [{ "address": "172.16.1.10/24" }, { "address": "fd00:16:1::10/64" }],
        "routes": [
            { "dst": "172.20.0.0/16", "gw": "172.16.1.254" }, { "dst": "172.20.0.0/16", "gw": "172.16.1.253" },
            { "dst": "fd00:20::/32", "gw": "fd00:16:1::fe" }, { "dst": "fd00:20::/32", "gw": "fd00:16:1::fd" },
        ],
    });
    macvlan(&world, &pod).add(&config(&json!({ "ipam": ipam(&world, &result) }))).success();
    let next_hops = |family: &str, dst: &str| -> Vec<String> {
        let routes = pod.ip(&[family, "route", "show", dst]);
        let single = routes.as_array().unwrap().iter().filter_map(|route| route["gateway"].as_str());
        // Those of IPv6 become one route with two.
        let several =
            routes.as_array().unwrap().iter().filter_map(|route| route["nexthops"].as_array()).flatten();
        single.chain(several.filter_map(|hop| hop["gateway"].as_str())).map(str::to_owned).collect()
    };
    assert_eq!(next_hops("-4", "172.20.0.0/16"), ["172.16.1.254", "172.16.1.253"]);
    assert_eq!(next_hops("-6", "fd00:20::/32"), ["fd00:16:1::fe", "fd00:16:1::fd"]);
}

/// An IPAM knows no interface: whatever index it gives, above or below those that there are, the address is of the one made here.
#[test]
fn an_index_of_the_ipam_is_not_taken_for_an_interface() {
    for index in [json!(7), json!(-1), json!(null)] {
        let world = World::new();
        world.rail(1);
        let pod = world.pod("a");
        let result =
            json!({ "cniVersion": "1.1.0", "ips": [{ "address": "172.16.1.10/24", "interface": index }] });
        let result = macvlan(&world, &pod).add(&config(&json!({ "ipam": ipam(&world, &result) }))).success();
        assert_eq!(result["ips"][0]["interface"], 0, "{index}");
        assert!(pod.ip(&["addr", "show", "dev", "net1"]).to_string().contains("172.16.1.10"), "{index}");
    }
}

#[test]
fn a_second_default_route_does_not_take_the_pods_traffic() {
    let world = World::new();
    world.rail(1);
    let pod = world.pod("a");
    let before = pod.ip(&["route", "get", "198.51.100.1"])[0]["dev"].clone();
    let result = json!({
        "cniVersion": "1.1.0",
        "ips": [{ "address": "172.16.1.10/24", "gateway": "172.16.1.254" }],
        "routes": [{ "dst": "0.0.0.0/0" }],
    });
    macvlan(&world, &pod).add(&config(&json!({ "ipam": ipam(&world, &result) }))).success();
    assert_eq!(pod.ip(&["route", "get", "198.51.100.1"])[0]["dev"], before);
    assert_eq!(pod.ip(&["route", "show", "default"]).as_array().unwrap().len(), 2);
}

#[test]
fn an_address_that_is_taken_is_found_by_duplicate_address_detection() {
    let world = World::new();
    let rail = world.rail(1);
    let pod = world.pod("a");
    world.switch().ip_do(&format!("addr add fd00:16:1::10/64 dev {} nodad", rail.port));
    let before = world.snapshot().without("file ");
    let conf = config(&json!({ "ipam": ipam(&world, &dual_stack()) }));
    let error = macvlan(&world, &pod).add(&conf).error();
    assert!(
        error.msg.contains("fd00:16:1::10/64") && error.msg.contains("in use by another host"),
        "{error:?}"
    );
    assert_same(&before, &world.snapshot().without("file "));
    assert_eq!(calls_of_ipam(&world), ["ADD", "DEL"]);
}

#[test]
fn results_have_the_shape_of_their_version() {
    let world = World::new();
    world.rail(1);
    let ipam = ipam(&world, &dual_stack());
    let pod = world.pod("pod");
    for version in ["0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"] {
        let plugin = macvlan(&world, &pod).container(version);
        let conf = config(&json!({ "cniVersion": version, "ipam": ipam }));
        let result = plugin.add(&conf).success();
        assert_eq!(result["cniVersion"], version);
        match version {
            "0.1.0" | "0.2.0" => assert_eq!(result["ip4"]["ip"], "172.16.1.10/24", "{result}"),
            "0.3.0" | "0.3.1" | "0.4.0" => assert_eq!(result["ips"][1]["version"], "6", "{result}"),
            _ => assert_eq!(result["ips"][1]["address"], "fd00:16:1::10/64", "{result}"),
        }
        plugin.del(&conf).success();
        let gone = || (!pod.has_link("net1")).then_some(());
        assert!(eventually(Duration::from_secs(1), gone).is_some());
    }
}
