//! A pod that is not to be trusted: it has `CAP_NET_ADMIN` in its namespace, and acts while a plugin does.

use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use netns_tests::hostile_pod::while_pod_acts;
use serde_json::{Value, json};
use testkit::{Ping, assert_same};

use crate::node::on_node;
use crate::pod::{Scene, Stack, nic};

/// The node's uplink, its gateway, and the API server behind that; a container network on another node; a service.
const GATEWAY: &str = "192.0.2.254";
const API_SERVER: &str = "198.51.100.7";
const OTHER_NODES_POD: &str = "10.244.7.7";

/// A node with a way out, as nodes have it, and the gateway's own entry among its neighbours.
fn furnish_node(scene: &Scene) {
    scene.world.host().ip_do(&format!(
        "link add uplink type veth peer name wire\nlink set uplink addrgenmode none\nlink set wire addrgenmode none\n\
         link set uplink up\nlink set wire up\naddr add 192.0.2.1/24 dev uplink\n\
         neigh add {GATEWAY} lladdr 02:00:00:00:99:fe dev uplink nud permanent\n\
         route add default via {GATEWAY}\nroute add 198.51.100.0/24 via {GATEWAY}\nroute add 10.244.7.0/24 via 192.0.2.77"
    ));
    settled(scene);
}

/// The carrier of a pair is the business of a worker of the kernel, and what IPv6 makes of it.
fn settled(scene: &Scene) {
    let multicast = |name: &str| {
        !on_node(scene, &format!("ip -6 route show table local type multicast dev {name}")).is_empty()
    };
    let both = || (multicast("uplink") && multicast("wire")).then_some(());
    testkit::eventually(Duration::from_secs(10), both).expect("the node's uplink is up");
}

/// What the node does with a packet to each.
fn ways(scene: &Scene, victims: &[String]) -> Vec<String> {
    victims
        .iter()
        .flat_map(|ip| on_node(scene, &format!("ip route get {ip}")))
        .filter(|line| !line.contains("cache"))
        .map(|line| line.replace(" table local", ""))
        .collect()
}

/// The addresses that the pod gives itself are no business of the node's, whenever it does that.
#[test]
fn the_node_routes_none_of_the_addresses_that_a_pod_gives_itself() {
    let scene = Scene::new(1, Stack::V4);
    furnish_node(&scene);
    let victim = scene.world.pod("victim");
    let victims: Vec<String> = [GATEWAY, "192.0.2.1", API_SERVER, OTHER_NODES_POD, "172.16.1.77"]
        .iter()
        .map(ToString::to_string)
        .chain([victim.eth0_4().to_string()])
        .collect();
    let before = scene.snapshot();
    let before_ways = ways(&scene, &victims);
    let steal = || {
        for ip in &victims {
            drop(scene.pod.try_ip(&["addr", "add", &format!("{ip}/32"), "dev", "net1"]));
        }
    };
    steal();
    while_pod_acts(&scene.pod, steal, || scene.add(1, &json!({})));
    assert_eq!(on_node(&scene, "ip route show table 500").len(), 1, "its own address, and no other");
    assert_eq!(ways(&scene, &victims), before_ways);
    scene.world.host().assert_ping(&Ping::to(IpAddr::from(victim.eth0_4())));
    while_pod_acts(&scene.pod, steal, || scene.del(1));
    for ip in &victims {
        scene.pod.ip_do(&format!("addr del {ip}/32 dev net1"));
    }
    assert_same(&before, &scene.snapshot());
}

/// A network's author can name any address. Those that the node uses otherwise are refused with the reason, and nothing
/// has changed.
#[test]
fn an_address_that_the_node_uses_otherwise_is_refused_and_its_owner_named() {
    let scene = Scene::new(1, Stack::V4);
    furnish_node(&scene);
    let victim = scene.world.pod("victim");
    scene.world.host().ip_do("addr add 172.16.1.1/24 dev rail1\nroute add 10.9.0.0/16 via 172.16.1.254");
    let before = scene.snapshot();
    let of_victim = victim.eth0_4().to_string();
    for (ip, expected) in [
        (GATEWAY, "it is a gateway of the node, on uplink"),
        ("172.16.1.254", "it is a gateway of the node, on rail1"),
        ("192.0.2.1", "it is the node's own, on uplink"),
        ("172.16.1.1", "it is the node's own, on rail1"),
        ("192.0.2.255", "it is the node's own, on uplink"),
        ("192.0.2.9", "the node reaches it by uplink (route 192.0.2.0/24)"),
        (API_SERVER, "the node reaches it by 192.0.2.254 on uplink (route 198.51.100.0/24)"),
        (OTHER_NODES_POD, "the node reaches it by 192.0.2.77 on uplink (route 10.244.7.0/24)"),
        (of_victim.as_str(), "the node reaches it by cali2 (route 10.244.0.2/32)"),
    ] {
        let rail = &scene.rails[0];
        let mut config = scene.config(rail, &json!({}));
        config["prevResult"]["ips"] =
            json!([{ "interface": 0, "address": format!("{ip}/24"), "gateway": "172.16.1.250" }]);
        let error = scene.plugin(&nic(rail)).add(&config).error();
        assert!(error.msg.contains(&format!("{ip} cannot be the pod's: {expected}")), "{error:?}");
        assert_same(&before, &scene.snapshot());
    }
}

