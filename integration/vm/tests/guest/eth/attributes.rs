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
