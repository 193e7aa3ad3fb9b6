//! `sriov` on real hardware's driver: what an 82576 can do, and how the rest is refused.

use serde_json::json;
use vm::lab::{Pod, Vf, ip, vf};

use crate::eth::sriov::call::{ipam, sriov};
use crate::eth::sriov::state::{State, assert_no_file};

/// With its PF up: igb warns of settings that wait for that.
fn ready(rail: usize, index: usize) -> Vf {
    let vf = vf(rail, index);
    ip(&format!("link set dev {} up", vf.pf().ifname()));
    vf
}

#[track_caller]
fn assert_untouched(vf: &Vf, before: &State) {
    assert_eq!(State::of(vf).without_admin_mac(), before.clone().without_admin_mac());
    assert_no_file();
}

#[test]
fn mac_vlan_spoofchk_and_trust_are_set_and_restored() {
    let (vf, pod) = (ready(0, 0), Pod::new());
    let before = State::of(&vf);
    let config = json!({
        "mac": "02:00:5e:10:01:01", "vlan": 100, "vlanQoS": 3, "spoofchk": "off", "trust": "on", "mtu": 1400,
    });
    let call = sriov(&vf, &pod, &config);
    let result = call.run("ADD");
    let attributes = vf.attributes();
    assert_eq!((attributes.vlan, attributes.qos, attributes.spoofchk), (100, 3, Some(false)));
    assert_eq!((attributes.mac.as_deref(), attributes.trust), (Some("02:00:5e:10:01:01"), Some(true)));
    let link = pod.link("net1");
    assert_eq!((&link["address"], &link["mtu"]), (&json!("02:00:5e:10:01:01"), &json!(1400)));
    call.clone().with(&json!({ "prevResult": result })).run("CHECK");
    call.run("DEL");
    assert_untouched(&vf, &before);
}

#[test]
fn what_an_operator_always_sends_is_no_request_and_no_failure() {
    let (vf, pod) = (ready(0, 1), Pod::new());
    let before = State::of(&vf);
    let call = sriov(&vf, &pod, &json!({ "vlan": 0, "vlanQoS": 0, "link_state": "auto", "min_tx_rate": 0 }));
    call.run("ADD");
    assert_eq!(vf.attributes(), *before.attributes());
    call.run("DEL");
    assert_untouched(&vf, &before);
}

#[test]
fn what_it_lacks_is_named_with_the_driver_and_nothing_stays() {
    let (vf, pod) = (ready(0, 2), Pod::new());
    let before = State::of(&vf);
    for (config, named) in [
        (json!({ "link_state": "enable" }), "link_state (enable)"),
        (json!({ "vlanProto": "802.1ad" }), "vlan (100"),
        (json!({ "min_tx_rate": 100, "max_tx_rate": 1000 }), "rate (min_tx_rate 100 max_tx_rate 1000)"),
    ] {
        let said = sriov(&vf, &pod, &json!({ "vlan": 100, "trust": "on" })).with(&config).fails("ADD");
        assert!(said.contains("driver igb of PF ") && said.contains(named), "{said}");
        assert_untouched(&vf, &before);
    }
}

#[test]
fn pods_ping_over_vfs_and_the_vfs_come_back_when_the_pods_are_gone() {
    let vfs = [ready(1, 0), ready(1, 1)];
    let before = vfs.each_ref().map(State::of);
    let pods = [Pod::new(), Pod::new()];
    let calls =
        [0, 1].map(|index: usize| sriov(&vfs[index], &pods[index], &json!({ "ipam": ipam("10.78.0.0/24") })));
    let [_, second] = calls.each_ref().map(|call| call.run("ADD"));
    let address = second["ips"][0]["address"].as_str().expect("an address").to_owned();
    let address = address.split('/').next().expect("a prefix");
    let reached = || pods[0].pings(address);
    vm::lab::until(std::time::Duration::from_secs(20), "the VFs are up and switched", reached);
    drop(pods);
    for (call, (vf, before)) in calls.iter().zip(vfs.iter().zip(&before)) {
        call.run("DEL");
        assert_eq!(State::of(vf).without_admin_mac(), before.clone().without_admin_mac());
    }
    assert_no_file();
}

#[test]
fn a_late_del_of_the_previous_owner_leaves_the_vf_alone() {
    let (vf, first) = (ready(0, 3), Pod::new());
    let before = State::of(&vf);
    let old = sriov(&vf, &first, &json!({ "vlan": 50 }));
    old.run("ADD");
    drop(first);
    let second = Pod::new();
    let new = sriov(&vf, &second, &json!({ "vlan": 100 }));
    new.run("ADD");
    old.run("DEL");
    assert_eq!((vf.attributes().vlan, second.links()), (100, vec!["net1".to_owned()]));
    new.run("DEL");
    assert_untouched(&vf, &before);
}
