//! No NIC: Debian's stock kernel with all its modules.

mod detection;
mod engines;
mod examples;
mod hostile_pod;
mod ifacer;
mod ipvlan;
mod matrices;
pub(crate) mod power_loss;
mod privileges;
mod reconcile;

use vm::lab::{Pod, ip};

#[test]
fn link_kinds_that_build_machines_lack_can_be_made() {
    for kind in ["dummy", "ifb", "vrf table 77", "bond", "bridge"] {
        ip(&format!("link add probe type {kind}"));
        ip("link del probe");
    }
    ip("link add base type dummy");
    for kind in ["vlan id 9", "macvlan mode bridge", "ipvlan mode l3"] {
        ip(&format!("link add probe link base type {kind}"));
        ip("link del probe");
    }
}

#[test]
fn a_test_starts_with_empty_state_directories_and_no_namespaces() {
    assert_eq!(ip("netns list"), "");
    for dir in ["/var/lib/cni", "/var/lib/railcni", "/etc/cni"] {
        assert_eq!(std::fs::read_dir(dir).expect(dir).count(), 0, "{dir}");
    }
}

#[test]
fn the_machines_files_are_seen_and_cannot_be_changed() {
    let own = std::env::current_exe().expect("a path");
    assert!(own.exists());
    let beside = own.with_extension("written-in-the-guest");
    std::fs::File::create(&beside).expect("the overlay takes it");
    assert!(beside.exists());
}

#[test]
fn pods_are_joined_by_veth() {
    let (left, right) = (Pod::new(), Pod::new());
    ip(&format!("link add net1 netns {} type veth peer name net1 netns {}", left.name(), right.name()));
    for (index, pod) in [&left, &right].into_iter().enumerate() {
        pod.ip(&format!("addr add 10.7.0.{}/24 dev net1", index + 1));
        pod.ip("link set dev net1 up");
    }
    assert!(left.pings("10.7.0.2"));
}
