//! What the neighbours of a VF notice of it: its addresses announced, and those of others detected.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use testkit::{Capture, Frame, Space};
use vm::lab::{Pod, pf, vf};

use super::call::sriov;
use super::state::{State, assert_untouched};

/// A network whose only address is this one.
fn only(network: &str, ranges: &[Value]) -> Value {
    let ranges: Vec<_> = ranges.iter().map(|range| json!([range])).collect();
    json!({ "name": network, "ipam": { "type": "rail-ipam", "ranges": ranges } })
}

fn range(subnet: &str, address: &str, gateway: Option<&str>) -> Value {
    let mut range = json!({ "subnet": subnet, "rangeStart": address, "rangeEnd": address });
    if let Some(gateway) = gateway {
        range["gateway"] = json!(gateway);
    }
    range
}

#[test]
fn an_ipv6_address_that_another_pod_has_is_refused_and_nothing_stays() {
    let (left, right) = (Pod::new(), Pod::new());
    left.take(&vf(0, 0), "net1", "10.71.0.5/24");
    left.ip("addr add fd00:71::5/64 dev net1 nodad");
    let second = vf(0, 1);
    let before = State::of(&second);
    let ranges = [range("fd00:71::/64", "fd00:71::5", Some("fd00:71::1"))];
    let call = sriov(&second, &right, &only("one", &ranges));
    let said = call.fails("ADD");
    assert!(said.contains("fd00:71::5") && said.contains("in use by another host"), "{said}");
    assert!(right.links().is_empty());
    assert_eq!(State::of(&second), before);
    call.run("DEL");
}

#[test]
fn an_ipv6_address_is_ready_when_add_ends_if_a_gateway_is_to_be_reached_from_it() {
    let (vf, pod) = (vf(1, 0), Pod::new());
    let before = State::of(&vf);
    let ranges = [range("fd00:72::/64", "fd00:72::5", Some("fd00:72::1"))];
    let call = sriov(&vf, &pod, &only("one", &ranges));
    call.run("ADD");
    assert!(!pod.ip("-6 addr show dev net1 scope global").contains("tentative"));
    call.run("DEL");
    assert_untouched(&vf, &before);
}

#[test]
fn without_a_gateway_the_detection_is_left_to_the_kernel() {
    let (vf, pod) = (vf(1, 1), Pod::new());
    sriov(&vf, &pod, &only("one", &[range("fd00:73::/64", "fd00:73::5", None)])).run("ADD");
    let settled = || {
        let shown = pod.ip("-6 addr show dev net1 scope global");
        shown.contains("fd00:73::5") && !shown.contains("tentative")
    };
    vm::lab::until(Duration::from_secs(10), "the address is no longer tentative", settled);
}

#[test]
fn without_carrier_the_detection_is_waited_for_in_bounds() {
    let (vf, pod) = (vf(1, 2), Pod::new());
    let before = State::of(&vf);
    pf(1).knob("carrier").write(0);
    let ranges = [range("fd00:74::/64", "fd00:74::5", Some("fd00:74::1"))];
    let call = sriov(&vf, &pod, &only("one", &ranges));
    let started = Instant::now();
    call.run("ADD");
    assert!(started.elapsed() < Duration::from_secs(60), "{:?}", started.elapsed());
    assert!(
        pod.ip("-6 addr show dev net1").contains("tentative"),
        "the kernel goes on once there is carrier"
    );
    call.run("DEL");
    pf(1).knob("carrier").write(1);
    assert_untouched(&vf, &before);
}

/// A pod on the same rail that listens.
struct Witness {
    _pod: Pod,
    capture: Capture,
}

impl Witness {
    fn on(rail: usize) -> Self {
        let pod = Pod::new();
        pod.take(&vf(rail, 3), "net1", "192.0.2.9/32");
        let capture = Space::at(&pod.path()).capture();
        Self { _pod: pod, capture }
    }

    #[track_caller]
    fn hears(&self, address: IpAddr) -> Frame {
        let found = self.capture.find(Duration::from_secs(10), |frame| announces(frame, address));
        found.unwrap_or_else(|| panic!("nobody announced {address}"))
    }
}

/// An ARP packet whose sender and target are the address (RFC 5227, 3), or a neighbour advertisement of it (RFC 4861, 4.4).
fn announces(frame: &Frame, address: IpAddr) -> bool {
    let at = |from: usize, bytes: &[u8]| frame.bytes.get(from..from + bytes.len()) == Some(bytes);
    match address {
        IpAddr::V4(v4) => frame.ethertype() == 0x0806 && at(28, &v4.octets()) && at(38, &v4.octets()),
        IpAddr::V6(v6) => frame.ethertype() == 0x86dd && at(54, &[136]) && at(62, &v6.octets()),
    }
}

#[test]
fn addresses_are_announced_on_the_rail_of_their_interface_and_on_no_other() {
    let (other, same) = (Witness::on(2), Witness::on(3));
    let pod = Pod::new();
    sriov(&vf(2, 0), &pod, &only("first", &[range("10.74.0.0/24", "10.74.0.5", Some("10.74.0.1"))]))
        .run("ADD");
    let ranges =
        [range("10.75.0.0/24", "10.75.0.5", None), range("fd00:75::/64", "fd00:75::5", Some("fd00:75::1"))];
    let result = sriov(&vf(3, 0), &pod, &only("second", &ranges)).ifname("net2").run("ADD");
    let mac = result["interfaces"][0]["mac"].as_str().expect("a MAC").to_owned();
    for address in ["10.75.0.5", "fd00:75::5"] {
        let address = address.parse().expect("an address");
        let frame = same.hears(address);
        let sender =
            frame.bytes[6..12].iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(":");
        assert_eq!(sender, mac, "{address}");
        let strayed = other.capture.drain().into_iter().find(|frame| announces(frame, address));
        assert!(strayed.is_none(), "{address} was announced on another rail: {strayed:?}");
    }
}
