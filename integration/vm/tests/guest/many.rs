//! One PF with 120 VFs: more than a netlink reader with a small buffer survives.

mod crowd;

use vm::lab::{ip, pf, vf};

#[test]
fn a_hundred_and_twenty_vfs_are_listed() {
    let pf = pf(0);
    assert_eq!(pf.vfs().len(), 120);
    assert!(pf.vfs().iter().all(|vf| vf.netdev().is_some() && vf.rdma().len() == 1));
    let text = ip(&format!("-j -d link show dev {}", pf.ifname()));
    let links: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(links[0]["vfinfo_list"].as_array().map(Vec::len), Some(120));
}

#[test]
fn the_last_vf_is_set_and_read_back() {
    let last = vf(0, 119);
    last.set("vlan 7");
    assert_eq!(last.attributes().vlan, 7);
    assert_eq!(vf(0, 118).attributes().vlan, 0);
}
