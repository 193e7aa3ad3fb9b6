//! VF attributes, set and read back with `ip`.

use vm::lab::{VfAttributes, pfs, vf};

fn untouched() -> VfAttributes {
    VfAttributes {
        mac: Some("00:00:00:00:00:00".into()),
        spoofchk: Some(false),
        trust: Some(false),
        link_state: Some("auto".into()),
        ..VfAttributes::default()
    }
}

#[test]
fn eight_pfs_have_four_vfs_each_with_netdev_and_rdma_device() {
    assert_eq!(pfs().len(), 8);
    for pf in pfs() {
        assert_eq!(pf.rdma().len(), 1);
        assert_eq!(pf.vfs().len(), 4);
        for vf in pf.vfs() {
            assert_eq!(vf.ifname(), format!("{}v{}", pf.ifname(), vf.index()));
            assert_eq!(vf.rdma().len(), 1);
            assert_eq!(vf.attributes(), untouched());
        }
    }
}

#[test]
fn every_attribute_reads_back() {
    let vf = vf(2, 1);
    vf.set("mac 02:11:22:33:44:55");
    vf.set("vlan 100 qos 3 proto 802.1ad");
    vf.set("min_tx_rate 1000 max_tx_rate 5000");
    vf.set("spoofchk on");
    vf.set("trust on");
    vf.set("state enable");
    let expected = VfAttributes {
        mac: Some("02:11:22:33:44:55".into()),
        vlan: 100,
        qos: 3,
        proto: Some("802.1ad".into()),
        min_tx_rate: 1000,
        max_tx_rate: 5000,
        spoofchk: Some(true),
        trust: Some(true),
        link_state: Some("enable".into()),
        ..VfAttributes::default()
    };
    assert_eq!(vf.attributes(), expected);
    assert_eq!(vm::lab::vf(2, 0).attributes(), untouched(), "a neighbour is not touched");
}

#[test]
fn values_out_of_range_are_refused() {
    let ifname = vm::lab::pf(0).ifname();
    for setting in
        ["mac 01:00:00:00:00:01", "vlan 4096", "min_tx_rate 200000", "min_tx_rate 20 max_tx_rate 10"]
    {
        vm::lab::ip_fails(&format!("link set dev {ifname} vf 0 {setting}"));
    }
    vm::lab::ip_fails(&format!("link set dev {ifname} vf 4 vlan 5"));
    assert_eq!(vf(0, 0).attributes(), untouched());
}

#[test]
fn disabling_the_vfs_forgets_their_attributes() {
    let pf = vm::lab::pf(1);
    pf.set_vf(0, "vlan 9");
    pf.set_numvfs(0).expect("disable the VFs");
    pf.set_numvfs(4).expect("enable the VFs");
    assert_eq!(vf(1, 0).attributes(), untouched());
}
