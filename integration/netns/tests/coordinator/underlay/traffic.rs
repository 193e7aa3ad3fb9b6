//! Shown by packets.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use serde_json::{Value, json};
use testkit::{Ping, Protocol, Space};

use super::Underlay;
use super::scene::{CLIENT, SERVICE};

const SOON: Duration = Duration::from_secs(2);
/// Behind the rails.
const FAR4: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 9);
const FAR6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 9);
const CLIENT6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0x113, 0, 0, 0, 0, 0, 9);
const SERVICE6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0x96, 0, 0, 0, 0, 0, 1);

fn config() -> Value {
    json!({ "serviceCIDR": ["10.96.0.0/12", "fd00:96::/64"], "hijackCIDR": ["169.254.0.0/16"] })
}

/// The pod's link that a packet from `from` to `to` leaves by while `traffic` runs.
fn way(pod: &Space, from: IpAddr, to: IpAddr, traffic: impl FnOnce()) -> String {
    let capture = pod.capture();
    traffic();
    let frame = capture.find(SOON, |frame| frame.outgoing && frame.ends() == Some((from, to)));
    frame.map_or_else(|| "nowhere".to_owned(), |frame| frame.ifname)
}

fn addresses(scene: &Underlay, number: usize) -> [IpAddr; 2] {
    let rail = &scene.rails[number - 1];
    [rail.address4(10).into(), rail.address6(0x10).into()]
}

/// C00001: pod and node reach each other, which macvlan alone does not allow, and the rail's own network stays.
#[test]
fn one_nic_node_services_and_network_are_reached() {
    let scene = Underlay::new(1);
    let (node, rail) = (scene.world.host(), &scene.rails[0]);
    let near = addresses(&scene, 1);
    assert_eq!(
        node.ping(&Ping::to(near[0]).within(Duration::from_millis(300))),
        Ok(false),
        "macvlan keeps them apart"
    );
    scene.add(1, &config());
    let hosts: [IpAddr; 2] = [rail.address4(1).into(), rail.address6(1).into()];
    for (near, host) in near.into_iter().zip(hosts) {
        node.assert_ping(&Ping::to(near));
        assert_eq!(way(&scene.pod, near, host, || scene.pod.assert_ping(&Ping::to(host))), "veth0");
        assert_eq!(way(&scene.pod, near, host, || node.assert_ping(&Ping::to(near).from(host))), "veth0");
    }
    for service in [IpAddr::from(SERVICE), SERVICE6.into()] {
        scene.pod.assert_ping(&Ping::to(service));
        let echo = node.echo(Protocol::Tcp, service);
        let source = scene.pod.talk(&echo, None).unwrap().ip();
        assert!(near.contains(&source), "C00012: {source} is eth0's");
        assert_eq!(
            way(&scene.pod, source, service, || {
                scene.pod.talk(&echo, None).unwrap();
            }),
            "veth0"
        );
    }
    scene.pod.assert_ping(&Ping::to(rail.gateway4()));
    scene.pod.assert_ping(&Ping::to(rail.gateway6()));
}

/// C00013: a client that keeps its source address comes in by the node, and the answers go back there, by the mark; one
/// that comes in by the rail is answered by the rail.
#[test]
fn what_came_in_by_veth0_is_answered_by_it() {
    let scene = Underlay::new(1);
    let (client, switch) = (scene.client(), scene.world.switch());
    let ends: [(IpAddr, IpAddr); 2] = [(CLIENT.into(), FAR4.into()), (CLIENT6.into(), FAR6.into())];
    switch.ip_do(&format!("addr add {FAR4}/32 dev lo\naddr add {FAR6}/128 dev lo nodad"));
    scene.add(1, &config());
    for (near, (behind_node, behind_rail)) in addresses(&scene, 1).into_iter().zip(ends) {
        for protocol in [Protocol::Tcp, Protocol::Udp] {
            let echo = scene.pod.echo(protocol, near);
            let talk = || {
                client.talk(&echo, None).unwrap();
            };
            assert_eq!(way(&scene.pod, near, behind_node, talk), "veth0", "{protocol:?} {near}");
        }
        let ping = || client.assert_ping(&Ping::to(near));
        assert_eq!(way(&scene.pod, near, behind_node, ping), "veth0", "{near}");
        let ping = || switch.assert_ping(&Ping::to(near).from(behind_rail));
        assert_eq!(way(&scene.pod, near, behind_rail, ping), "eth0", "{near}");
    }
}

