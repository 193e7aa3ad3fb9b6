//! Routers on the rails that advertise themselves: what leaves by which rail is counted.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::json;
use testkit::{Ping, eventually, pause};

use crate::scene::{Scene, ipam};

const SOON: Duration = Duration::from_secs(3);
const OFTEN: Duration = Duration::from_millis(50);
const FAR: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 9);

fn prefix(number: u8) -> Ipv6Addr {
    Ipv6Addr::new(0xfd00, 0xaa, number.into(), 0, 0, 0, 0, 0)
}

/// Runs `work` while the switch advertises itself on every rail.
fn while_advertised<T>(scene: &Scene, work: impl FnOnce() -> T) -> T {
    let over = AtomicBool::new(false);
    let (switch, rails, over) = (scene.world.switch().clone(), scene.rails.clone(), &over);
    std::thread::scope(|scope| {
        scope.spawn(move || {
            while !over.load(Ordering::Relaxed) {
                for rail in &rails {
                    switch.advertise(&rail.port, prefix(rail.number));
                }
                pause(OFTEN);
            }
        });
        let outcome = work();
        over.store(true, Ordering::Relaxed);
        outcome
    })
}

/// The pod's addresses that a router brought.
fn brought(scene: &Scene) -> Vec<String> {
    let links = scene.pod.ip(&["-6", "addr", "show", "scope", "global", "dynamic"]);
    let infos = links
        .as_array()
        .into_iter()
        .flatten()
        .flat_map(|link| link["addr_info"].as_array().cloned().unwrap_or_default());
    infos.filter_map(|info| Some(info["local"].as_str()?.to_owned())).collect()
}

/// Sends a reply's worth of traffic to each rail's address from far away, and counts on which port the answers come in.
fn assert_symmetric(scene: &Scene, addresses: &[(String, Ipv6Addr)]) {
    for (port, near) in addresses {
        let capture = scene.world.switch().capture();
        scene.world.switch().assert_ping(&Ping::to(*near).from(FAR));
        let reply = |frame: &testkit::Frame| {
            !frame.outgoing && frame.ends() == Some((IpAddr::from(*near), IpAddr::from(FAR)))
        };
        let frame = capture.find(SOON, reply).unwrap_or_else(|| panic!("no reply of {near}"));
        assert_eq!(&frame.ifname, port, "the reply of {near}");
    }
}

/// The router is heard, and nothing comes of it: no address, no route, and replies leave as they came.
#[test]
fn a_router_on_the_rails_changes_nothing_in_the_pod() {
    for families in [&[4][..], &[4, 6][..]] {
        let scene = Scene::new(2);
        scene.world.switch().ip_do(&format!("addr add {FAR}/128 dev lo nodad"));
        let routes = || scene.pod.ip(&["-6", "route", "show", "table", "all", "proto", "ra"]);
        while_advertised(&scene, || {
            for number in [1, 2] {
                scene.add(number, &ipam(number, families, &json!([])), &json!({}));
            }
            for ifname in ["net1", "net2"] {
                let capture = scene.pod.capture();
                let advertisement = |frame: &testkit::Frame| {
                    frame.ifname == ifname && frame.ethertype() == 0x86dd && frame.bytes.get(54) == Some(&134)
                };
                for _ in 0..5 {
                    assert!(capture.find(SOON, advertisement).is_some(), "{ifname} hears the router");
                }
            }
        });
        assert_eq!(brought(&scene), [""; 0]);
        assert_eq!(routes(), json!([]));
        if families.contains(&6) {
            let addresses = scene.rails.iter().map(|rail| (rail.port.clone(), rail.address6(0x10)));
            assert_symmetric(&scene, &addresses.collect::<Vec<_>>());
        }
    }
}

/// Asked for, the addresses that it brings are ruled as ours are, and the pod's own way out stays eth0.
#[test]
fn with_accept_ra_the_addresses_it_brings_leave_by_their_own_rail() {
    let scene = Scene::new(2);
    scene.world.switch().ip_do(&format!("addr add {FAR}/128 dev lo nodad"));
    for rail in &scene.rails {
        scene.world.switch().ip_do(&format!("route add {}/64 dev {}", prefix(rail.number), rail.port));
    }
    let families = [4];
    while_advertised(&scene, || {
        for number in [1, 2] {
            scene.add(number, &ipam(number, &families, &json!([])), &json!({ "acceptRA": true }));
        }
    });
    let mut addresses = Vec::new();
    for rail in &scene.rails {
        let own = brought(&scene).into_iter().map(|ip| ip.parse::<Ipv6Addr>().unwrap());
        let of_rail = own.filter(|ip| ip.segments()[..3] == prefix(rail.number).segments()[..3]);
        let of_rail: Vec<_> = of_rail.collect();
        assert!(!of_rail.is_empty(), "the router gave {} no address", rail.port);
        addresses.extend(of_rail.into_iter().map(|ip| (rail.port.clone(), ip)));
    }
    let settled = || {
        scene.pod.ip(&["-6", "addr", "show", "tentative"]).as_array().is_none_or(Vec::is_empty).then_some(())
    };
    eventually(SOON, settled).expect("the addresses are the pod's");
    assert_symmetric(&scene, &addresses);
    assert_eq!(scene.pod.ip(&["-6", "route", "get", "2001:db8:7::1"])[0]["dev"], "eth0");
    for number in [1, 2] {
        scene.del(number, &ipam(number, &families, &json!([])));
    }
}
