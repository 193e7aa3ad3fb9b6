//! Routers on the rails that advertise themselves, where the rails are VFs: what leaves by which rail is counted.

use std::net::{IpAddr, Ipv6Addr};

use serde_json::{Value, json};
use testkit::{Frame, Ping, Space, eventually};
use vm::lab::{Pod, Vf, vf};

use super::call::{Call, pod, sriov};
use super::state::{State, assert_untouched};
use crate::advertised::{SOON, assert_heard, assert_nothing_brought, brought, prefix, while_advertised};

const FAR: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 9);
const PORTS: [&str; 2] = ["port1", "port2"];
const IFNAMES: [&str; 2] = ["net1", "net2"];
const RAILS: [usize; 2] = [0, 1];

/// What a rail is attached by: one plugin after the other.
type Way = (&'static str, &'static [&'static str]);
const WAYS: [Way; 2] = [("sriov, coordinator", &["sriov", "coordinator"]), ("rail", &["rail"])];

/// On another VF of each rail, and the way to far away.
fn router() -> Pod {
    let router = Pod::new();
    for (rail, port) in PORTS.iter().enumerate() {
        router.take(&vf(rail, 1), port, &format!("10.68.{rail}.254/24"));
        let prefix = prefix(rail);
        router.ip_do(&format!(
            "addr add fd00:68:{rail}::fe/64 dev {port} nodad\nroute add {prefix}/64 dev {port}\n"
        ));
    }
    router.ip(&format!("addr add {FAR}/128 dev lo nodad"));
    router
}

fn own(rail: usize) -> Ipv6Addr {
    format!("fd00:68:{rail}::10").parse().expect("an address")
}

fn ipam(rail: usize, families: &[u8]) -> Value {
    let range = |family: &u8| {
        let (subnet, first, gateway) = match family {
            4 => (format!("10.68.{rail}.0/24"), format!("10.68.{rail}.10"), format!("10.68.{rail}.254")),
            _ => (format!("fd00:68:{rail}::/64"), own(rail).to_string(), format!("fd00:68:{rail}::fe")),
        };
        json!([{ "subnet": subnet, "rangeStart": first, "rangeEnd": first, "gateway": gateway }])
    };
    json!({ "type": "rail-ipam", "ranges": families.iter().map(range).collect::<Vec<_>>() })
}

/// ADD of one rail; what is to be deleted, the last first.
fn attach(rail: usize, vf: &Vf, pod: &Pod, plugins: &[&str], more: &Value) -> Vec<Call> {
    let network = json!({ "name": format!("rail{rail}") });
    let first = sriov(vf, pod, &network).ifname(IFNAMES[rail]);
    let (mut calls, mut result) = (Vec::new(), Value::Null);
    for name in plugins {
        let of_link = if *name == "coordinator" { json!({ "deviceID": null }) } else { more.clone() };
        let link = if *name == "rail" { json!({ "link": "sriov" }) } else { json!({}) };
        let call = first.then(name, &of_link).with(&link).with(&json!({ "prevResult": result }));
        result = call.run("ADD");
        calls.insert(0, call);
    }
    calls
}

/// Traffic from far away comes in by each rail: its answer leaves by the same.
#[track_caller]
fn assert_symmetric(router: &Pod, addresses: &[(usize, Ipv6Addr)]) {
    let router = Space::at(&router.path());
    for (rail, near) in addresses {
        let capture = router.capture();
        router.assert_ping(&Ping::to(*near).from(FAR).within(SOON));
        let reply =
            |frame: &Frame| !frame.outgoing && frame.ends() == Some((IpAddr::from(*near), IpAddr::from(FAR)));
        let frame = capture.find(SOON, reply).unwrap_or_else(|| panic!("no reply of {near}"));
        assert_eq!(frame.ifname, PORTS[*rail], "the reply of {near}");
    }
}

#[test]
fn a_router_on_the_rails_changes_nothing_in_the_pod() {
    for ((name, plugins), families) in WAYS.iter().zip([&[4, 6][..], &[4]]) {
        let (vfs, pod, router) = (RAILS.map(|rail| vf(rail, 0)), pod(), router());
        let before = vfs.each_ref().map(State::of);
        let calls = while_advertised(&router, &PORTS, || {
            let calls = RAILS.map(|rail| {
                attach(rail, &vfs[rail], &pod, plugins, &json!({ "ipam": ipam(rail, families) }))
            });
            assert_heard(&pod, &IFNAMES);
            calls
        });
        assert_nothing_brought(&pod, name);
        if families.contains(&6) {
            assert_symmetric(&router, &RAILS.map(|rail| (rail, own(rail))));
        }
        calls.iter().flatten().for_each(|call| drop(call.run("DEL")));
        for rail in RAILS {
            assert_untouched(&vfs[rail], &before[rail]);
        }
    }
}

/// Nobody gives it addresses: it has its link-local one, and no more.
#[test]
fn a_router_changes_nothing_on_a_vf_without_addresses() {
    for plugin in ["sriov", "rail"] {
        let (vf, pod, router) = (vf(0, 0), pod(), router());
        let before = State::of(&vf);
        let calls = while_advertised(&router, &PORTS, || {
            let calls = attach(0, &vf, &pod, &[plugin], &json!({}));
            pod.ip("link set dev net1 up");
            assert_heard(&pod, &IFNAMES[..1]);
            calls
        });
        assert_nothing_brought(&pod, plugin);
        for call in &calls {
            call.run("DEL");
        }
        assert_untouched(&vf, &before);
    }
}

/// Asked for, what they bring is ruled as our own addresses are.
#[test]
fn with_accept_ra_the_addresses_it_brings_leave_by_their_own_rail() {
    for (name, plugins) in WAYS {
        let (vfs, pod, router) = (RAILS.map(|rail| vf(rail, 0)), pod(), router());
        let before = vfs.each_ref().map(State::of);
        let calls = while_advertised(&router, &PORTS, || {
            RAILS.map(|rail| {
                let more = json!({ "ipam": ipam(rail, &[4]), "acceptRA": true });
                attach(rail, &vfs[rail], &pod, plugins, &more)
            })
        });
        let of_rail = |rail: usize| {
            let all = brought(&pod).into_iter();
            all.filter(move |ip| ip.segments()[..3] == prefix(rail).segments()[..3]).map(move |ip| (rail, ip))
        };
        let addresses: Vec<_> = RAILS.iter().flat_map(|rail| of_rail(*rail)).collect();
        for rail in RAILS {
            assert!(addresses.iter().any(|(of, _)| *of == rail), "{name}: rail {rail}: {addresses:?}");
        }
        let settled = || (!pod.ip("-6 addr").contains("tentative")).then_some(());
        eventually(SOON, settled).expect("the addresses are the pod's");
        assert_symmetric(&router, &addresses);
        calls.iter().flatten().for_each(|call| drop(call.run("DEL")));
        for rail in RAILS {
            assert_untouched(&vfs[rail], &before[rail]);
        }
    }
}
