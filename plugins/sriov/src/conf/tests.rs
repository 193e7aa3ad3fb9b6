use std::path::PathBuf;

use cni::{CniArgs, Command, Config, Env};
use serde_json::{Value, json};

use super::*;

const DEVICE: &str = "0000:3b:02.5";

fn request(config: &Value, args: &str) -> Request {
    let mut whole = json!({ "cniVersion": "1.0.0", "name": "rail1", "type": "sriov", "deviceID": DEVICE });
    whole.as_object_mut().unwrap().extend(config.as_object().unwrap().clone());
    let env = Env {
        command: Command::Add,
        container_id: "c".to_owned(),
        netns: Some(PathBuf::from("/run/netns/c")),
        ifname: "net1".to_owned(),
        args: CniArgs::parse(args),
        path: Vec::new(),
        declined: Vec::new(),
        unrecorded: false,
    };
    Request { env, config: Config::parse(whole.to_string().into_bytes(), Command::Add).unwrap() }
}

fn good(config: &Value) -> VfSpec {
    wanted(&request(config, "")).unwrap()
}

fn refused(config: &Value) -> String {
    let error = wanted(&request(config, "")).unwrap_err();
    assert_eq!(error.code, 7, "{error}");
    error.msg.clone()
}

#[test]
fn nothing_is_changed_unless_it_is_asked_for() {
    for config in [
        json!({}),
        json!({ "mac": null, "vlan": null, "vlanQoS": null, "vlanProto": null, "min_tx_rate": null,
                "spoofchk": null, "trust": "", "link_state": "", "mtu": 0 }),
    ] {
        let wanted = good(&config);
        assert_eq!(wanted.attributes, Attributes::default());
        assert_eq!((wanted.mac, wanted.mtu, wanted.device.to_string()), (None, None, DEVICE.to_owned()));
    }
}

#[test]
fn every_key_is_read_in_any_case() {
    let wanted = good(&json!({
        "MAC": "02-00-5E-10-00-01", "VLAN": 100, "vlanqos": 5, "VlanProto": "802.1AD", "Min_Tx_Rate": 10,
        "MAX_TX_RATE": 100, "SpoofChk": "off", "Trust": "on", "Link_State": "enable", "MTU": 4200,
    }));
    let expected = Attributes {
        mac: Some([2, 0, 0x5e, 0x10, 0, 1].into()),
        vlan: Some(Vlan { id: 100, qos: 5, protocol: Vlan::DOT1AD }),
        rate: Some(Rate { min: 10, max: 100 }),
        spoofchk: Some(false),
        trust: Some(true),
        link_state: Some(LinkState::Enable),
        ..Attributes::default()
    };
    assert_eq!((wanted.attributes, wanted.mac, wanted.mtu), (expected, expected.mac, Some(4200)));
}

#[test]
fn vlan_table() {
    let vlan = |id, qos, protocol| Some(Vlan { id, qos, protocol });
    for (config, expected) in [
        (json!({ "vlan": 0 }), vlan(0, 0, Vlan::DOT1Q)),
        (json!({ "vlan": 0, "vlanQoS": 0 }), vlan(0, 0, Vlan::DOT1Q)),
        (json!({ "vlan": 4094, "vlanQoS": 7 }), vlan(4094, 7, Vlan::DOT1Q)),
        (json!({ "vlan": 0, "vlanProto": "802.1q" }), vlan(0, 0, Vlan::DOT1Q)),
        (json!({ "vlan": 7, "vlanProto": "802.1ad" }), vlan(7, 0, Vlan::DOT1AD)),
    ] {
        assert_eq!(good(&config).attributes.vlan, expected, "{config}");
    }
    for (config, key, said) in [
        (json!({ "vlan": 4095 }), "vlan 4095", "0 to 4094"),
        (json!({ "vlan": -1 }), "vlan -1", "0 to 4094"),
        (json!({ "vlan": 5, "vlanQoS": 8 }), "vlanQoS 8", "0 to 7"),
        (json!({ "vlan": 5, "vlanQoS": -1 }), "vlanQoS -1", "0 to 7"),
        (json!({ "vlanQoS": 0 }), "vlanQoS", "without vlan"),
        (json!({ "vlan": 0, "vlanQoS": 1 }), "vlanQoS 1", "vlan 0"),
        (json!({ "vlan": 5, "vlanProto": "802" }), "vlanProto \"802\"", "802.1ad"),
        (json!({ "vlanProto": "802.1q" }), "vlanProto", "without vlan"),
        (json!({ "vlan": 0, "vlanProto": "802.1ad" }), "vlanProto 802.1ad", "vlan 0"),
    ] {
        let msg = refused(&config);
        assert!(msg.contains(key) && msg.contains(said), "{msg}");
    }
}

