//! The node's side: how it reaches the NICs of its pods, and that nothing of it is left.

use std::net::IpAddr;
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};
use testkit::{Ping, assert_same};

use crate::pod::{Scene, Stack, lines, merge, previous};

/// What a command prints on the node.
pub(crate) fn on_node(scene: &Scene, command: &str) -> Vec<String> {
    let words: Vec<&str> = command.split(' ').collect();
    let run = || Command::new(words[0]).args(&words[1..]).output().unwrap();
    let output = scene.world.host().run(run);
    assert!(output.status.success(), "{command}: {output:?}");
    lines(&output)
}

fn node_rules(scene: &Scene) -> Vec<String> {
    let ours = |line: &String| line.starts_with("1000:");
    ["ip rule", "ip -6 rule"].iter().flat_map(|command| on_node(scene, command)).filter(ours).collect()
}

/// The node's addresses on the rails, as AI nodes have them.
fn number_the_node(scene: &Scene) {
    for rail in &scene.rails {
        let (v4, v6, master) = (rail.address4(1), rail.address6(1), &rail.master);
        scene
            .world
            .host()
            .ip_do(&format!("addr add {v4}/24 dev {master}\naddr add {v6}/64 dev {master} nodad"));
    }
    let ready = || {
        let local = |rail: &testkit::Rail| {
            let routes =
                on_node(scene, &format!("ip -6 route show table local type local dev {}", rail.master));
            routes.iter().any(|route| route.contains(&rail.address6(1).to_string()))
        };
        scene.rails.iter().all(local).then_some(())
    };
    testkit::eventually(Duration::from_secs(10), ready).expect("the node has its addresses");
}

/// A macvlan on its own master is out of reach for the node; by the pod's veth pair it is not, and the answer comes back
/// by it, whoever begins.
#[test]
fn node_and_rails_reach_each_other_by_the_pods_veth_pair() {
    let scene = Scene::new(2, Stack::Dual);
    number_the_node(&scene);
    let (node, before) = (scene.world.host(), scene.snapshot());
    for number in [1, 2] {
        let near: IpAddr = scene.rails[number - 1].address4(10).into();
        assert_eq!(
            node.ping(&Ping::to(near).within(Duration::from_millis(200))),
            Ok(false),
            "macvlan keeps them apart"
        );
        scene.add(number, &json!({}));
    }
    for rail in &scene.rails {
        let pairs: [(IpAddr, IpAddr); 2] = [
            (rail.address4(10).into(), rail.address4(1).into()),
            (rail.address6(0x10).into(), rail.address6(1).into()),
        ];
        for (near, host) in pairs {
            node.assert_ping(&Ping::to(near).from(host));
            let capture = scene.pod.capture();
            scene.pod.assert_ping(&Ping::to(host).from(near));
            let sent = capture
                .find(Duration::from_secs(2), |frame| frame.outgoing && frame.ends() == Some((near, host)));
            assert_eq!(sent.unwrap().ifname, "eth0", "{near} to {host}");
        }
    }
    for number in [1, 2] {
        scene.del(number);
    }
    assert_same(&before, &scene.snapshot());
}

