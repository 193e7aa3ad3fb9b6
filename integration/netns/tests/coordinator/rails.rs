//! The layout of the design: rules, tables and main, the same however the rails come.

use serde_json::json;
use testkit::assert_same;

use crate::pod::{Scene, Stack};

const SERVICES: &str = "10.96.0.0/12";

#[test]
fn eight_rails_have_their_tables_and_main_has_eth0s_default_and_every_connected_route() {
    let scene = Scene::new(8, Stack::V4);
    let before = scene.snapshot();
    for number in 1..=8 {
        let result = scene.add(number, &json!({ "serviceCIDR": [SERVICES] }));
        assert_eq!(
            result["routes"],
            json!([{ "dst": "0.0.0.0/0", "gw": format!("172.16.{number}.254"), "table": 100 + number }])
        );
    }
    let mut rules =
        vec!["0: from all lookup local".to_owned(), "10100: from 10.244.0.1 lookup 100 proto 211".to_owned()];
    rules.extend((1..=8).map(|n| format!("{}: from 172.16.{n}.10 lookup {} proto 211", 10_100 + n, 100 + n)));
    rules.extend(["32766: from all lookup main".to_owned(), "32767: from all lookup default".to_owned()]);
    assert_eq!(scene.rules("-4"), rules);
    for n in 1..=8 {
        let expected = [
            format!("default via 172.16.{n}.254 dev net{n} proto 211"),
            format!("{SERVICES} via 169.254.1.1 dev eth0 proto 211 src 10.244.0.1"),
            format!("172.16.{n}.0/24 dev net{n} proto 211 scope link src 172.16.{n}.10"),
        ];
        assert_eq!(scene.table("-4", &(100 + n).to_string()), expected);
    }
    let eth0 = ["default via 169.254.1.1 dev eth0 proto 211", "169.254.1.1 dev eth0 proto 211 scope link"];
    assert_eq!(scene.table("-4", "100"), eth0);
    let mut main = vec![
        "default via 169.254.1.1 dev eth0".to_owned(),
        format!("{SERVICES} via 169.254.1.1 dev eth0 proto 211 src 10.244.0.1"),
        "169.254.1.1 dev eth0 scope link".to_owned(),
    ];
    main.extend(
        (1..=8).map(|n| format!("172.16.{n}.0/24 dev net{n} proto kernel scope link src 172.16.{n}.10")),
    );
    assert_eq!(scene.table("-4", "main"), main);
    for number in [3, 1, 8, 2, 7, 4, 6, 5] {
        scene.del(number);
    }
    assert_same(&before, &scene.snapshot());
}

#[test]
fn ipv6_is_treated_alike_and_multipath_defaults_lose_one_branch_only() {
    let scene = Scene::new(2, Stack::V6);
    let before = scene.snapshot();
    assert_eq!(scene.table("-6", "main").iter().filter(|line| line.starts_with("nexthop")).count(), 3);
    scene.add(1, &json!({}));
    let default: Vec<String> = scene
        .table("-6", "main")
        .into_iter()
        .filter(|line| line.contains("via") && !line.contains("net1"))
        .collect();
    assert_eq!(default.len(), 2, "eth0 and net2, which nobody coordinates: {default:?}");
    let result = scene.add(2, &json!({}));
    assert_eq!(result["routes"], json!([{ "dst": "::/0", "gw": "fd00:16:2::fe", "table": 102 }]));
    assert_eq!(
        scene.rules("-6"),
        [
            "0: from all lookup local",
            "10100: from fd00:244::1 lookup 100 proto 211",
            "10101: from fd00:16:1::10 lookup 101 proto 211",
            "10102: from fd00:16:2::10 lookup 102 proto 211",
            "32766: from all lookup main",
        ]
    );
    assert_eq!(
        scene.table("-6", "102"),
        [
            "fd00:16:2::/64 dev net2 proto 211 metric 256 pref medium",
            "default via fd00:16:2::fe dev net2 proto 211 metric 1024 pref medium",
        ]
    );
    let main = scene.table("-6", "main");
    assert!(main.contains(&"default via fe80::1 dev eth0 metric 1024 pref medium".to_owned()), "{main:?}");
    for kept in ["fd00:16:1::/64 dev net1", "fe80::/64 dev net1", "fe80::/64 dev eth0"] {
        assert!(main.iter().any(|line| line.starts_with(kept)), "{kept}: {main:?}");
    }
    scene.del(1);
    scene.del(2);
    assert_same(&before, &scene.snapshot());
}

