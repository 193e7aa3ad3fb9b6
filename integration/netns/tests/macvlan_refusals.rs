//! What `macvlan` refuses: code, message, and that nothing changed.

#![expect(clippy::unwrap_used, reason = "the functions between the tests are tests too")]

use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use serde_json::{Value, json};
use testkit::{Outcome, Plugin, World, assert_same};

fn config(more: &Value) -> Value {
    let mut config = json!({ "cniVersion": "1.1.0", "name": "rail1", "type": "macvlan", "master": "rail1" });
    config.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    config
}

/// A world with a rail and a pod, in which `attempt` has to fail with `code` and all of `words`, and to change nothing.
fn refused(code: u64, words: &[&str], prepare: impl Fn(&World), attempt: impl Fn(&World, Plugin) -> Outcome) {
    let world = World::new();
    world.rail(1);
    let pod = world.pod("a");
    prepare(&world);
    // An address that was given back cools down.
    let picture = || world.snapshot().without("file state/ipam/");
    let before = picture();
    let outcome = attempt(&world, world.plugin("macvlan").netns(pod.path()));
    let error = outcome.error();
    let text = format!("{} {}", error.msg, error.details);
    assert_eq!(error.code, code, "{text}");
    for word in words {
        assert!(text.contains(word), "{word:?} is missing in: {text}");
    }
    assert_same(&before, &picture());
}

fn refused_config(code: u64, words: &[&str], more: &Value) {
    refused(code, words, |_| (), |_, plugin| plugin.add(&config(more)));
}

fn refused_host(code: u64, words: &[&str], change: &str) {
    refused(code, words, |world| world.host().ip_do(change), |_, plugin| plugin.add(&config(&json!({}))));
}

/// A NIC of the node's own, with the address that the API server knows it by.
const UPLINK: &str = "link add eth0 type veth peer name wire\nlink set eth0 up\nlink set wire up\naddr add 192.0.2.7/24 dev eth0";

/// By a network that a tenant has written, with mode passthru.
fn refused_whole(words: &[&str], master: &str, change: &str) {
    let conf = config(&json!({ "master": master, "mode": "passthru" }));
    let prepare = |world: &World| {
        world.host().ip_do(change);
        if world.host().has_link("eth0") {
            world.host().settle("eth0");
        }
    };
    refused(7, words, prepare, |_, plugin| plugin.add(&conf));
}

#[test]
fn what_the_node_lives_by_is_not_taken_from_it_by_mode_passthru() {
    let words =
        ["eth0", "an address of the node, 192.0.2.7/24", "passthru", "mode bridge", "wholeMasters in"];
    refused_whole(&words, "eth0", UPLINK);
    for (change, reason) in [
        ("route add default dev eth0", "the node's default route"),
        (
            "route add default nexthop via 192.0.2.1 dev rail1 onlink nexthop via 192.0.2.2 dev eth0 onlink",
            "the node's default route",
        ),
        ("addr add 2001:db8::7/64 dev eth0 nodad", "an address of the node, 2001:db8::7/64"),
    ] {
        let unnumbered = format!("{UPLINK}\naddr del 192.0.2.7/24 dev eth0\n{change}");
        refused_whole(&["eth0", reason], "eth0", &unnumbered);
    }
    let by_altname = format!("{UPLINK}\nlink property add dev eth0 altname enp3s0");
    refused_whole(&["eth0", "an address of the node"], "enp3s0", &by_altname);
}

#[test]
fn the_hosts_end_of_another_pods_interface_is_not_taken_by_mode_passthru() {
    let words = ["veth pair whose other end is in another namespace", "wholeMasters in"];
    let change = "link add veth_b type veth peer name eth0 netns switch\nlink set veth_b up";
    refused_whole(&words, "veth_b", change);
}

#[test]
fn by_node_yaml_an_interface_of_the_node_is_taken_and_others_are_shared_as_ever() {
    let world = World::new();
    world.host().ip_do(UPLINK);
    let pods = [world.bare_pod("a"), world.bare_pod("b")];
    let shared = config(&json!({ "master": "eth0", "mode": "bridge" }));
    let plugin = world.plugin("macvlan").netns(pods[0].path());
    plugin.add(&shared).success();
    plugin.del(&shared).success();
    world.let_take_whole(&["eth1", "eth0"]);
    let whole = config(&json!({ "master": "eth0", "mode": "passthru" }));
    let plugin = world.plugin("macvlan").netns(pods[1].path());
    let result = plugin.add(&whole).success();
    // Whoever has it keeps it when the list changes.
    world.let_take_whole(&[]);
    let mut checked = whole.clone();
    checked["prevResult"] = result;
    plugin.check(&checked).success();
    plugin.del(&whole).success();
}

