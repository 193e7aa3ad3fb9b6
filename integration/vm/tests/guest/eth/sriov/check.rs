//! CHECK names what was changed behind its back.

use serde_json::json;
use vm::lab::{Pod, vf};

use super::call::{ipam, sriov};

#[test]
fn check_is_content_with_what_add_left() {
    let (vf, pod) = (vf(0, 0), Pod::new());
    let call =
        sriov(&vf, &pod, &json!({ "vlan": 5, "mac": "02:00:5e:10:00:08", "ipam": ipam("10.68.0.0/24") }));
    let result = call.run("ADD");
    call.with(&json!({ "prevResult": result })).run("CHECK");
}

#[test]
fn each_change_of_the_vf_is_named() {
    let (vf, pod) = (vf(0, 0), Pod::new());
    let call =
        sriov(&vf, &pod, &json!({ "vlan": 5, "spoofchk": "on", "link_state": "enable", "trust": "on" }));
    let result = call.run("ADD");
    let check = call.with(&json!({ "prevResult": result }));
    for (changed, back, said) in [
        ("vlan 6", "vlan 5", "its vlan is 6"),
        ("spoofchk off", "spoofchk on", "its spoofchk is off, expected on"),
        ("state disable", "state enable", "its link_state is disable, expected enable"),
        ("trust off", "trust on", "its trust is off, expected on"),
    ] {
        vf.set(changed);
        let error = check.fails("CHECK");
        assert!(error.contains(said) && error.contains("is not as ADD left it: "), "{error}");
        vf.set(back);
        check.run("CHECK");
    }
}

#[test]
fn each_change_in_the_pod_is_named() {
    let (vf, pod) = (vf(0, 0), Pod::new());
    let call = sriov(&vf, &pod, &json!({ "mtu": 1400, "ipam": ipam("10.69.0.0/24") }));
    let result = call.run("ADD");
    let address = result["ips"][0]["address"].as_str().expect("an address").to_owned();
    let check = call.with(&json!({ "prevResult": result }));
    for (changed, said) in [
        ("link set dev net1 mtu 1500", "its MTU is 1500, expected 1400"),
        ("link set dev net1 address 02:00:00:00:00:98", "its MAC is 02:00:00:00:00:98"),
        (&format!("addr del {address} dev net1"), "is missing on net1"),
        ("link set dev net1 down", "it is down"),
    ] {
        pod.ip(changed);
        let error = check.fails("CHECK");
        assert!(error.contains(said), "{error}");
    }
}