/// A machine beside the node, such as the one with the API server, is on the wire of the master itself.
#[test]
fn an_address_that_the_node_speaks_with_on_the_masters_wire_is_refused() {
    let scene = Scene::new(1, Stack::V4);
    scene.world.host().ip_do("addr add 172.16.1.1/24 dev rail1");
    scene.world.switch().ip_do("addr add 172.16.1.77/24 dev port1");
    let beside: IpAddr = "172.16.1.77".parse().unwrap();
    scene.world.host().assert_ping(&Ping::to(beside));
    let rail = &scene.rails[0];
    let mut config = scene.config(rail, &json!({}));
    config["prevResult"]["ips"] = json!([{ "interface": 0, "address": "172.16.1.77/24" }]);
    let before = ways(&scene, &[beside.to_string()]);
    let error = scene.plugin(&nic(rail)).add(&config).error();
    assert_eq!(error.code, 102, "{error:?}");
    assert!(
        error.msg.contains("the node speaks with it on rail1, where 02:00:00:00:02:01 has it"),
        "{error:?}"
    );
    assert_eq!(ways(&scene, &[beside.to_string()]), before);
    // What the node has not heard of lately may have moved here since.
    scene.world.switch().ip_do("addr del 172.16.1.77/24 dev port1");
    scene.world.host().ip_do("neigh replace 172.16.1.77 lladdr 02:00:00:00:02:01 dev rail1 nud stale");
    scene.plugin(&nic(rail)).add(&config).success();
    scene.del(1);
}

/// As Spiderpool's coordinator has it on a node that is moved from it to this suite with pods running.
#[test]
fn a_route_to_a_pod_of_another_suite_is_neither_replaced_nor_deleted() {
    let scene = Scene::new(1, Stack::V4);
    let theirs = scene.world.pod("theirs");
    let veth = theirs.host_veth();
    scene.world.host().ip_do(&format!(
        "rule add priority 1000 table 500\nroute add 172.16.1.10 dev {veth} table 500 proto static\n\
         neigh replace 172.16.1.10 dev {veth} lladdr 02:00:00:00:00:09 nud permanent"
    ));
    let before = scene.snapshot();
    let rail = &scene.rails[0];
    let error = scene.plugin(&nic(rail)).add(&scene.config(rail, &json!({}))).error();
    assert!(
        error.code == 102 && error.msg.contains(&format!("the node is led to it by {veth}")),
        "{error:?}"
    );
    scene.del(1);
    assert_same(&before, &scene.snapshot());
}

/// Numbered rails, flat subnets and a default route that covers everything: what AI nodes have, and no reason to refuse.
#[test]
fn an_address_of_the_rails_own_subnet_is_the_pods_whichever_nic_the_node_would_take() {
    let scene = Scene::new(2, Stack::V4);
    furnish_node(&scene);
    let before = scene.snapshot();
    for number in ["rail1", "rail2"] {
        let host = if number == "rail1" { 1 } else { 2 };
        scene.world.host().ip_do(&format!("addr add 172.16.0.{host}/16 dev {number}"));
    }
    for number in [1, 2] {
        scene.add(number, &json!({}));
    }
    assert_eq!(on_node(&scene, "ip route show table 500").len(), 2);
    for number in [1, 2] {
        scene.del(number);
    }
    scene.world.host().ip_do("addr del 172.16.0.1/16 dev rail1\naddr del 172.16.0.2/16 dev rail2");
    assert_same(&before, &scene.snapshot());
}

/// The rule that leads into the table is for everything the node sends.
#[test]
fn a_table_of_the_nodes_own_is_not_put_before_all_its_traffic() {
    let scene = Scene::new(1, Stack::V4);
    furnish_node(&scene);
    scene.world.host().ip_do("route add default dev rail1 table 152");
    let before = scene.snapshot();
    let rail = &scene.rails[0];
    let outcome = scene.plugin(&nic(rail)).add(&scene.config(rail, &json!({ "hostRuleTable": 152 })));
    let error = outcome.error();
    assert!(error.msg.contains("hostRuleTable 152 is a table of the node's own"), "{error:?}");
    assert_same(&before, &scene.snapshot());
}

