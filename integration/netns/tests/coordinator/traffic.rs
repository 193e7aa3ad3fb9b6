//! What arrives on a rail leaves on it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use serde_json::{Value, json};
use testkit::{Capture, Ping};

use crate::pod::{Scene, Stack};

const FAR4: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 9);
const FAR6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 9);
const SOON: Duration = Duration::from_secs(2);

/// The switch also has addresses that are in no subnet of any rail.
fn rails(number: u8) -> Scene {
    let scene = Scene::new(number, Stack::Dual);
    scene.world.switch().ip_do(&format!("addr add {FAR4}/32 dev lo\naddr add {FAR6}/128 dev lo nodad"));
    scene
}

fn coordinate(scene: &Scene, more: &Value) {
    for number in 1..=scene.rails.len() {
        scene.add(number, more);
    }
}

/// On which port of the switch a packet from `from` to `to` comes in.
fn port(capture: &Capture, from: IpAddr, to: IpAddr) -> String {
    let frame = capture.find(SOON, |frame| !frame.outgoing && frame.ends() == Some((from, to)));
    frame.map_or_else(|| "nowhere".to_owned(), |frame| frame.ifname)
}

fn assert_symmetric(scene: &Scene) {
    for rail in &scene.rails {
        let pairs: [(IpAddr, IpAddr); 2] =
            [(FAR4.into(), rail.address4(10).into()), (FAR6.into(), rail.address6(0x10).into())];
        for (far, near) in pairs {
            let capture = scene.world.switch().capture();
            scene.world.switch().assert_ping(&Ping::to(near).from(far));
            assert_eq!(port(&capture, near, far), rail.port, "the reply of {near}");
        }
    }
}

/// C00002 and C00004, and more of them.
#[test]
fn replies_leave_by_the_rail_they_came_in_by() {
    let scene = rails(8);
    coordinate(&scene, &json!({}));
    assert_symmetric(&scene);
}

/// C00021: with strict reverse path filtering everywhere.
#[test]
fn strict_reverse_path_filters_let_it_through() {
    let scene = rails(3);
    for ifname in ["default", "net1", "net2", "net3", "eth0"] {
        scene.pod.set_sysctl(&format!("net/ipv4/conf/{ifname}/rp_filter"), "1");
    }
    coordinate(&scene, &json!({ "podRPFilter": 1 }));
    assert_eq!(scene.pod.sysctl("net/ipv4/conf/all/rp_filter"), "1");
    assert_symmetric(&scene);
}

/// C00012 and C00013: eth0 answers by itself even when a rail owns the default route.
#[test]
fn eth0_answers_by_eth0_and_services_are_reached_by_it() {
    let scene = rails(2);
    scene.world.host().ip_do("addr add 203.0.113.7/32 dev lo\naddr add 10.96.0.1/32 dev lo");
    let services = json!({ "podDefaultRouteNic": "net1", "serviceCIDR": ["10.96.0.0/12"] });
    coordinate(&scene, &services);
    let near: IpAddr = scene.pod.eth0_4().into();
    let far: IpAddr = Ipv4Addr::new(203, 0, 113, 7).into();
    scene.world.host().assert_ping(&Ping::to(near).from(far));
    scene.pod.assert_ping(&Ping::to(Ipv4Addr::new(10, 96, 0, 1)));
    let service = scene.pod.ip(&["route", "get", "10.96.0.1"])[0].clone();
    assert_eq!((&service["dev"], &service["prefsrc"]), (&json!("eth0"), &json!("10.244.0.1")));
    for rail in ["172.16.1.10", "172.16.2.10"] {
        assert_eq!(scene.pod.ip(&["route", "get", "10.96.0.1", "from", rail])[0]["dev"], "eth0");
    }
}

#[test]
fn unbound_traffic_still_finds_every_rail() {
    let scene = rails(2);
    coordinate(&scene, &json!({}));
    for rail in &scene.rails {
        scene.pod.assert_ping(&Ping::to(rail.gateway4()));
        scene.pod.assert_ping(&Ping::to(rail.gateway6()));
        scene.pod.assert_ping(&Ping::to(FAR4).from(rail.address4(10)));
    }
}
