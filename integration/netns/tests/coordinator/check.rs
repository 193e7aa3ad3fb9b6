//! CHECK names each difference.

use serde_json::{Value, json};

use crate::pod::{Scene, Stack};

fn config() -> Value {
    json!({
        "serviceCIDR": ["10.96.0.0/12"], "policyRoutes": [{ "dst": "10.9.0.0/16", "gw": "172.16.1.1" }],
        "podMACPrefix": "0a:1b", "txQueueLen": 2000, "podRPFilter": 0,
    })
}

/// Hazard 13: the peer's CHECK looks at nothing.
#[test]
fn each_difference_is_named() {
    let cases = [
        ("rule del priority 10101", "rule 10101: from 172.16.1.10 lookup 101 is missing"),
        ("-6 rule del priority 10101", "rule 10101: from fd00:16:1::10 lookup 101 is missing"),
        ("rule del priority 10100", "rule 10100: from 10.244.0.1 lookup 100 is missing"),
        ("route del default table 101", "route default via 172.16.1.254 dev net1 table 101 is missing"),
        ("route flush table 100", "route default via 169.254.1.1 dev eth0 table 100 is missing"),
        ("route del 172.16.1.0/24 table 101", "route 172.16.1.0/24 dev net1 table 101 is missing"),
        ("route del 10.9.0.0/16 table 101", "route 10.9.0.0/16 via 172.16.1.1 dev net1 table 101 is missing"),
        ("route del 10.96.0.0/12", "route 10.96.0.0/12 via 169.254.1.1 dev eth0 table main is missing"),
        ("route del default", "main has lost the IPv4 default route of eth0"),
        (
            "route prepend default via 172.16.1.1 dev net1",
            "main has an IPv4 default route of net1, expected that of eth0 alone",
        ),
        (
            "link set net1 address 02:00:00:00:00:99",
            "the MAC of net1 is 02:00:00:00:00:99, expected 0a:1b:ac:10:01:0a",
        ),
        ("link set net1 txqueuelen 7", "txqueuelen of net1 is 7, expected 2000"),
        ("link set net1 name other", "interface net1 is missing in the pod"),
    ];
    let scene = Scene::new(1, Stack::Dual);
    for (meddling, expected) in cases {
        let result = scene.add(1, &config());
        assert_eq!(scene.check(1, &config(), &result), "", "before {meddling:?}");
        let before = scene.world.snapshot();
        if meddling.ends_with("name other") {
            // Until Linux 6.2 a link that is up keeps its name.
            scene.pod.ip_do("link set net1 down");
        }
        let argv: Vec<&str> = std::iter::once("ip").chain(meddling.split(' ')).collect();
        assert!(scene.pod.exec(&argv).status.success(), "{meddling}");
        let said = scene.check(1, &config(), &result);
        assert!(said.contains(expected), "{meddling:?}: {said:?}");
        assert!(!before.diff(&scene.world.snapshot()).is_empty(), "CHECK repairs nothing");
        scene.pod.try_ip(&["link", "set", "other", "name", "net1"]).ok();
        scene.del(1);
        scene.pod.try_ip(&["route", "add", "default", "via", "169.254.1.1", "dev", "eth0"]).ok();
        scene.pod.try_ip(&["route", "del", "default", "via", "172.16.1.1", "dev", "net1"]).ok();
        scene.pod.ip_do("link set net1 address 02:00:00:00:04:01 txqueuelen 1000");
    }
}

#[test]
fn a_sysctl_and_a_lost_record_are_named() {
    let scene = Scene::new(1, Stack::V4);
    let result = scene.add(1, &json!({ "podRPFilter": 1 }));
    scene.pod.set_sysctl("net/ipv4/conf/all/rp_filter", "2");
    let said = scene.check(1, &json!({}), &result);
    assert!(said.contains("rp_filter is 2, expected 1"), "{said}");
    scene.del(1);
    let said = scene.check(1, &json!({}), &result);
    assert!(said.contains("there is no record of it"), "{said}");
}
