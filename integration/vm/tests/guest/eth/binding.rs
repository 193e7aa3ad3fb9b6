//! What a VF takes over when its driver binds.

use vm::lab::{ip, run, vf};

fn address(ifname: &str) -> String {
    let text = ip(&format!("-j link show dev {ifname}"));
    let links: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    links[0]["address"].as_str().expect("an address").to_owned()
}

fn node_guid(rdma: &str) -> String {
    let text = run(&["cat", &format!("/sys/class/infiniband/{rdma}/node_guid")]);
    text.trim().to_owned()
}

#[test]
fn an_admin_mac_takes_effect_at_the_next_bind() {
    let vf = vf(0, 0);
    let before = address(&vf.ifname());
    vf.set("mac 02:aa:bb:cc:dd:01");
    assert_eq!(address(&vf.ifname()), before);
    vf.rebind();
    assert_eq!(address(&vf.ifname()), "02:aa:bb:cc:dd:01");
}

#[test]
fn a_vf_has_no_node_guid_before_it_got_a_mac() {
    let vf = vf(0, 1);
    assert_eq!(node_guid(&vf.rdma()[0]), "0000:0000:0000:0000");
    vf.set("mac 02:aa:bb:cc:dd:02");
    vf.rebind();
    assert_eq!(node_guid(&vf.rdma()[0]), "00aa:bbff:fecc:dd02");
}

#[test]
fn names_survive_a_rebind() {
    let vf = vf(3, 2);
    let before = (vf.ifname(), vf.rdma());
    vf.rebind();
    assert_eq!((vf.ifname(), vf.rdma()), before);
    assert_eq!(vf.driver().as_deref(), Some("lab_hca"));
}

#[test]
fn an_unbound_vf_has_neither_netdev_nor_rdma_device() {
    let vf = vf(1, 0);
    vf.unbind();
    assert_eq!((vf.netdev(), vf.rdma(), vf.driver()), (None, vec![], None));
    vf.bind("lab_hca");
    assert_eq!(vf.rdma().len(), 1);
}
