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

/// The NIC of the pod by which a ping to the far end leaves, and it is answered.
#[track_caller]
fn leaves_by(scene: &Scene, ping: &Ping, from: IpAddr, to: IpAddr) -> String {
    let capture = scene.pod.capture();
    scene.pod.assert_ping(ping);
    let sent = capture.find(SOON, |frame| frame.outgoing && frame.ends() == Some((from, to)));
    sent.map_or_else(|| format!("nothing went from {from} to {to}"), |frame| frame.ifname)
}

/// C00005, C00011 and C00020, in both families: what no other route knows goes out by the NIC that owns main's default
/// route, with its address, and comes back; what is bound to another NIC stays there.
#[test]
fn the_owner_of_the_default_route_carries_what_no_other_route_knows() {
    let cases = [
        (json!({}), "", "eth0"),
        (json!({ "podDefaultRouteNic": "net1" }), "", "net1"),
        (
            json!({ "podDefaultRouteNic": "net1", "args": { "cni": { "podDefaultRouteNic": "net2" } } }),
            "",
            "net2",
        ),
        (json!({ "podDefaultRouteNic": "net1" }), "podDefaultRouteNic=net2", "net2"),
    ];
    for (more, args, owner) in cases {
        let scene = rails(2);
        // The world outside is behind the node, and behind the switch. It is not by that address that the node speaks to
        // its pods, or it would be reached by eth0 always.
        scene.world.host().ip_do(&format!(
            "addr add fd00:244::fffe/128 dev lo nodad\naddr add {FAR4}/32 dev lo\naddr add {FAR6}/128 dev lo nodad"
        ));
        for number in 1..=2 {
            let rail = &scene.rails[number - 1];
            let plugin = scene.plugin(&format!("net{number}")).args(&format!("IgnoreUnknown=1;{args}"));
            plugin.add(&scene.config(rail, &more)).success();
        }
        for (far, v6) in [(IpAddr::from(FAR4), false), (FAR6.into(), true)] {
            let address = |nic: &str| -> IpAddr {
                let rail = |number: usize| &scene.rails[number - 1];
                match (nic, v6) {
                    ("eth0", false) => scene.pod.eth0_4().into(),
                    ("eth0", true) => scene.pod.eth0_6().into(),
                    ("net1", false) => rail(1).address4(10).into(),
                    ("net1", true) => rail(1).address6(0x10).into(),
                    (_, false) => rail(2).address4(10).into(),
                    (_, true) => rail(2).address6(0x10).into(),
                }
            };
            let unbound = leaves_by(&scene, &Ping::to(far), address(owner), far);
            assert_eq!(unbound, owner, "{more} {args} to {far}");
            for nic in ["eth0", "net1", "net2"] {
                let bound = leaves_by(&scene, &Ping::to(far).from(address(nic)), address(nic), far);
                assert_eq!(bound, nic, "{more} {args} to {far} from {nic}");
            }
        }
    }
}

/// C00024: the route of `policyRoutes` is taken by what has the NIC's address, and by nothing else. Its gateway is told
/// from that of the default route by its MAC.
#[test]
fn policy_routes_carry_what_comes_from_their_nic() {
    let scene = rails(1);
    let (rail, other) = (&scene.rails[0], "02:00:00:00:02:99");
    scene.world.switch().set_sysctl("net/ipv4/conf/all/arp_ignore", "1");
    scene.world.switch().ip_do(&format!(
        "link add link {port} name other address {other} type macvlan mode bridge\nlink set other up\n\
         addr add {gateway}/24 dev other\naddr add 10.9.0.9/32 dev lo",
        port = rail.port,
        gateway = rail.address4(253),
    ));
    scene.world.host().ip_do("addr add 10.9.0.9/32 dev lo");
    scene.add(1, &json!({ "policyRoutes": [{ "dst": "10.9.0.0/16", "gw": rail.address4(253) }] }));
    let near: IpAddr = rail.address4(10).into();
    let to_other = |far: Ipv4Addr| {
        let capture = scene.pod.capture();
        scene.pod.assert_ping(&Ping::to(far).from(near));
        let sent = capture.find(SOON, |frame| frame.outgoing && frame.ends() == Some((near, far.into())));
        sent.is_some_and(|frame| frame.bytes[..6] == [2, 0, 0, 0, 2, 0x99])
    };
    assert!(to_other(Ipv4Addr::new(10, 9, 0, 9)), "the policy route");
    assert!(!to_other(FAR4), "the default route of the table");
    let far = Ipv4Addr::new(10, 9, 0, 9);
    assert_eq!(leaves_by(&scene, &Ping::to(far), scene.pod.eth0_4().into(), far.into()), "eth0");
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
    let service = Ipv4Addr::new(10, 96, 0, 1);
    assert_eq!(leaves_by(&scene, &Ping::to(service), near, service.into()), "eth0");
    for rail in &scene.rails {
        let bound: IpAddr = rail.address4(10).into();
        assert_eq!(leaves_by(&scene, &Ping::to(service).from(bound), bound, service.into()), "eth0");
    }
}

/// The node's DNS cache and the like are known to no rail's gateway.
#[test]
fn link_local_services_are_reached_by_eth0_when_a_rail_owns_the_default_route() {
    let scene = rails(2);
    scene.world.host().ip_do("addr add 169.254.20.10/32 dev lo");
    coordinate(&scene, &json!({ "podDefaultRouteNic": "net1" }));
    let cache = Ipv4Addr::new(169, 254, 20, 10);
    let near: IpAddr = scene.pod.eth0_4().into();
    assert_eq!(leaves_by(&scene, &Ping::to(cache), near, cache.into()), "eth0");
    let bound: IpAddr = scene.rails[0].address4(10).into();
    assert_eq!(leaves_by(&scene, &Ping::to(cache).from(bound), bound, cache.into()), "eth0");
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