/// An entry for the same address that is not ours stays where it is.
#[test]
fn neighbours_of_others_stay() {
    let scene = Scene::new(1, Stack::V4);
    scene.world.host().ip_do("addr add 172.16.1.1/24 dev rail1\nneigh add 172.16.1.10 lladdr 02:00:00:00:04:01 dev rail1 nud permanent");
    let before = scene.snapshot();
    scene.add(1, &json!({}));
    let kept = on_node(&scene, "ip neigh show dev rail1 nud permanent");
    assert_eq!(kept, ["172.16.1.10 lladdr 02:00:00:00:04:01 PERMANENT"]);
    scene.del(1);
    assert_same(&before, &scene.snapshot());
}

fn of_other(container: &str, scene: &Scene, pod: &testkit::Pod) -> (testkit::Plugin, Value) {
    let other_fabric = testkit::Rail { number: 1, ..scene.world.rail(2) };
    crate::pod::add_nic(&scene.world, pod, &other_fabric, "net1", Stack::V4);
    let previous = crate::pod::previous(pod, &other_fabric, "net1", Stack::V4);
    let config =
        json!({ "cniVersion": "1.1.0", "name": "other", "type": "coordinator", "prevResult": previous });
    (scene.world.plugin("coordinator").netns(pod.path()).container(container).ifname("net1"), config)
}

/// Two live pods with one address, of networks that do not know of each other: the one that has it keeps it, and the
/// other's ADD says who that is. Once it is gone, the address is free.
#[test]
fn of_two_pods_with_one_address_the_first_keeps_it_until_it_goes() {
    let scene = Scene::new(1, Stack::V4);
    let other = scene.world.pod("b");
    let (plugin, config) = of_other("later", &scene, &other);
    let before = scene.snapshot();
    let result = scene.add(1, &json!({}));
    let reached_by = || on_node(&scene, "ip route show table 500");
    let mine = vec![format!("172.16.1.10 dev {} proto 211 scope link", scene.pod.host_veth())];
    assert_eq!(reached_by(), mine);
    let error = plugin.add(&config).error();
    let veth = scene.pod.host_veth();
    let expected = format!(
        "172.16.1.10 cannot be the pod's: net1 of network rail1 in {} has it, which the node reaches by {veth}",
        scene.pod.path().display()
    );
    assert!(error.msg.contains(&expected), "{error:?}");
    plugin.del(&config).success();
    assert_eq!(reached_by(), mine, "and nothing of it went with the other's DEL");
    assert_eq!(scene.check(1, &json!({}), &result), "");
    scene.del(1);
    plugin.add(&config).success();
    plugin.del(&config).success();
    assert_same(&before, &scene.snapshot());
}

/// Each MAC of a macvlan in mode source is 12 bytes: the link is longer than the sixteen bits of an attribute, and than most reads.
#[test]
fn a_link_of_the_pod_that_is_longer_than_a_read_keeps_no_plugin_from_its_end() {
    let scene = Scene::new(1, Stack::V4);
    let mac = |n: u32| format!("02:00:00:00:{:02x}:{:02x}", n >> 8, n & 255);
    let add = |n: u32| format!("link set dev long type macvlan macaddr add {}\n", mac(n));
    let before = scene.snapshot();
    scene.pod.ip_do("link add long link eth0 type macvlan mode source");
    scene.pod.ip_do(&(0..18_000).map(add).collect::<String>());
    scene.add(1, &json!({}));
    scene.del(1);
    scene.pod.ip_do("link del long");
    assert_same(&before, &scene.snapshot());
}

/// No dump comes out whole while addresses come and go, and one process is enough for that.
#[test]
fn a_pod_whose_tables_never_hold_still_keeps_nobody_from_its_end() {
    let scene = Scene::new(1, Stack::V4);
    let add = |n: u32| format!("addr add 10.8.{}.{}/32 dev lo\n", n >> 8, n & 255);
    scene.pod.ip_do(&(0..8_000).map(add).collect::<String>());
    scene.add(1, &json!({}));
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                scene.pod.ip_do(&"addr add 10.7.0.1/32 dev lo\naddr del 10.7.0.1/32 dev lo\n".repeat(200));
            }
        });
        let outcome = scene.plugin(&nic(&scene.rails[0])).del(&scene.bare_config(1));
        over.store(true, Ordering::Relaxed);
        outcome.success();
    });
}