/// The lists of ten pods, whose rails come and go in ten different orders.
#[test]
fn ten_runs_in_any_order_give_identical_lists() {
    let scene = Scene::new(4, Stack::Dual);
    let before = scene.snapshot();
    let mut first = None;
    for run in 0..10_usize {
        let order: Vec<usize> = (0..4).map(|i| (i * [1, 3][run % 2] + run) % 4 + 1).collect();
        for &number in &order {
            scene.add(number, &json!({ "hijackCIDR": ["169.254.0.0/16", "fd00:96::/108"] }));
        }
        let families = ["-4", "-6"].map(|family| (scene.rules(family), scene.table(family, "all")));
        assert_eq!(*first.get_or_insert_with(|| families.clone()), families, "order {order:?}");
        for &number in order.iter().rev().skip(run % 3).chain(order.iter().rev().take(run % 3)) {
            scene.del(number);
        }
        assert_same(&before, &scene.snapshot());
    }
}

#[test]
fn all_rails_at_once_are_served_one_after_another() {
    let scene = Scene::new(8, Stack::Dual);
    let before = scene.snapshot();
    let run = |verb: &'static str| {
        let jobs: Vec<_> = (1..=8)
            .map(|n| {
                (
                    scene.plugin(&format!("net{n}")),
                    scene.config(&scene.rails[n - 1], &json!({ "serviceCIDR": [SERVICES] })),
                )
            })
            .collect();
        std::thread::scope(|scope| {
            let running: Vec<_> =
                jobs.iter().map(|(plugin, config)| scope.spawn(move || plugin.run(verb, config))).collect();
            for job in running {
                job.join().unwrap().success();
            }
        });
    };
    run("ADD");
    assert_eq!(scene.rules("-4").len(), 8 + 4);
    assert_eq!(scene.table("-4", "main").iter().filter(|line| line.starts_with("default")).count(), 1);
    run("DEL");
    assert_same(&before, &scene.snapshot());
}

/// C00015
#[test]
fn nics_of_any_name_get_the_first_free_tables() {
    let scene = Scene::new(1, Stack::V4);
    let rail = scene.world.rail(2);
    scene.add_nic(&rail, "rdma0");
    let before = scene.snapshot();
    let config = json!({ "cniVersion": "1.0.0", "name": "rdma", "type": "coordinator", "prevResult": scene.previous(&rail, "rdma0") });
    let result = scene.plugin("rdma0").add(&config).success();
    assert_eq!(result["routes"], json!([{ "dst": "0.0.0.0/0", "gw": "172.16.2.254", "table": 102 }]));
    scene.add(1, &json!({}));
    let rules = scene.rules("-4").join("\n");
    assert!(
        rules.contains("10102: from 172.16.2.10 lookup 102")
            && rules.contains("10101: from 172.16.1.10 lookup 101"),
        "{rules}"
    );
    scene
        .plugin("rdma0")
        .del(&json!({ "cniVersion": "1.0.0", "name": "rdma", "type": "coordinator" }))
        .success();
    scene.del(1);
    assert_same(&before, &scene.snapshot());
}

#[test]
fn a_table_with_a_route_that_no_rule_names_is_not_taken() {
    let scene = Scene::new(2, Stack::V4);
    scene
        .pod
        .ip_do("route add 203.0.113.0/24 dev net1 table 101\nrule add from 192.0.2.1 lookup 100 priority 77");
    let before = scene.snapshot();
    let result = scene.add(1, &json!({}));
    assert_eq!(result["routes"][0]["table"], 103, "102 is net2's own");
    let rules = scene.rules("-4").join("\n");
    assert!(
        rules.contains("10103: from 172.16.1.10 lookup 103") && rules.contains("from 10.244.0.1 lookup 104"),
        "{rules}"
    );
    assert_eq!(scene.table("-4", "101"), ["203.0.113.0/24 dev net1 scope link"]);
    scene.del(1);
    assert_same(&before, &scene.snapshot());
}

/// Upstream counts links and takes the NIC's number from that: an interface more shifts every table (hazard 2).
#[test]
fn links_that_are_not_ours_shift_nothing() {
    let scene = Scene::new(1, Stack::V4);
    scene.pod.ip_do(
        "link add dangling0 type veth peer name dangling1\nlink set dangling0 up\nlink set dangling1 up",
    );
    scene.add(1, &json!({}));
    assert!(scene.rules("-4").contains(&"10101: from 172.16.1.10 lookup 101 proto 211".to_owned()));
    assert!(scene.rules("-4").contains(&"10100: from 10.244.0.1 lookup 100 proto 211".to_owned()));
}

