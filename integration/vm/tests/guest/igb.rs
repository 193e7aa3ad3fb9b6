//! Two Intel 82576 with seven VFs each, by Debian's own drivers.

mod host;
mod sriov;

use vm::lab::{Pf, Pod, VfAttributes, ip, ip_fails, pfs, vf};

#[test]
fn two_pfs_have_seven_vfs_each() {
    assert_eq!(pfs().iter().map(|pf| pf.vfs().len()).collect::<Vec<_>>(), [7, 7]);
    assert!(pfs().iter().flat_map(Pf::vfs).all(|vf| vf.netdev().is_some()));
}

#[test]
fn what_the_hardware_knows_reads_back() {
    let vf = vf(0, 3);
    ip(&format!("link set dev {} up", vf.pf().ifname()));
    vf.set("mac 02:11:22:33:44:55");
    vf.set("vlan 100 qos 3");
    vf.set("spoofchk off");
    vf.set("trust on");
    let expected = VfAttributes {
        mac: Some("02:11:22:33:44:55".into()),
        vlan: 100,
        qos: 3,
        spoofchk: Some(false),
        trust: Some(true),
        link_state: Some("auto".into()),
        ..VfAttributes::default()
    };
    assert_eq!(VfAttributes { proto: None, ..vf.attributes() }, expected);
}

#[test]
fn link_state_is_not_supported() {
    let vf = vf(0, 0);
    assert!(
        ip_fails(&format!("link set dev {} vf 0 state enable", vf.pf().ifname())).contains("not supported")
    );
}

#[test]
fn pods_on_two_vfs_reach_each_other() {
    ip(&format!("link set dev {} up", vf(1, 0).pf().ifname()));
    let (left, right) = (Pod::new(), Pod::new());
    left.take(&vf(1, 0), "net1", "10.8.0.1/24");
    right.take(&vf(1, 1), "net1", "10.8.0.2/24");
    let reached = || left.pings("10.8.0.2");
    vm::lab::until(std::time::Duration::from_secs(20), "the VFs are up and switched", reached);
}