#[test]
fn a_rate_alone_makes_the_other_zero() {
    assert_eq!(good(&json!({ "min_tx_rate": 5 })).attributes.rate, Some(Rate { min: 5, max: 0 }));
    assert_eq!(good(&json!({ "max_tx_rate": 5 })).attributes.rate, Some(Rate { min: 0, max: 5 }));
    for config in [json!({ "min_tx_rate": -1 }), json!({ "min_tx_rate": 9, "max_tx_rate": 8 })] {
        assert!(refused(&config).contains("min_tx_rate"));
    }
}

#[test]
fn a_misspelt_switch_is_not_off() {
    for key in ["spoofchk", "trust"] {
        for value in ["On", "true", "yes", "disable"] {
            let msg = refused(&json!({ key: value }));
            assert!(
                msg.contains(&format!("{key} \"{value}\"")) && msg.contains("\"on\" and \"off\""),
                "{msg}"
            );
        }
    }
    assert!(refused(&json!({ "link_state": "up" })).contains("auto, enable and disable"));
}

#[test]
fn wrong_types_are_refused_with_the_key() {
    for config in [
        json!({ "vlan": "28" }),
        json!({ "vlanQoS": 1.5, "vlan": 1 }),
        json!({ "min_tx_rate": "1" }),
        json!({ "spoofchk": true }),
        json!({ "mtu": "9000" }),
        json!({ "mac": 5 }),
    ] {
        let msg = refused(&config);
        let known = config.as_object().unwrap().keys().any(|key| msg.contains(key));
        assert!(known, "{config}: {msg}");
    }
    for mtu in [-1, 67, 5_000_000_000_i64] {
        assert!(refused(&json!({ "mtu": mtu })).contains(&format!("invalid MTU {mtu}")));
    }
}

#[test]
fn the_most_dynamic_mac_wins() {
    let mut config = json!({
        "mac": "02:00:00:00:00:01",
        "args": { "cni": { "mac": "02:00:00:00:00:03" } },
        "runtimeConfig": { "mac": "02:00:00:00:00:04" },
    });
    let args = "IgnoreUnknown=1;MAC=02:00:00:00:00:02;K8S_POD_NAME=p";
    for (source, args, last) in [("runtimeConfig", args, 4), ("args", args, 3), ("", args, 2), ("mac", "", 1)]
    {
        let wanted = wanted(&request(&config, args)).unwrap();
        assert_eq!(wanted.mac.unwrap().as_bytes()[5], last);
        assert_eq!(wanted.mac, wanted.attributes.mac, "set through the PF and on the interface");
        config.as_object_mut().unwrap().remove(source);
    }
}

#[test]
fn a_mac_that_no_vf_can_have_is_refused_with_its_source() {
    for (mac, why) in [
        ("01:00:5e:00:00:01", "unicast"),
        ("00:00:00:00:00:00", "unicast"),
        ("02:00:00:00:00:00:00:01", "6 bytes"),
        ("nonsense", "6 bytes"),
    ] {
        let msg = refused(&json!({ "runtimeConfig": { "mac": mac } }));
        assert!(msg.contains("runtimeConfig.mac") && msg.contains(mac) && msg.contains(why), "{msg}");
    }
}

#[test]
fn a_device_is_needed_and_how_to_get_one_is_said() {
    let error = wanted(&request(&json!({ "deviceID": null }), "")).unwrap_err();
    assert!(error.msg.contains("deviceID") && error.details.contains("resourceName"), "{error}");
    assert_eq!(
        good(&json!({ "deviceID": "", "pciBusID": "0000:3B:02.6" })).device.to_string(),
        "0000:3b:02.6"
    );
    assert_eq!(good(&json!({ "deviceID": "mlx5_core.sf.4" })).device.to_string(), "mlx5_core.sf.4");
    assert!(refused(&json!({ "deviceID": "ens1f0" })).contains("\"ens1f0\""));
}

#[test]
fn unknown_args_are_refused_unless_they_may_be_ignored() {
    let error = wanted(&request(&json!({}), "FOO=1")).unwrap_err();
    assert!(error.code == 4 && error.msg.contains("FOO"), "{error}");
}
