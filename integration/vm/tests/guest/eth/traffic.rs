//! The switch between the functions of one PF.

use vm::lab::{Pod, Vf, ip, pf, vf};

/// Two pods with a VF each, as `net1`, in one subnet.
fn pair(left: &Vf, right: &Vf) -> (Pod, Pod) {
    let pods = (Pod::new(), Pod::new());
    pods.0.take(left, "net1", "10.8.0.1/24");
    pods.1.take(right, "net1", "10.8.0.2/24");
    pods
}

#[test]
fn pods_on_two_vfs_reach_each_other() {
    let (left, right) = pair(&vf(0, 0), &vf(0, 1));
    assert!(left.pings("10.8.0.2"));
    left.ip("addr add fd00:8::1/64 dev net1 nodad");
    right.ip("addr add fd00:8::2/64 dev net1 nodad");
    assert!(left.pings("fd00:8::2"));
}

#[test]
fn rails_are_apart() {
    let (left, _right) = pair(&vf(0, 0), &vf(1, 0));
    assert!(!left.pings("10.8.0.2"));
}

#[test]
fn vlans_are_apart() {
    vf(1, 0).set("vlan 10");
    let (left, _right) = pair(&vf(1, 0), &vf(1, 1));
    assert!(!left.pings("10.8.0.2"));
    vf(1, 1).set("vlan 10");
    // The one that nobody answered, or its last probe may end the next ping with it.
    left.ip("neigh flush all");
    assert!(left.pings("10.8.0.2"));
    vf(1, 1).set("vlan 10 proto 802.1ad");
    left.ip("neigh flush all");
    assert!(!left.pings("10.8.0.2"));
}

#[test]
fn spoofchk_stops_a_foreign_source() {
    let (left, right) = pair(&vf(2, 0), &vf(2, 1));
    vf(2, 0).set("mac 02:00:00:00:00:77");
    vf(2, 0).set("spoofchk on");
    assert!(!left.pings("10.8.0.2"));
    left.ip("link set dev net1 address 02:00:00:00:00:77");
    right.ip("neigh flush all");
    assert!(left.pings("10.8.0.2"));
}

#[test]
fn a_disabled_vf_has_no_carrier() {
    let (left, _right) = pair(&vf(3, 0), &vf(3, 1));
    vf(3, 0).set("state disable");
    assert!(left.link("net1")["flags"].to_string().contains("NO-CARRIER"));
    vf(3, 0).set("state enable");
    assert!(left.pings("10.8.0.2"));
}

#[test]
fn without_the_pfs_carrier_only_an_enabled_vf_has_one() {
    ip(&format!("link set dev {} up", pf(4).ifname()));
    vf(4, 1).set("state enable");
    let (left, right) = pair(&vf(4, 0), &vf(4, 1));
    pf(4).knob("carrier").write(0);
    assert!(left.link("net1")["flags"].to_string().contains("NO-CARRIER"));
    assert!(!right.link("net1")["flags"].to_string().contains("NO-CARRIER"));
    assert!(ip(&format!("link show dev {}", pf(4).ifname())).contains("NO-CARRIER"));
}