#[test]
fn each_address_has_a_route_a_neighbour_and_the_rule_before_main() {
    let scene = Scene::new(1, Stack::Dual);
    let result = scene.add(1, &json!({}));
    let veth = scene.pod.host_veth();
    assert_eq!(node_rules(&scene), ["1000: from all lookup 500 proto 211"; 2]);
    assert_eq!(
        on_node(&scene, "ip route show table 500"),
        [format!("172.16.1.10 dev {veth} proto 211 scope link")]
    );
    let v6 = format!("fd00:16:1::10 dev {veth} proto 211 metric 1024 pref medium");
    assert_eq!(on_node(&scene, "ip -6 route show table 500"), [v6]);
    let neighbours = on_node(&scene, &format!("ip neigh show dev {veth} nud permanent"));
    for address in ["172.16.1.10", "fd00:16:1::10"] {
        let expected = format!("{address} lladdr 02:00:00:00:03:01 PERMANENT proto 211");
        assert!(neighbours.contains(&expected), "{neighbours:?}");
    }
    for (meddling, expected) in [
        ("ip route del 172.16.1.10 table 500", "the node's route 172.16.1.10 dev"),
        ("ip rule del priority 1000", "the node's rule 1000: from all lookup 500 (V4) is missing"),
        (&format!("ip -6 neigh del fd00:16:1::10 dev {veth}"), "the node's neighbour fd00:16:1::10 dev"),
    ] {
        on_node(&scene, meddling);
        let said = scene.check(1, &json!({}), &result);
        assert!(said.contains(expected), "{said}");
    }
}

/// The kernel may keep whoever has the lock waiting for seconds. Of a crowd that leaves, only the last one needs it: for the rule.
#[test]
fn a_del_waits_for_nobody_while_other_nics_keep_the_rule() {
    let scene = Scene::new(2, Stack::Dual);
    let before = scene.snapshot();
    scene.add(1, &json!({}));
    scene.add(2, &json!({}));
    let path = scene.world.dirs().state.join("locks/node-routes");
    let lock = state::Lock::acquire(&path, Duration::ZERO).unwrap();
    scene.del(1);
    assert_eq!(on_node(&scene, "ip route show table 500").len(), 1);
    assert_eq!(node_rules(&scene), ["1000: from all lookup 500 proto 211"; 2]);
    drop(lock);
    scene.del(2);
    assert_same(&before, &scene.snapshot());
}

/// C00016, and a node that is to be left alone.
#[test]
fn the_table_is_the_configs_and_none_leaves_the_node_alone() {
    let scene = Scene::new(1, Stack::V4);
    number_the_node(&scene);
    let before = scene.snapshot();
    scene.add(1, &json!({ "hostRuleTable": 723 }));
    assert_eq!(node_rules(&scene), ["1000: from all lookup 723 proto 211"]);
    assert_eq!(on_node(&scene, "ip route show table 723").len(), 1);
    scene.del(1);
    assert_same(&before, &scene.snapshot());
    scene.add(1, &json!({ "hostRuleTable": 0 }));
    assert_eq!(node_rules(&scene), [""; 0]);
    assert_eq!(scene.table("-4", "101").len(), 2, "the default route and the connected one");
    scene.del(1);
    assert_same(&before, &scene.snapshot());
}

/// C00010: what an owner before this one left behind leads nowhere.
#[test]
fn stale_routes_and_neighbours_of_an_earlier_owner_are_replaced() {
    let scene = Scene::new(1, Stack::Dual);
    number_the_node(&scene);
    let rail = &scene.rails[0];
    scene.world.host().ip_do(
        "link add dead type veth peer name dead1\nlink set dead addrgenmode none\nlink set dead1 addrgenmode none\n\
         link set dead up\nlink set dead1 up",
    );
    // Their carrier is the business of a worker of the kernel, and what IPv6 makes of it.
    let multicast =
        |name: &str| on_node(&scene, &format!("ip -6 route show table local type multicast dev {name}"));
    let settled = || ["dead", "dead1"].iter().all(|name| !multicast(name).is_empty()).then_some(());
    testkit::eventually(Duration::from_secs(10), settled).expect("the pair is up");
    let before = scene.snapshot();
    scene.world.host().ip_do(
        "rule add lookup 500 priority 1000 protocol 211\n\
         route add 172.16.1.10 dev dead table 500 protocol 211\nroute add fd00:16:1::10 dev dead table 500 protocol 211\n\
         neigh add 172.16.1.10 lladdr 02:00:00:00:99:99 dev dead nud permanent\n\
         neigh add fd00:16:1::10 lladdr 02:00:00:00:99:99 dev dead nud permanent",
    );
    on_node(&scene, "ip -6 rule add lookup 500 priority 1000 protocol 211");
    scene.add(1, &json!({}));
    let pairs: [(IpAddr, IpAddr); 2] = [
        (rail.address4(10).into(), rail.address4(1).into()),
        (rail.address6(0x10).into(), rail.address6(1).into()),
    ];
    for (near, host) in pairs {
        scene.world.host().assert_ping(&Ping::to(near).from(host));
    }
    assert_eq!(on_node(&scene, "ip neigh show dev dead nud permanent"), [""; 0]);
    assert_eq!(on_node(&scene, "ip route show table 500").len(), 1);
    scene.del(1);
    assert_same(&before, &scene.snapshot());
}

