//! Who owns main's default route.

use serde_json::{Value, json};
use testkit::assert_same;

use crate::pod::{Scene, Stack, nic};

fn wish(name: &str) -> Value {
    json!({ "podDefaultRouteNic": name })
}

/// C00011
#[test]
fn nothing_said_leaves_the_default_route_on_eth0() {
    let scene = Scene::new(2, Stack::Dual);
    scene.add(1, &json!({}));
    scene.add(2, &json!({}));
    for family in ["-4", "-6"] {
        assert_eq!(scene.way_out(family), "eth0");
    }
}

/// C00005, C00006: net1 takes it, eth0 keeps its own in table 100, and both come back.
#[test]
fn a_rail_can_own_the_default_route() {
    let scene = Scene::new(2, Stack::Dual);
    let before = scene.snapshot();
    let result = scene.add(1, &wish("net1"));
    scene.add(2, &json!({}));
    for family in ["-4", "-6"] {
        assert_eq!(scene.way_out(family), "net1");
        let main = scene.table(family, "main");
        assert_eq!(main.iter().filter(|line| line.starts_with("default")).count(), 1, "{main:?}");
    }
    assert!(scene.table("-4", "100").iter().any(|line| line.starts_with("default via 169.254.1.1 dev eth0")));
    assert!(
        scene.table("-4", "101").iter().any(|line| line.starts_with("default via 172.16.1.254 dev net1"))
    );
    let expected = json!([
        { "dst": "0.0.0.0/0", "gw": "172.16.1.254" },
        { "dst": "::/0", "gw": "fd00:16:1::fe" },
        { "dst": "0.0.0.0/0", "gw": "172.16.1.254", "table": 101 },
        { "dst": "::/0", "gw": "fd00:16:1::fe", "table": 101 },
    ]);
    assert_eq!(result["routes"], expected);
    assert_eq!(scene.check(1, &wish("net1"), &result), "");
    scene.del(1);
    assert_eq!(scene.way_out("-4"), "eth0", "the owner is gone, the other rail is still there");
    scene.del(2);
    assert_same(&before, &scene.snapshot());
}

/// C00014 and hazard 7: upstream fails the pod.
#[test]
fn a_nic_that_is_not_attached_yet_owns_it_once_it_is() {
    let scene = Scene::new(3, Stack::Dual);
    let before = scene.snapshot();
    scene.add(1, &wish("net3"));
    scene.add(2, &json!({}));
    assert_eq!(scene.way_out("-4"), "eth0");
    scene.add(3, &json!({}));
    for family in ["-4", "-6"] {
        assert_eq!(scene.way_out(family), "net3");
    }
    for number in [1, 3, 2] {
        scene.del(number);
    }
    assert_same(&before, &scene.snapshot());
}

/// C00020 and hazard 8: the pod's own word beats the network's.
#[test]
fn the_pods_annotation_beats_the_networks_config() {
    let scene = Scene::new(2, Stack::V4);
    scene.add(1, &wish("net1"));
    assert_eq!(scene.way_out("-4"), "net1");
    scene.add(
        2,
        &json!({ "podDefaultRouteNic": "net1", "args": { "cni": { "podDefaultRouteNic": "net2" } } }),
    );
    assert_eq!(scene.way_out("-4"), "net2");
}

/// The reference plugins put a later default route in front of eth0's; the place is part of what comes back.
#[test]
fn a_default_route_in_front_of_eth0s_comes_back_to_its_place() {
    let scene = Scene::new(3, Stack::V4);
    scene.pod.ip_do(
        "route del default via 172.16.2.254 dev net2\nroute del default via 172.16.3.254 dev net3\n\
         route prepend default via 172.16.2.254 dev net2\nroute prepend default via 172.16.3.254 dev net3",
    );
    let before = scene.snapshot();
    for order in [[1, 2, 3], [3, 1, 2], [2, 3, 1]] {
        for number in order {
            scene.add(number, &wish("net2"));
        }
        assert_eq!(scene.way_out("-4"), "net2");
        for number in order {
            scene.del(number);
        }
        assert_same(&before, &scene.snapshot());
    }
}

#[test]
fn a_rail_without_a_default_route_uses_the_gateway_of_its_address() {
    let scene = Scene::new(1, Stack::Dual);
    scene
        .pod
        .ip_do("route del default via 172.16.1.254 dev net1\nroute del default via fd00:16:1::fe dev net1");
    let before = scene.snapshot();
    let mut previous = scene.previous(&scene.rails[0], &nic(&scene.rails[0]));
    previous["routes"] = json!([]);
    let result = scene.add(1, &json!({ "podDefaultRouteNic": "net1", "prevResult": previous }));
    assert_eq!(scene.way_out("-4"), "net1");
    assert_eq!(scene.way_out("-6"), "net1");
    assert_eq!(result["routes"][0], json!({ "dst": "0.0.0.0/0", "gw": "172.16.1.254", "table": 101 }));
    assert_eq!(scene.check(1, &wish("net1"), &result), "");
    scene.del(1);
    assert_same(&before, &scene.snapshot());
}

/// Multus's annotation `default-route` takes default routes out of main, and out of the cached result.
#[test]
fn what_multus_did_to_the_default_route_is_no_difference_and_is_not_undone() {
    let scene = Scene::new(2, Stack::V4);
    let mut result = scene.add(1, &json!({}));
    scene
        .pod
        .ip_do("route del default via 169.254.1.1 dev eth0\nroute append default via 172.16.1.1 dev net1");
    result["routes"] = json!([{ "dst": "0.0.0.0/0", "gw": "172.16.1.1" }]);
    assert_eq!(scene.check(1, &json!({}), &result), "");
    let second = scene.add(2, &json!({}));
    assert_eq!(scene.way_out("-4"), "net1");
    assert_eq!(scene.check(2, &json!({}), &second), "");
    scene.del(2);
    scene.del(1);
    assert_eq!(scene.table("-4", "main")[0], "default via 172.16.1.1 dev net1");
}
