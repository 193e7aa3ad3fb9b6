//! Each knob of the emulated HCA does what `hca/README.md` says.

use std::time::{Duration, Instant};

use vm::lab::{Pod, ip, ip_fails, pf, run, try_run, until, vf};

const EOPNOTSUPP: u64 = 95;
const SOON: Duration = Duration::from_secs(10);

fn address(ifname: &str) -> String {
    let links: serde_json::Value =
        serde_json::from_str(&ip(&format!("-j link show dev {ifname}"))).expect("JSON");
    links[0]["address"].as_str().unwrap_or_default().to_owned()
}

#[test]
fn an_attribute_is_refused() {
    let pf = pf(0);
    let attributes = [
        ("mac", "mac 02:00:00:00:00:01"),
        ("vlan", "vlan 5"),
        ("rate", "max_tx_rate 100"),
        ("spoofchk", "spoofchk on"),
        ("trust", "trust on"),
        ("link_state", "state enable"),
    ];
    for (name, setting) in attributes {
        let before = pf.vfs()[0].attributes();
        pf.knob(&format!("{name}_errno")).write(EOPNOTSUPP);
        let error = ip_fails(&format!("link set dev {} vf 0 {setting}", pf.ifname()));
        assert!(error.contains("not supported"), "{name}: {error}");
        assert_eq!(pf.vfs()[0].attributes(), before, "{name}");
        pf.knob(&format!("{name}_errno")).write(0);
        pf.set_vf(0, setting);
        assert_ne!(pf.vfs()[0].attributes(), before, "{name}");
    }
}

#[test]
fn an_attribute_is_busy_a_few_times() {
    let pf = pf(0);
    pf.knob("mac_busy").write(2);
    for _ in 0..2 {
        let error = ip_fails(&format!("link set dev {} vf 1 mac 02:00:00:00:00:02", pf.ifname()));
        assert!(error.contains("busy"), "{error}");
    }
    pf.set_vf(1, "mac 02:00:00:00:00:02");
    assert_eq!(pf.knob("mac_busy").read(), 0);
}

#[test]
fn a_vfs_interface_is_busy_a_few_times() {
    let vf = vf(0, 1);
    vf.pf().knob("open_busy").write(2);
    let up = format!("link set dev {} up", vf.ifname());
    for _ in 0..2 {
        assert!(ip_fails(&up).contains("busy"));
    }
    ip(&up);
}

#[test]
fn an_attribute_is_slow() {
    let pf = pf(0);
    pf.knob("trust_delay_ms").write(700);
    let start = Instant::now();
    pf.set_vf(0, "trust on");
    assert!(start.elapsed() >= Duration::from_millis(700));
    assert_eq!(pf.vfs()[0].attributes().trust, Some(true));
}

#[test]
fn the_admin_mac_is_stored_late() {
    let vf = vf(1, 0);
    vf.pf().knob("admin_mac_delay_ms").write(1500);
    vf.set("mac 02:00:00:00:00:03");
    assert_eq!(vf.attributes().mac.as_deref(), Some("00:00:00:00:00:00"));
    until(SOON, "it is stored", || vf.attributes().mac.as_deref() == Some("02:00:00:00:00:03"));
}

#[test]
fn the_admin_mac_reaches_the_running_vf() {
    let vf = vf(1, 1);
    vf.pf().knob("admin_mac_live").write(1);
    vf.set("mac 02:00:00:00:00:04");
    assert_eq!(address(&vf.ifname()), "02:00:00:00:00:04");
}

#[test]
fn the_vfs_own_mac_changes_late() {
    let vf = vf(1, 2);
    vf.pf().knob("own_mac_delay_ms").write(1500);
    let ifname = vf.ifname();
    let before = address(&ifname);
    ip(&format!("link set dev {ifname} address 02:00:00:00:00:05"));
    assert_eq!(address(&ifname), before);
    until(SOON, "it is applied", || address(&ifname) == "02:00:00:00:00:05");
}

#[test]
fn an_untrusted_vf_keeps_the_admins_mac() {
    let vf = vf(1, 3);
    vf.pf().knob("mac_needs_trust").write(1);
    vf.set("mac 02:00:00:00:00:06");
    let change = format!("link set dev {} address 02:00:00:00:00:07", vf.ifname());
    assert!(ip_fails(&change).contains("not permitted"));
    vf.set("trust on");
    ip(&change);
    assert_eq!(address(&vf.ifname()), "02:00:00:00:00:07");
}

#[test]
fn the_netdev_appears_late_after_a_bind() {
    let vf = vf(2, 0);
    vf.pf().knob("netdev_delay_ms").write(1500);
    vf.rebind();
    assert_eq!(vf.netdev(), None);
    let port = format!("{}/1", vf.rdma()[0]);
    assert_eq!(vf.ifname(), "rail2v0");
    until(SOON, "the RDMA device knows it", || {
        run(&["rdma", "link", "show", &port]).contains("netdev rail2v0")
    });
}

#[test]
fn an_rdma_device_cannot_move() {
    let (vf, pod) = (vf(2, 1), Pod::new());
    vf.pf().knob("rdma_no_netns").write(1);
    vf.rebind();
    let outcome = try_run(&["rdma", "dev", "set", &vf.rdma()[0], "netns", pod.name()]);
    assert!(!outcome.ok && outcome.stderr.contains("not supported"), "{outcome:?}");
}

#[test]
fn a_function_has_two_rdma_devices_or_none() {
    let vf = vf(2, 2);
    for count in [2, 0] {
        vf.pf().knob("rdma_devices").write(count);
        vf.rebind();
        assert_eq!(vf.rdma().len() as u64, count);
    }
}

#[test]
fn vfs_have_guids_from_the_firmware() {
    let vf = vf(2, 3);
    vf.pf().knob("fw_guids").write(1);
    vf.rebind();
    let guid = run(&["cat", &format!("/sys/class/infiniband/{}/node_guid", vf.rdma()[0])]);
    assert_ne!(guid.trim(), "0000:0000:0000:0000");
}
