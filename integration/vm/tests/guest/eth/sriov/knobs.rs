//! Every misbehaviour of the HCA ends in success after a bounded wait, or in an error that names the cause.

use serde_json::{Value, json};
use vm::lab::{Pod, Vf, vf};

use super::call::sriov;
use super::state::{State, assert_untouched};

const EOPNOTSUPP: u64 = 95;
const EINVAL: u64 = 22;

/// What each attribute is called in the config and in the message.
fn options() -> [(&'static str, Value, &'static str); 6] {
    [
        ("mac", json!({ "mac": "02:00:5e:10:00:05" }), "administrative MAC (02:00:5e:10:00:05)"),
        ("vlan", json!({ "vlan": 100 }), "vlan (100"),
        ("rate", json!({ "max_tx_rate": 100 }), "rate (min_tx_rate 0 max_tx_rate 100)"),
        ("spoofchk", json!({ "spoofchk": "on" }), "spoofchk (on)"),
        ("trust", json!({ "trust": "on" }), "trust (on)"),
        ("link_state", json!({ "link_state": "enable" }), "link_state (enable)"),
    ]
}

#[test]
fn a_refused_attribute_is_named_with_the_driver_and_nothing_stays_changed() {
    let vf = vf(0, 0);
    let before = State::of(&vf);
    for (knob, _, said) in options() {
        for errno in [EOPNOTSUPP, EINVAL] {
            vf.pf().knob(&format!("{knob}_errno")).write(errno);
            let pod = Pod::new();
            let error = all(&vf, &pod).fails("ADD");
            assert!(error.contains("driver lab_hca of PF rail0 refuses") && error.contains(said), "{error}");
            vf.pf().knob(&format!("{knob}_errno")).write(0);
            assert_untouched(&vf, &before);
        }
    }
}

fn all(vf: &Vf, pod: &Pod) -> super::call::Call {
    options().into_iter().fold(sriov(vf, pod, &json!({})), |call, (_, config, _)| call.with(&config))
}

#[test]
fn a_refused_no_op_is_a_success() {
    let vf = vf(0, 1);
    let before = State::of(&vf);
    for (knob, _, _) in options() {
        vf.pf().knob(&format!("{knob}_errno")).write(EOPNOTSUPP);
    }
    let pod = Pod::new();
    let config = json!({
        "vlan": 0, "vlanQoS": 0, "trust": "off", "link_state": "auto", "min_tx_rate": 0, "max_tx_rate": 0,
    });
    let call = sriov(&vf, &pod, &config);
    call.run("ADD");
    call.run("DEL");
    assert_untouched(&vf, &before);
}

#[test]
fn a_busy_driver_is_asked_again() {
    let vf = vf(1, 0);
    let before = State::of(&vf);
    for (knob, _, _) in options() {
        vf.pf().knob(&format!("{knob}_busy")).write(3);
    }
    let pod = Pod::new();
    let call = all(&vf, &pod);
    call.run("ADD");
    assert_eq!(vf.attributes().vlan, 100);
    for (knob, _, _) in options() {
        vf.pf().knob(&format!("{knob}_busy")).write(2);
    }
    call.run("DEL");
    assert_untouched(&vf, &before);
}

#[test]
fn an_interface_that_is_too_busy_to_come_up_is_asked_again_in_bounds() {
    let vf = vf(1, 2);
    let before = State::of(&vf);
    let pod = Pod::new();
    let call = sriov(&vf, &pod, &json!({ "ipam": super::call::ipam("10.66.0.0/24") }));
    vf.pf().knob("open_busy").write(3);
    call.run("ADD");
    assert!(pod.link("net1")["flags"].as_array().expect("flags").contains(&json!("UP")));
    call.run("DEL");
    assert_untouched(&vf, &before);
    vf.pf().knob("open_busy").write(1_000_000);
    let said = call.fails("ADD");
    assert!(said.contains("(up)") && said.contains("EBUSY"), "{said}");
    assert_untouched(&vf, &before);
}

#[test]
fn slow_attributes_are_waited_for() {
    let vf = vf(1, 1);
    let before = State::of(&vf);
    for (knob, _, _) in options() {
        vf.pf().knob(&format!("{knob}_delay_ms")).write(30);
    }
    let pod = Pod::new();
    let call = all(&vf, &pod);
    call.run("ADD");
    call.run("DEL");
    assert_untouched(&vf, &before);
}

#[test]
fn macs_that_take_effect_late_are_waited_for() {
    for (knob, value) in [
        ("admin_mac_delay_ms", 300),
        ("own_mac_delay_ms", 300),
        ("admin_mac_live", 1),
        ("mac_needs_trust", 1),
    ] {
        let vf = vf(2, 0);
        let before = State::of(&vf);
        vf.pf().knob(knob).write(value);
        let pod = Pod::new();
        let call = sriov(&vf, &pod, &json!({ "mac": "02:00:5e:10:00:06" }));
        call.run("ADD");
        assert_eq!(pod.link("net1")["address"], "02:00:5e:10:00:06", "{knob}");
        assert_eq!(vf.attributes().mac.as_deref(), Some("02:00:5e:10:00:06"), "{knob}");
        call.run("DEL");
        assert_untouched(&vf, &before);
        vf.pf().knob(knob).write(0);
    }
}

#[test]
fn a_mac_that_never_takes_effect_is_an_error_with_both_addresses() {
    for knob in ["admin_mac_delay_ms", "own_mac_delay_ms"] {
        let (vf, pod) = (vf(2, 1), Pod::new());
        let before = State::of(&vf);
        vf.pf().knob(knob).write(8_000);
        let said = sriov(&vf, &pod, &json!({ "mac": "02:00:5e:10:00:07" })).fails("ADD");
        assert!(said.contains("02:00:5e:10:00:07") && said.contains("ms still"), "{said}");
        vf.pf().knob(knob).write(0);
        sriov(&vf, &pod, &json!({})).run("DEL");
        // What the driver had put off may still come.
        vm::lab::until(std::time::Duration::from_secs(10), "the VF settles", || State::of(&vf) == before);
    }
}

#[test]
fn an_interface_that_comes_late_after_a_rebind_is_waited_for() {
    let (vf, pod) = (vf(3, 0), Pod::new());
    let before = State::of(&vf);
    let call = sriov(&vf, &pod, &json!({ "vlan": 5 }));
    call.run("ADD");
    vf.pf().knob("netdev_delay_ms").write(500);
    vf.unbind();
    call.run("DEL");
    assert_untouched(&vf, &before);
}

#[test]
fn without_carrier_add_ends_and_the_kernel_announces_later() {
    let (vf, pod) = (vf(3, 1), Pod::new());
    vf.pf().knob("carrier").write(0);
    let call = sriov(&vf, &pod, &json!({ "ipam": super::call::ipam("10.67.0.0/24") }));
    call.run("ADD");
    vf.pf().knob("carrier").write(1);
    call.run("DEL");
}