fn script(world: &World, name: &str, body: &str) {
    let path = world.file(name, format!("#!/bin/sh\n{body}\n"));
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn broken_json() {
    refused(
        6,
        &["line 1", "column"],
        |_| (),
        |_, plugin| plugin.run_bytes("ADD", b"{\"cniVersion\": \"1.1.0\", "),
    );
    refused(6, &["JSON object"], |_| (), |_, plugin| plugin.run_bytes("ADD", b"[]"));
}

#[test]
fn wrong_types() {
    refused_config(7, &["mtu", "\"9000\""], &json!({ "mtu": "9000" }));
    refused_config(7, &["linkInContainer"], &json!({ "linkInContainer": 1 }));
    refused_config(7, &["master"], &json!({ "master": 3 }));
}

#[test]
fn unknown_modes() {
    refused_config(7, &["unknown macvlan mode: \"brdige\"", "bridge", "vepa"], &json!({ "mode": "brdige" }));
    refused_config(2, &["\"source\"", "passthru"], &json!({ "mode": "source" }));
}

#[test]
fn a_master_that_is_missing() {
    refused_config(7, &["master \"nosuch\"", "host"], &json!({ "master": "nosuch" }));
    refused_config(7, &["one master", "ifacer"], &json!({ "master": ["rail1", "rail2"] }));
}

#[test]
fn a_master_that_is_down_where_one_that_is_up_is_required() {
    let down = |world: &World| world.host().ip_do("link set rail1 down");
    let required = config(&json!({ "requireMasterUp": true }));
    let words = ["master \"rail1\" is down", "ip link set rail1 up"];
    refused(11, &words, down, |_, plugin| plugin.add(&required));
}

#[test]
fn a_master_that_is_a_bridge_port() {
    refused_host(7, &["port of br0"], "link add br0 type bridge\nlink set rail1 master br0");
}

#[test]
fn a_master_in_another_namespace() {
    let away = |world: &World| world.host().ip_do(&format!("link set rail1 netns {}", world.switch().name()));
    refused(7, &["master \"rail1\"", "pod has taken"], away, |_, plugin| plugin.add(&config(&json!({}))));
}

#[test]
fn no_default_route_and_no_master() {
    let mut conf = config(&json!({}));
    conf.as_object_mut().unwrap().remove("master");
    refused(7, &["no default route interface"], |_| (), |_, plugin| plugin.add(&conf));
}

#[test]
fn an_mtu_above_the_masters() {
    refused_config(7, &["invalid MTU 9001", "master MTU(9000)"], &json!({ "mtu": 9001 }));
}

#[test]
fn a_name_that_the_pod_uses() {
    refused(7, &["eth0"], |_| (), |_, plugin| plugin.ifname("eth0").add(&config(&json!({}))));
}

#[test]
fn names_that_no_interface_can_have() {
    for name in ["sixteen-bytes-xx", ".", "..", "a/b", "a:b", "a b"] {
        refused(4, &["interface name"], |_| (), |_, plugin| plugin.ifname(name).add(&config(&json!({}))));
    }
}

#[test]
fn path_characters_in_names() {
    for id in ["../../etc", "a/b", "-a", ""] {
        let words: &[&str] = if id.is_empty() { &["CNI_CONTAINERID"] } else { &[id] };
        refused(4, words, |_| (), |_, plugin| plugin.container(id).add(&config(&json!({}))));
    }
    refused_config(7, &["../rail1"], &json!({ "name": "../rail1" }));
}

#[test]
fn a_container_id_too_long_for_a_file_name() {
    let long = "c".repeat(300);
    refused(5, &["container ID"], |_| (), |_, plugin| plugin.container(&long).add(&config(&json!({}))));
}

#[test]
fn a_netns_that_is_none() {
    let plain = |world: &World| drop(world.file("plain", ""));
    let at = |world: &World, plugin: Plugin| {
        plugin.netns(&world.dirs().scratch.join("plain")).add(&config(&json!({})))
    };
    refused(8, &["plain", "no namespace"], plain, at);
    let missing = |_: &World, plugin: Plugin| {
        plugin.netns(std::path::Path::new("/run/netns/nosuch")).add(&config(&json!({})))
    };
    refused(8, &["/run/netns/nosuch"], |_| (), missing);
}

#[test]
fn my_own_netns() {
    let own = |world: &World, plugin: Plugin| plugin.netns(world.host().path()).add(&config(&json!({})));
    refused(8, &["plugin's netns"], |_| (), own);
}

#[test]
fn an_ipam_binary_that_is_missing() {
    refused_config(
        999,
        &["failed to find plugin \"nosuch-ipam\""],
        &json!({ "ipam": { "type": "nosuch-ipam" } }),
    );
}

#[test]
fn an_ipam_that_fails_or_prints_garbage() {
    let with = |body: &'static str| {
        move |world: &World| script(world, "odd-ipam", &format!("cat >/dev/null\n{body}"))
    };
    let add = |world: &World, plugin: Plugin| {
        let plugin = plugin.env("CNI_PATH", &world.dirs().scratch);
        plugin.add(&config(&json!({ "ipam": { "type": "odd-ipam" } })))
    };
    refused(6, &["odd-ipam", "half a result"], with("echo half a result"), add);
    refused(999, &["odd-ipam", "no address"], with("echo '{\"cniVersion\":\"1.1.0\"}'"), add);
    let typed = "[ $CNI_COMMAND = DEL ] || { echo '{\"code\":123,\"msg\":\"pool is empty\"}'; exit 1; }";
    refused(123, &["pool is empty"], with(typed), add);
    refused(999, &["odd-ipam", "boom"], with("[ $CNI_COMMAND = DEL ] || { echo boom >&2; exit 3; }"), add);
    let endless = "[ $CNI_COMMAND = DEL ] || exec cat /dev/zero";
    refused(6, &["odd-ipam", "printed more than 4 MiB"], with(endless), add);
}

