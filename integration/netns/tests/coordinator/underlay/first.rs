//! The first NIC is detached before the others, and comes back.

use std::net::IpAddr;

use serde_json::json;
use testkit::Ping;

use super::Underlay;
use super::scene::SERVICE;
use super::undo::same;
use crate::pod::{Stack, add_nic};

/// What a detached `eth0` leaves is whole: a way out, a way to the node and back, and nothing that speaks of it.
#[track_caller]
fn assert_whole(scene: &Underlay, nics: &[(usize, &str)]) {
    let owner = nics[0].1;
    for (family, far) in [("-4", "198.51.100.1"), ("-6", "2001:db8::1")] {
        assert_eq!(scene.pod.ip(&[family, "route", "get", far])[0]["dev"], owner, "{family}");
        let main = scene.table(family, "main");
        assert_eq!(main.iter().filter(|line| line.starts_with("default")).count(), 1, "{main:?}");
    }
    for &(number, _) in nics {
        let rail = &scene.rails[number - 1];
        let pairs: [(IpAddr, IpAddr); 2] = [
            (rail.address4(10).into(), rail.address4(1).into()),
            (rail.address6(0x10).into(), rail.address6(1).into()),
        ];
        for (near, node) in pairs {
            scene.world.host().assert_ping(&Ping::to(near).from(node));
            scene.pod.assert_ping(&Ping::to(node).from(near));
        }
    }
    scene.pod.assert_ping(&Ping::to(IpAddr::from(SERVICE)));
}

#[test]
fn the_others_keep_their_ways_and_it_gets_its_own_again() {
    let scene = Underlay::new(3);
    // One that comes back is behind the others in the kernel's lists: so it is from the beginning.
    scene.pod.ip_do("link del eth0");
    add_nic(&scene.world, &scene.pod, &scene.rails[0], "eth0", Stack::Dual);
    let before = scene.snapshot();
    let services = json!({ "serviceCIDR": ["10.96.0.0/12", "fd00:96::/64"] });
    let results = [1, 2, 3].map(|number| scene.add(number, &services));
    assert_whole(&scene, &[(1, "eth0"), (2, "net2"), (3, "net3")]);
    for _ in 0..2 {
        scene.del(1);
        scene.pod.ip_do("link del eth0");
        assert_whole(&scene, &[(2, "net2"), (3, "net3")]);
        let rules = scene.rules("-4").join("\n");
        assert!(!rules.contains("172.16.1.10"), "{rules}");
        for number in [2, 3] {
            assert_eq!(scene.check(number, &services, &results[number - 1]), "");
        }
        add_nic(&scene.world, &scene.pod, &scene.rails[0], "eth0", Stack::Dual);
        let result = scene.add(1, &services);
        assert_whole(&scene, &[(1, "eth0"), (2, "net2"), (3, "net3")]);
        let rules = scene.rules("-4").join("\n");
        assert!(rules.contains("from 172.16.1.10 lookup 100"), "{rules}");
        assert_eq!(scene.check(1, &services, &result), "");
    }
    for number in [2, 3, 1] {
        scene.del(number);
    }
    same(&before, &scene.snapshot());
}

/// It never comes back: with the last of the others goes what it had made for all.
#[test]
fn what_it_made_for_the_pod_goes_with_the_last_of_the_others() {
    let scene = Underlay::new(2);
    scene.add(1, &json!({}));
    scene.add(2, &json!({}));
    scene.del(1);
    scene.pod.ip_do("link del eth0");
    assert!(scene.world.host().has_link("veth0123456789a"), "net2 needs it");
    scene.del(2);
    assert!(!scene.world.host().has_link("veth0123456789a"));
    assert_eq!(scene.ruleset(), [""; 0]);
    for family in ["-4", "-6"] {
        let ours: Vec<_> =
            scene.rules(family).into_iter().filter(|rule| rule.contains("proto 211")).collect();
        assert_eq!(ours, [""; 0]);
        let left = scene.pod.ip(&[family, "route", "show", "table", "all", "proto", "211"]);
        assert_eq!(left, json!([]));
    }
    let left = scene.world.snapshot().to_string();
    assert!(!left.lines().any(|line| line.starts_with("file state/attachments")), "{left}");
}

/// Spiderpool names the node's end by eleven characters of the container's id, which others may have in common.
#[test]
fn containers_whose_ids_begin_alike_have_a_way_each() {
    let scene = Underlay::new(2);
    let other = scene.world.bare_pod("b");
    scene.pod.ip_do("link del net2");
    add_nic(&scene.world, &other, &scene.rails[1], "eth0", Stack::Dual);
    let plugin =
        scene.world.plugin("coordinator").netns(other.path()).container("0123456789abcdee").ifname("eth0");
    let mut config = Underlay::bare_config(2);
    config["prevResult"] = crate::pod::previous(&other, &scene.rails[1], "eth0", Stack::Dual);
    let bare = scene.snapshot();
    scene.add(1, &json!({}));
    let result = plugin.add(&config).success();
    for (number, near) in [(1, scene.rails[0].address4(10)), (2, scene.rails[1].address4(10))] {
        scene.world.host().assert_ping(&Ping::to(near).from(scene.rails[number - 1].address4(1)));
    }
    config["prevResult"] = result;
    plugin.check(&config).success();
    plugin.del(&config).success();
    scene.world.host().assert_ping(&Ping::to(scene.rails[0].address4(10)).from(scene.rails[0].address4(1)));
    scene.del(1);
    same(&bare, &scene.snapshot());
}
