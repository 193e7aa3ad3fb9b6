//! Eight InfiniBand PFs with four VFs each.

mod check;
mod conformance;
mod detection;
mod disk;
mod eight;
mod examples;
mod hostile_pod;
mod ib_sriov;
mod identity;
mod lock;
mod matrices;
mod rail;
mod rebind;
mod upgrade;
mod userspace;
mod whole_function;

use std::fs;
use std::time::Duration;

use vm::lab::{Pf, Pod, Vf, ip, ip_fails, pf, pfs, rdma_devices, run, until, vf};

const NO_GUID: &str = "00:00:00:00:00:00:00:00";
const GUID: &str = "11:22:33:44:55:66:77:88";

fn address(vf: &Vf) -> String {
    let text = ip(&format!("-j link show dev {}", vf.ifname()));
    let links: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(links[0]["link_type"], "infiniband");
    links[0]["address"].as_str().expect("an address").to_owned()
}

#[test]
fn eight_pfs_have_four_vfs_each() {
    assert_eq!(pfs().iter().map(|pf| pf.vfs().len()).collect::<Vec<_>>(), [4; 8]);
    assert_eq!(rdma_devices().len(), 40);
    for vf in pfs().iter().flat_map(Pf::vfs) {
        assert!(address(&vf).ends_with(NO_GUID), "a fresh VF has no GUID");
    }
}

#[test]
fn guids_and_link_state_read_back() {
    let vf = vf(0, 0);
    vf.set(&format!("node_guid {GUID}"));
    vf.set("port_guid 11:22:33:44:55:66:77:99");
    vf.set("state disable");
    let attributes = vf.attributes();
    assert_eq!(attributes.node_guid.as_deref(), Some(GUID));
    assert_eq!(attributes.port_guid.as_deref(), Some("11:22:33:44:55:66:77:99"));
    assert_eq!(attributes.link_state.as_deref(), Some("disable"));
    assert_eq!(vm::lab::vf(0, 1).attributes().node_guid.as_deref(), Some(NO_GUID));
}

#[test]
fn what_infiniband_lacks_is_refused() {
    let ifname = pf(0).ifname();
    for setting in ["vlan 5", "max_tx_rate 100", "spoofchk on", "trust on", "mac 02:00:00:00:00:01"] {
        let error = ip_fails(&format!("link set dev {ifname} vf 0 {setting}"));
        assert!(error.contains("not supported") || error.contains("nvalid"), "{setting}: {error}");
    }
}

#[test]
fn a_guid_takes_effect_at_the_next_bind() {
    let vf = vf(1, 0);
    vf.set(&format!("node_guid {GUID}"));
    vf.set(&format!("port_guid {GUID}"));
    assert!(address(&vf).ends_with(NO_GUID));
    vf.rebind();
    assert!(address(&vf).ends_with(GUID), "{}", address(&vf));
    let sysfs = format!("/sys/class/infiniband/{}", vf.rdma()[0]);
    let read = |name: &str| fs::read_to_string(format!("{sysfs}/{name}")).expect(name);
    assert_eq!(read("node_guid").trim(), "1122:3344:5566:7788");
    assert_eq!(read("ports/1/gids/0").trim(), "fe80:0000:0000:0000:1122:3344:5566:7788");
    assert_eq!(read("ports/1/link_layer").trim(), "InfiniBand");
}

#[test]
fn a_guid_is_refused_or_busy() {
    let pf = pf(2);
    pf.knob("port_guid_errno").write(95);
    let set = format!("link set dev {} vf 0 port_guid {GUID}", pf.ifname());
    assert!(ip_fails(&set).contains("not supported"));
    pf.knob("port_guid_errno").write(0);
    pf.knob("node_guid_busy").write(1);
    assert!(ip_fails(&set.replace("port_guid", "node_guid")).contains("busy"));
    ip(&set);
}

#[test]
fn pods_on_two_vfs_reach_each_other() {
    let (left, right) = (Pod::new(), Pod::new());
    left.take(&vf(3, 0), "net1", "10.8.0.1/24");
    right.take(&vf(3, 1), "net1", "10.8.0.2/24");
    assert!(left.pings("10.8.0.2"));
    assert!(!left.pings("10.8.0.3"));
}

#[test]
fn macvlan_and_ipvlan_refuse_an_infiniband_master() {
    let master = pf(4).ifname();
    for kind in ["macvlan mode bridge", "ipvlan mode l2"] {
        let error = ip_fails(&format!("link add child link {master} type {kind}"));
        assert!(error.contains("nvalid argument"), "{kind}: {error}");
    }
}

#[test]
fn netdev_and_rdma_device_return_when_a_pod_dies() {
    let (vf, pod) = (vf(5, 0), Pod::new());
    let rdma = vf.rdma();
    run(&["rdma", "dev", "set", &rdma[0], "netns", pod.name()]);
    pod.take(&vf, "net1", "10.8.0.1/24");
    drop(pod);
    until(Duration::from_secs(5), "the RDMA device returns", || vf.rdma() == rdma);
    assert_eq!(vf.ifname(), "net1");
}

#[test]
fn sriov_off_takes_the_vfs_out_of_their_pods() {
    let (pf, pod) = (pf(6), Pod::new());
    for vf in pf.vfs() {
        pod.take(&vf, &format!("net{}", vf.index()), "10.8.0.1/24");
    }
    pf.set_numvfs(0).expect("disable the VFs");
    assert!(pod.links().is_empty());
}