/// The same with the strictest filter that a pod may ask for.
#[test]
fn strict_reverse_path_filters_do_not_drop_what_the_node_sends() {
    let scene = Underlay::new(2);
    let client = scene.client();
    scene.pod.set_sysctl("net/ipv4/conf/default/rp_filter", "1");
    for number in [1, 2] {
        scene.add(number, &json!({ "podRPFilter": 1 }));
        let near = addresses(&scene, number)[0];
        client.assert_ping(&Ping::to(near));
        scene.world.host().assert_ping(&Ping::to(near));
        scene.pod.assert_ping(&Ping::to(scene.rails[number - 1].gateway4()));
    }
}

/// C00003: a second rail is reached from the node, too, and its own traffic stays on it.
#[test]
fn two_nics_each_answers_where_it_was_asked() {
    let scene = Underlay::new(2);
    let client = scene.client();
    let far: [IpAddr; 2] = [FAR4.into(), FAR6.into()];
    scene.world.switch().ip_do(&format!("addr add {FAR4}/32 dev lo\naddr add {FAR6}/128 dev lo nodad"));
    scene.add(1, &config());
    scene.add(2, &config());
    for (number, nic) in [(1, "eth0"), (2, "net2")] {
        for (near, far) in addresses(&scene, number).into_iter().zip(far) {
            scene.world.host().assert_ping(&Ping::to(near));
            let by_rail =
                way(&scene.pod, near, far, || scene.world.switch().assert_ping(&Ping::to(near).from(far)));
            assert_eq!(by_rail, nic, "{near}");
            let to: IpAddr = if near.is_ipv4() { CLIENT.into() } else { CLIENT6.into() };
            assert_eq!(way(&scene.pod, near, to, || client.assert_ping(&Ping::to(near))), "veth0", "{near}");
            let service: IpAddr = if near.is_ipv4() { SERVICE.into() } else { SERVICE6.into() };
            let bound = || scene.pod.assert_ping(&Ping::to(service).from(near));
            assert_eq!(way(&scene.pod, near, service, bound), "veth0", "{near}");
        }
    }
}

/// C00006: the default route on the second rail, services still by the node.
#[test]
fn the_default_route_can_be_moved_to_another_rail() {
    let scene = Underlay::new(2);
    let before = scene.snapshot();
    scene.add(1, &config());
    let result = scene.add(2, &json!({ "serviceCIDR": ["10.96.0.0/12"], "podDefaultRouteNic": "net2" }));
    scene.world.switch().ip_do(&format!("addr add {FAR4}/32 dev lo\naddr add {FAR6}/128 dev lo nodad"));
    for (near, far) in addresses(&scene, 2).into_iter().zip([IpAddr::from(FAR4), FAR6.into()]) {
        assert_eq!(way(&scene.pod, near, far, || scene.pod.assert_ping(&Ping::to(far))), "net2");
    }
    let first = addresses(&scene, 1)[0];
    assert_eq!(way(&scene.pod, first, SERVICE.into(), || scene.pod.assert_ping(&Ping::to(SERVICE))), "veth0");
    assert_eq!(scene.check(2, &json!({ "podDefaultRouteNic": "net2" }), &result), "");
    scene.del(2);
    scene.del(1);
    super::undo::same(&before, &scene.snapshot());
}
