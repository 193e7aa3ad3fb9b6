//! `rail` where the pod's first NIC is a rail itself (mode underlay): the same pod and the same node as after the chain of
//! `macvlan` and `coordinator` for each NIC, and nothing left however it ends.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};

use serde_json::{Value, json};
use testkit::{Chain, Matrix, Ping, Plugin, Rail, Share, Snapshot, Space, World, assert_same, matrix_tests};

const CONTAINER: &str = "0123456789abcdef";
const SERVICE: Ipv4Addr = Ipv4Addr::new(10, 96, 0, 1);

/// A node with an address on each of two rails, which no macvlan reaches, and a pod without any NIC.
struct Scene {
    world: World,
    rails: Vec<Rail>,
    pod: Space,
}

impl Scene {
    fn new() -> Self {
        let world = World::new();
        let rails: Vec<_> = (1..=2).map(|number| world.rail(number)).collect();
        for rail in &rails {
            world.host().ip_do(&format!("addr add {}/24 dev {}", rail.address4(1), rail.master));
        }
        world.host().ip_do(&format!("addr add {SERVICE}/32 dev lo"));
        let pod = world.bare_pod("a");
        pod.set_sysctl("net/ipv6/conf/default/accept_dad", "0");
        Self { world, rails, pod }
    }

    fn plugin(&self, name: &str, ifname: &str) -> Plugin {
        self.world.plugin(name).netns(self.pod.path()).container(CONTAINER).ifname(ifname)
    }

    fn by_rail(&self) -> Chain {
        Chain::default().first(self.plugin("rail", "eth0"), both())
    }

    fn by_chain(&self) -> Chain {
        [(1, "eth0"), (2, "net2")].into_iter().fold(Chain::default(), |chain, (number, ifname)| {
            let with = |kind: &str, mut config: Value| {
                config["cniVersion"] = json!("1.1.0");
                config["name"] = json!("rails");
                config["type"] = json!(kind);
                (self.plugin(kind, ifname), config)
            };
            let (macvlan, of_macvlan) = with("macvlan", nic(number));
            let (coordinator, of_coordinator) = with("coordinator", routing());
            chain.first(macvlan, of_macvlan).then(coordinator, of_coordinator)
        })
    }

    /// Links, addresses, rules, routes, neighbours, sysctls and leases, and the pod's firewall.
    fn picture(&self) -> (Snapshot, String) {
        let nft = self.pod.exec(&["nft", "list", "ruleset"]);
        assert!(nft.status.success(), "nft, of the package nftables, is needed: {nft:?}");
        (self.world.snapshot().without("file "), String::from_utf8_lossy(&nft.stdout).into_owned())
    }
}

/// The network of both.
fn both() -> Value {
    let mut second = nic(2);
    second["ifname"] = json!("net2");
    json!({ "cniVersion": "1.1.0", "name": "rails", "type": "rail", "rails": [nic(1), second], "routing": routing() })
}

/// With a MAC of its own, so that every pod gets the same.
fn nic(number: u8) -> Value {
    json!({ "master": format!("rail{number}"), "mac": format!("02:00:5e:00:00:{number:02x}"),
            "ipam": { "type": "rail-ipam", "routes": [{ "dst": "0.0.0.0/0" }, { "dst": "::/0" }], "ranges": [
                [{ "subnet": format!("172.16.{number}.0/24"), "gateway": format!("172.16.{number}.254"),
                   "rangeStart": format!("172.16.{number}.10"), "rangeEnd": format!("172.16.{number}.10") }],
                [{ "subnet": format!("fd00:16:{number}::/64"), "gateway": format!("fd00:16:{number}::fe"),
                   "rangeStart": format!("fd00:16:{number}::10"), "rangeEnd": format!("fd00:16:{number}::10") }],
            ] } })
}

fn routing() -> Value {
    json!({ "serviceCIDR": ["10.96.0.0/12"], "vethMTU": 1400, "vethLinkAddress": "169.254.200.1", "podRPFilter": 2 })
}

