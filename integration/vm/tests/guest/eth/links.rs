//! Child links on a PF, as Debian's stock kernel makes them.

use vm::lab::{Pod, ip, pf};

/// Two pods, each with a child of the PF, made by `kind`, that can reach the other.
#[track_caller]
fn children_reach_each_other(kind: &str) {
    let master = pf(0).ifname();
    ip(&format!("link set dev {master} up"));
    let pods = [Pod::new(), Pod::new()];
    for (index, pod) in pods.iter().enumerate() {
        ip(&format!("link add child{index} link {master} {kind}"));
        ip(&format!("link set dev child{index} netns {} name net1", pod.name()));
        pod.ip(&format!("addr add 10.9.0.{}/24 dev net1", index + 1));
        pod.ip("link set dev net1 up");
    }
    assert!(pods[0].pings("10.9.0.2"), "{}", pods[0].ip("-s -d addr"));
}

#[test]
fn macvlan_in_bridge_mode() {
    children_reach_each_other("type macvlan mode bridge");
}

#[test]
fn ipvlan_in_l2_mode() {
    children_reach_each_other("type ipvlan mode l2");
}

#[test]
fn a_macvlan_child_reaches_a_vf_of_the_same_pf() {
    let pf = pf(1);
    ip(&format!("link set dev {} up", pf.ifname()));
    let (left, right) = (Pod::new(), Pod::new());
    ip(&format!("link add child link {} netns {} type macvlan mode bridge", pf.ifname(), left.name()));
    left.ip("addr add 10.9.1.1/24 dev child");
    left.ip("link set dev child up");
    right.take(&pf.vfs()[0], "net1", "10.9.1.2/24");
    assert!(left.pings("10.9.1.2"));
}

#[test]
fn a_vlan_on_the_pf_reaches_a_vf_in_that_vlan() {
    let pf = pf(2);
    let vf = &pf.vfs()[0];
    vf.set("vlan 42");
    let pod = Pod::new();
    pod.take(vf, "net1", "10.9.2.2/24");
    ip(&format!("link set dev {} up", pf.ifname()));
    ip(&format!("link add vlan42 link {} type vlan id 42", pf.ifname()));
    ip("addr add 10.9.2.1/24 dev vlan42");
    ip("link set dev vlan42 up");
    assert!(pod.pings("10.9.2.1"));
}

#[test]
fn a_bond_of_two_pfs_comes_up() {
    ip("link add bond7 type bond mode active-backup miimon 50");
    for rail in [3, 4] {
        ip(&format!("link set dev {} master bond7", pf(rail).ifname()));
    }
    ip("link set dev bond7 up");
    let running = || ip("-j link show dev bond7").contains("\"LOWER_UP\"");
    vm::lab::until(std::time::Duration::from_secs(5), "the bond has a carrier", running);
}
