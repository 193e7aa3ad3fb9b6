//! `macvlan` as a runtime drives it, with `ip` as witness.

#![expect(clippy::unwrap_used, reason = "the functions between the tests are tests too")]

use std::time::Duration;

use serde_json::{Value, json};
use testkit::{Ping, Plugin, Pod, World, assert_same, eventually};

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
fn del_finds_a_link_that_the_pod_has_renamed() {
    let world = World::new();
    world.rail(1);
    let pod = world.pod("a");
    let plugin = macvlan(&world, &pod);
    plugin.add(&config(&json!({}))).success();
    pod.ip_do("link set net1 down\nlink set net1 name rdma0");
    plugin.del(&config(&json!({}))).success();
    assert!(!pod.has_link("rdma0"));
}

#[test]
fn del_needs_neither_master_nor_namespace_nor_ipam_binary() {
    let world = World::new();
    world.rail(1);
    let pod = world.pod("a");
    let before = world.snapshot();
    let conf = config(&json!({ "ipam": ipam(&world, &dual_stack()) }));
    let plugin = macvlan(&world, &pod);
    plugin.add(&conf).success();
    // An edited network definition: the master is another, the mode is nonsense, the IPAM is gone from the config.
    plugin.del(&config(&json!({ "master": "nosuch", "mode": "nonsense" }))).success();
    assert_eq!(calls_of_ipam(&world), ["ADD", "DEL"], "the record knows the IPAM");
    assert_same(&before.without("file "), &world.snapshot().without("file "));
    plugin.add(&conf).success();
    world.remove_pod("a");
    plugin.del(&conf).success();
    assert_eq!(calls_of_ipam(&world).last().unwrap(), "DEL");
    plugin.clone().without_env("CNI_NETNS").del(&conf).success();
    std::fs::remove_file(world.dirs().scratch.join("fixed-ipam")).unwrap();
    let error = plugin.del(&conf).error();
    assert!(error.msg.contains("fixed-ipam"), "{error:?}");
}

#[test]
fn a_late_del_leaves_the_next_pod_at_the_same_path_alone() {
    let world = World::new();
    world.rail(1);
    let old = world.pod("a");
    let plugin = macvlan(&world, &old);
    plugin.add(&config(&json!({}))).success();
    world.remove_pod("a");
    let new = world.pod("a");
    let newer = macvlan(&world, &new).container("other");
    newer.add(&config(&json!({}))).success();
    plugin.del(&config(&json!({}))).success();
    assert!(new.has_link("net1"));
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
fn gc_releases_what_is_not_valid_in_this_network_only() {
    let world = World::new();
    world.rail(1);
    let pods: Vec<_> = ["a", "b", "c"].into_iter().map(|name| world.pod(name)).collect();
    let conf = config(&json!({}));
    let mut other = conf.clone();
    other["name"] = json!("rail9");
    macvlan(&world, &pods[0]).container("a").add(&conf).success();
    macvlan(&world, &pods[1]).container("b").add(&conf).success();
    macvlan(&world, &pods[2]).container("c").add(&other).success();
    let plugin = world.plugin("macvlan");
    assert_eq!(plugin.gc(&conf).error().code, 7, "an absent list must not wipe the network");
    let mut call = conf.clone();
    call["cni.dev/valid-attachments"] = json!([{ "containerID": "a", "ifname": "net1" }]);
    plugin.gc(&call).success();
    let have: Vec<_> = pods.iter().map(|pod| pod.has_link("net1")).collect();
    assert_eq!(have, [true, false, true]);
    call["cni.dev/valid-attachments"] = Value::Null;
    plugin.gc(&call).success();
    assert!(!pods[0].has_link("net1") && pods[2].has_link("net1"));
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
