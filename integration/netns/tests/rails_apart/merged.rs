//! IPv6 makes one multipath route of equal ones, of whatever links.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use testkit::Pod;

use crate::scene::{Scene, ipam};

/// The devices that packets to forty destinations leave by.
fn devices(pod: &Pod, prefix: &str, from: Option<&str>) -> BTreeSet<String> {
    let mut devices = BTreeSet::new();
    for number in 1..=40 {
        let to = format!("{prefix}:{number:x}");
        let mut args = vec!["-6", "route", "get", to.as_str()];
        args.extend(from.into_iter().flat_map(|from| ["from", from]));
        devices.insert(pod.ip(&args)[0]["dev"].as_str().unwrap_or_default().to_owned());
    }
    devices
}

fn only(device: &str) -> BTreeSet<String> {
    BTreeSet::from([device.to_owned()])
}

fn summary(number: usize) -> Value {
    ipam(number, &[6], &json!([{ "dst": "::/0" }, { "dst": "fd00:16::/32" }]))
}

/// With the link plugin alone, and with routing after it.
#[test]
fn a_default_route_of_a_rail_does_not_share_the_traffic_of_eth0() {
    for routed in [false, true] {
        let scene = Scene::new(1);
        if routed {
            let result = scene.add(1, &summary(1), &json!({}));
            scene.check(1, &summary(1), &result);
        } else {
            let mut config =
                crate::scene::config("macvlan", 1, &json!({ "master": "rail1", "ipam": summary(1) }));
            config["prevResult"] = scene.plugin("macvlan", 1).add(&config).success();
            scene.plugin("macvlan", 1).check(&config).success();
        }
        assert_eq!(devices(&scene.pod, "2001:db8:", None), only("eth0"), "routed: {routed}");
    }
}

/// One prefix for all rails, which each of them leads to: unbound it leaves by the first, bound by its own.
#[test]
fn two_rails_with_one_summary_route_do_not_share_its_traffic() {
    let scene = Scene::new(2);
    let before = scene.kernel();
    let results = [1, 2].map(|number| scene.add(number, &summary(number), &json!({})));
    assert_eq!(devices(&scene.pod, "fd00:16:9:", None), only("net1"));
    for number in [1, 2] {
        let own = format!("fd00:16:{number}::10");
        assert_eq!(devices(&scene.pod, "fd00:16:9:", Some(&own)), only(&format!("net{number}")));
        assert_eq!(devices(&scene.pod, "2001:db8:", Some(&own)), only(&format!("net{number}")));
        scene.check(number, &summary(number), &results[number - 1]);
    }
    for number in [1, 2] {
        scene.del(number, &summary(number));
    }
    testkit::assert_same(&before, &scene.kernel());
}

/// Somebody else's route with the metric of ours makes branches of both: ours is there, all the same.
#[test]
fn check_finds_its_route_among_the_branches_of_one() {
    let scene = Scene::new(1);
    let mut config = crate::scene::config("macvlan", 1, &json!({ "master": "rail1", "ipam": summary(1) }));
    config["prevResult"] = scene.plugin("macvlan", 1).add(&config).success();
    let metric = 1024 + 1024 + 1;
    scene.pod.ip_do(&format!("route append fd00:16::/32 via fe80::1 dev eth0 metric {metric}"));
    let listed = scene.pod.ip(&["-6", "route", "show", "fd00:16::/32"]);
    assert_eq!(listed[0]["nexthops"].as_array().map(Vec::len), Some(2), "{listed}");
    scene.plugin("macvlan", 1).check(&config).success();
    scene.pod.ip_do(&format!("route del fd00:16::/32 via fd00:16:1::fe dev net1 metric {metric}"));
    let error = scene.plugin("macvlan", 1).check(&config).error();
    assert!(error.msg.contains("route fd00:16::/32 via fd00:16:1::fe"), "{error:?}");
}