#[test]
fn a_prev_result_of_another_version() {
    refused_config(7, &["prevResult", "9.9.9"], &json!({ "prevResult": { "cniVersion": "9.9.9" } }));
    refused_config(7, &["prevResult"], &json!({ "prevResult": { "cniVersion": "1.1.0", "ips": 4 } }));
}

#[test]
fn versions_that_are_not_supported() {
    refused_config(1, &["incompatible CNI versions", "2.0.0"], &json!({ "cniVersion": "2.0.0" }));
}

#[test]
fn a_second_add_without_del() {
    let first = |world: &World| {
        let pod = "/run/netns/a";
        world.plugin("macvlan").netns(std::path::Path::new(pod)).add(&config(&json!({}))).success();
    };
    refused(999, &["is attached", "run DEL"], first, |_, plugin| plugin.add(&config(&json!({}))));
}

#[test]
fn a_mac_that_the_master_or_another_child_has() {
    let master = |world: &World| {
        world.host().ip_do("link set rail1 address 02:00:00:00:00:77");
    };
    let child = |world: &World| {
        world.host().ip_do("link add other link rail1 address 02:00:00:00:00:77 type macvlan mode bridge");
        world.host().ip_do("link set other up");
    };
    let conf = config(&json!({ "mac": "02:00:00:00:00:77" }));
    let words = ["mac", "02:00:00:00:00:77", "net1", "choose another mac", "EADDRINUSE"];
    refused(7, &words, master, |_, plugin| plugin.add(&conf));
    refused(7, &words, child, |_, plugin| plugin.add(&conf));
}

#[test]
fn a_route_by_a_gateway_that_cannot_be_reached() {
    for (subnet, ips, dst, gw) in [
        ("172.16.1.0/24", "172.16.1.10-172.16.1.20", "10.9.0.0/16", "192.0.2.1"),
        ("fd00:1::/64", "fd00:1::10-fd00:1::20", "fd00:9::/48", "fd00:2::1"),
    ] {
        let pool = json!({ "name": "pool", "subnet": subnet, "ips": [ips] });
        let ipam = json!({ "type": "rail-ipam", "pools": [pool], "routes": [{ "dst": dst, "gw": gw }] });
        let conf = config(&json!({ "ipam": ipam }));
        refused(7, &[dst, gw, "net1", "ipam.routes"], |_| (), |_, plugin| plugin.add(&conf));
    }
}

/// The state directory as a file system of its own, mounted with `options`.
fn mount_state(world: &World, options: &str) {
    let state = &world.dirs().state;
    std::fs::create_dir_all(state).unwrap();
    let status = Command::new("mount").args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(state).status();
    assert!(status.unwrap().success());
}

#[test]
fn a_state_directory_that_is_read_only() {
    let add = |_: &World, plugin: Plugin| plugin.add(&config(&json!({})));
    refused(5, &["read-only"], |world| mount_state(world, "ro"), add);
}

#[test]
fn a_state_directory_that_is_full() {
    let fill = |world: &World| {
        mount_state(world, "size=16k");
        let mut dir = world.dirs().state.join("attachments/rail1");
        std::fs::create_dir_all(&dir).unwrap();
        dir.push("filler");
        let chunk = [0_u8; 4096];
        let mut file = std::fs::File::create(dir).unwrap();
        while std::io::Write::write_all(&mut file, &chunk).is_ok() {}
    };
    refused(5, &["space"], fill, |_, plugin| plugin.add(&config(&json!({}))));
}

#[test]
fn a_record_of_an_older_boot_or_a_torn_one_is_no_hindrance() {
    let world = World::new();
    world.rail(1);
    let pod = world.pod("a");
    let plugin = world.plugin("macvlan").netns(pod.path());
    plugin.add(&config(&json!({}))).success();
    let path = world.dirs().state.join("attachments/rail1/cid,macvlan,net1");
    let record = std::fs::read_to_string(&path).unwrap();
    plugin.del(&config(&json!({}))).success();
    for torn in [0, 1, 10, record.len() / 2, record.len() - 1] {
        overwrite(&path, &record[..torn]);
        plugin.add(&config(&json!({}))).success();
        let current = std::fs::read_to_string(&path).unwrap();
        overwrite(&path, &current[..torn]);
        plugin.del(&config(&json!({}))).success();
        assert!(!pod.has_link("net1") && !path.exists(), "torn at {torn}");
    }
}

/// As a power cut leaves it: in place, and cut short.
fn overwrite(path: &std::path::Path, content: &str) {
    let mut file = std::fs::File::create(path).unwrap();
    std::io::Write::write_all(&mut file, content.as_bytes()).unwrap();
}