#[track_caller]
fn same(expected: &(Snapshot, String), found: &(Snapshot, String)) {
    assert_same(&expected.0, &found.0);
    assert_eq!(expected.1, found.1);
}

#[test]
fn pod_and_node_are_as_after_the_chain_of_single_plugins() {
    let scene = Scene::new();
    let before = scene.picture();
    let (chain, rail) = (scene.by_chain(), scene.by_rail());
    chain.add();
    let by_chain = scene.picture();
    chain.del();
    same(&before, &scene.picture());
    rail.add();
    let by_rail = scene.picture();
    let (by_chain, chains_marks) = (in_any_order(&by_chain.0), by_chain.1);
    let differing: Vec<_> = by_chain.symmetric_difference(&in_any_order(&by_rail.0)).cloned().collect();
    assert_eq!((differing, chains_marks), (Vec::new(), by_rail.1));
    rail.del();
    same(&before, &scene.picture());
}

/// The kernel's own routes of IPv6 stand in the order of their links, which is that of the work. They differ in nothing else.
fn in_any_order(picture: &Snapshot) -> BTreeSet<String> {
    let is_kernels = |line: &str| line.contains(" route6 ") && line.contains(r#""protocol":"kernel""#);
    let without_rank = |line: &str| match line.split_once('#') {
        Some((kind, rest)) if is_kernels(line) => {
            format!("{kind}{}", rest.trim_start_matches(|c: char| c.is_ascii_digit()))
        }
        _ => line.to_owned(),
    };
    picture.to_string().lines().map(without_rank).collect()
}

#[test]
fn node_services_and_rails_are_reached_and_check_knows_the_pair() {
    let scene = Scene::new();
    let (plugin, mut config) = (scene.plugin("rail", "eth0"), both());
    let result = plugin.add(&config).success();
    for rail in &scene.rails {
        let near: IpAddr = rail.address4(10).into();
        scene.world.host().assert_ping(&Ping::to(near));
        scene.pod.assert_ping(&Ping::to(rail.gateway4()).from(near));
        scene.pod.assert_ping(&Ping::to(SERVICE).from(near));
    }
    config["prevResult"] = result;
    plugin.check(&config).success();
    assert!(scene.pod.exec(&["nft", "delete", "table", "inet", "railcni"]).status.success());
    let said = plugin.check(&config).error().msg;
    assert!(said.contains("eth0: table inet railcni of nftables is missing in the pod"), "{said}");
    plugin.del(&config).success();
    assert!(!scene.world.host().has_link("veth0123456789a"));
}

/// The node's end of the pair is in the way: nothing of two rails is left.
#[test]
fn a_name_that_the_node_has_already_undoes_all_rails() {
    let scene = Scene::new();
    scene.world.host().ip_do("link add veth0123456789a type bridge");
    let before = scene.picture();
    let error = scene.plugin("rail", "eth0").add(&both()).error();
    assert!(error.msg.contains("the node has a link veth0123456789a already"), "{error:?}");
    same(&before, &scene.picture());
}

#[test]
fn the_pair_and_the_marks_go_by_the_record_when_the_namespace_is_gone() {
    let scene = Scene::new();
    let before = scene.world.host().ip(&["rule"]);
    let (plugin, config) = (scene.plugin("rail", "eth0"), both());
    plugin.add(&config).success();
    let (world, pod) = (scene.world, scene.pod);
    drop(pod);
    world.remove_pod("a");
    plugin.del(&json!({ "cniVersion": "1.1.0", "name": "rails", "type": "rail" })).success();
    assert_eq!(world.host().ip(&["rule"]), before);
    assert_eq!(world.host().ip(&["route", "show", "table", "all", "proto", "211"]), json!([]));
}

fn matrix(run: impl FnOnce(&Matrix<'_>)) {
    let scene = Scene::new();
    run(&Matrix::new("rail, underlay", &scene.world, scene.by_rail(), Share::About(60), &[]));
    assert_eq!(scene.picture().1, "");
}

matrix_tests! { matrix }