#[test]
fn pool_routes_stay_in_main_and_are_copied() {
    let scene = Scene::new(1, Stack::V4);
    scene.pod.ip_do("route add 172.16.0.0/16 via 172.16.1.253 dev net1");
    scene.add(1, &json!({}));
    assert!(scene.table("-4", "main").contains(&"172.16.0.0/16 via 172.16.1.253 dev net1".to_owned()));
    assert!(
        scene.table("-4", "101").contains(&"172.16.0.0/16 via 172.16.1.253 dev net1 proto 211".to_owned())
    );
}

/// C00008 and hazards 1 and 10: the result has the MAC, and the node's own eth0 keeps its queue.
#[test]
fn mac_and_queue_length_are_the_pods_and_the_result_says_so() {
    let scene = Scene::new(1, Stack::Dual);
    scene.world.host().ip_do("link add eth0 type veth peer name eth0peer");
    // As the plugin that made the NIC leaves it: the kernel announces a new MAC address then.
    scene.pod.set_sysctl("net/ipv4/conf/net1/arp_notify", "1");
    let before = scene.snapshot();
    let capture = scene.world.switch().capture();
    let config = json!({ "txQueueLen": 4321, "podMACPrefix": "0a:1b" });
    let result = scene.add(1, &config);
    assert_eq!(result["interfaces"][0]["mac"], "0a:1b:ac:10:01:0a");
    let link = scene.pod.ip(&["link", "show", "net1"])[0].clone();
    assert_eq!((&link["address"], &link["txqlen"]), (&json!("0a:1b:ac:10:01:0a"), &json!(4321)));
    assert_eq!(scene.world.host().ip(&["link", "show", "eth0"])[0]["txqlen"], 1000);
    let announced = capture.find(std::time::Duration::from_secs(2), |frame| {
        frame.ethertype() == 0x0806 && frame.bytes[6..12] == [0x0a, 0x1b, 172, 16, 1, 10]
    });
    assert!(announced.is_some(), "neighbours hear of the new address");
    assert_eq!(scene.check(1, &config, &result), "");
    scene.del(1);
    assert_same(&before, &scene.snapshot());
}

/// C00024
#[test]
fn policy_routes_are_in_the_nics_table() {
    let scene = Scene::new(1, Stack::V4);
    let routes = json!([{ "dst": "10.9.0.0/16", "gw": "172.16.1.1" }, { "to": "10.8.0.9", "via": "172.16.1.2" },
                        { "dst": "fd00:9::/64", "gw": "fd00:16:1::1" }]);
    scene.add(1, &json!({ "policyRoutes": routes }));
    let table = scene.table("-4", "101");
    assert!(table.contains(&"10.9.0.0/16 via 172.16.1.1 dev net1 proto 211".to_owned()), "{table:?}");
    assert!(table.contains(&"10.8.0.9 via 172.16.1.2 dev net1 proto 211".to_owned()), "{table:?}");
    assert_eq!(scene.table("-6", "101"), [""; 0], "net1 has no IPv6 address");
}

/// C00017
#[test]
fn without_tuning_there_are_no_rules() {
    let scene = Scene::new(1, Stack::V4);
    let result = scene.add(1, &json!({ "tunePodRoutes": false }));
    assert_eq!(result["routes"], json!([{ "dst": "0.0.0.0/0", "gw": "172.16.1.254" }]));
    assert_eq!(scene.rules("-4").len(), 3);
    assert_eq!(scene.table("-4", "main").iter().filter(|line| line.starts_with("default")).count(), 2);
}

/// A listing says of a multipath route only who added its first branch.
#[test]
fn the_branches_of_a_multipath_default_keep_who_added_them() {
    let scene = Scene::new(1, Stack::V6);
    scene.pod.ip_do(
        "route del default via fd00:16:1::fe dev net1\nroute append default via fd00:16:1::fe dev net1 protocol 211",
    );
    let before = scene.snapshot();
    scene.add(1, &json!({ "podDefaultRouteNic": "net1" }));
    let main = scene.table("-6", "main");
    let owned = "default via fd00:16:1::fe dev net1 proto 211 metric 1024 pref medium".to_owned();
    assert!(main.contains(&owned), "{main:?}");
    scene.del(1);
    assert_same(&before, &scene.snapshot());
    scene.pod.ip_do("route del default via fe80::1 dev eth0");
    assert!(scene.table("-6", "main").contains(&owned), "put back as it was");
}