/// Hazard 12: the peer leaves routes and neighbours to the end of the pair. The rule is everybody's: the last one takes it away, and only one that is ours.
#[test]
fn the_rule_goes_with_the_last_pod_and_another_owners_stays() {
    let scene = Scene::new(1, Stack::V4);
    let other = scene.world.pod("b");
    let rail = scene.world.rail(2);
    crate::pod::add_nic(&scene.world, &other, &rail, "net1", Stack::V4);
    let mut config = json!({ "cniVersion": "1.1.0", "name": "rail2", "type": "coordinator" });
    let plugin = scene.world.plugin("coordinator").netns(other.path()).container("other").ifname("net1");
    let before = scene.snapshot();
    scene.add(1, &json!({}));
    merge(&mut config, &json!({ "prevResult": previous(&other, &rail, "net1", Stack::V4) }));
    plugin.add(&config).success();
    assert_eq!(on_node(&scene, "ip route show table 500").len(), 2);
    scene.del(1);
    assert_eq!(node_rules(&scene), ["1000: from all lookup 500 proto 211"], "the other pod needs it");
    plugin.del(&config).success();
    assert_same(&before, &scene.snapshot());
    scene.world.host().ip_do("rule add lookup 500 priority 1000");
    let before = scene.snapshot();
    scene.add(1, &json!({}));
    scene.del(1);
    assert_same(&before, &scene.snapshot());
}

/// A namespace that is gone takes its end of the pair with it, and the rule goes by the record.
#[test]
fn del_without_the_namespace_takes_the_rule_away() {
    let scene = Scene::new(1, Stack::Dual);
    let (plugin, config) = (scene.plugin("net1"), scene.bare_config(1));
    scene.add(1, &json!({}));
    scene.world.remove_pod("a");
    plugin.del(&config).success();
    assert_eq!(node_rules(&scene), [""; 0]);
    plugin.del(&config).success();
}

/// Two pods that start and stop at once: nobody takes away what the other needs.
#[test]
fn pods_that_come_and_go_at_once_leave_nothing() {
    let scene = Scene::new(1, Stack::Dual);
    let rail = scene.world.rail(2);
    let pods: Vec<_> = ["b", "c", "d"].iter().map(|name| scene.world.pod(name)).collect();
    let jobs: Vec<_> = pods
        .iter()
        .zip([11_u8, 12, 13])
        .map(|(pod, host)| {
            let mut nic = rail.clone();
            nic.number = host;
            crate::pod::add_nic(&scene.world, pod, &nic, "net1", Stack::Dual);
            let plugin =
                scene.world.plugin("coordinator").netns(pod.path()).container(pod.name()).ifname("net1");
            let config: Value = json!({
                "cniVersion": "1.1.0", "name": "rail2", "type": "coordinator",
                "prevResult": previous(pod, &nic, "net1", Stack::Dual),
            });
            (plugin, config)
        })
        .collect();
    let before = scene.snapshot();
    for _ in 0..5 {
        std::thread::scope(|scope| {
            for (plugin, config) in &jobs {
                scope.spawn(move || {
                    plugin.add(config).success();
                    plugin.del(config).success();
                });
            }
        });
        assert_same(&before, &scene.snapshot());
    }
}
