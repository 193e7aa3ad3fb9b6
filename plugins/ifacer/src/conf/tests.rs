use cni::{CniArgs, Command, Config, Env};
use serde_json::{Value, json};

use super::*;

fn parse(config: &Value) -> Result<Option<MasterSpec>, Error> {
    let mut whole = json!({ "cniVersion": "1.0.0", "name": "rail1", "type": "ifacer" });
    whole.as_object_mut().unwrap().extend(config.as_object().unwrap().clone());
    let env = Env {
        command: Command::Add,
        container_id: "c".to_owned(),
        netns: None,
        ifname: "net1".to_owned(),
        args: CniArgs::parse(""),
        path: Vec::new(),
        declined: Vec::new(),
        unrecorded: false,
    };
    wanted(&Request { env, config: Config::parse(whole.to_string().into_bytes(), Command::Add).unwrap() })
}

fn refused(config: &Value) -> String {
    let error = parse(config).unwrap_err();
    assert_eq!(error.code, 7, "{}", error.msg);
    format!("{} {}", error.msg, error.details)
}

#[test]
fn one_interface_alone_needs_nothing() {
    assert_eq!(parse(&json!({ "interfaces": ["ens1"] })).unwrap(), None);
    assert_eq!(parse(&json!({ "interfaces": ["ens1", "ens2"], "vlanID": 0 })).unwrap(), None);
    assert_eq!(parse(&json!({ "interfaces": ["ens1"], "bond": { "mode": 1 } })).unwrap(), None);
}

#[test]
fn a_vlan_is_named_after_what_it_is_on() {
    let wanted = parse(&json!({ "interfaces": ["ens1"], "vlanId": 100, "mtu": 4200 })).unwrap().unwrap();
    let vlan = VlanSpec { id: 100, name: "ens1.100".to_owned() };
    let expected = MasterSpec {
        interfaces: vec!["ens1".to_owned()],
        bond: None,
        vlan: Some(vlan),
        mtu: Some(4200),
        cleanup: false,
    };
    assert_eq!(wanted, expected);
    let bonded = json!({ "interfaces": ["ens1", "ens2"], "vlanID": 7, "bond": {}, "cleanup": true });
    let wanted = parse(&bonded).unwrap().unwrap();
    assert_eq!(wanted.vlan.unwrap().name, "sp_bond0.7");
    assert_eq!(wanted.bond.unwrap().mode, BondMode::BalanceRr);
    assert!(wanted.cleanup);
}

#[test]
fn a_name_that_is_too_long_can_be_replaced() {
    let msg = refused(&json!({ "interfaces": ["enp11s0f0np0"], "vlanID": 100 }));
    assert!(msg.contains("enp11s0f0np0.100") && msg.contains("`vlanName`"), "{msg}");
    let wanted = parse(&json!({ "interfaces": ["enp11s0f0np0"], "vlanID": 100, "vlanName": "rail1.100" }));
    assert_eq!(wanted.unwrap().unwrap().vlan.unwrap().name, "rail1.100");
}

#[test]
fn modes_are_numbers_or_the_kernels_names() {
    for (number, (name, mode)) in MODES.into_iter().enumerate() {
        for written in [json!(number), json!(name)] {
            let config = json!({ "interfaces": ["a", "b"], "bond": { "name": "bond1", "mode": written } });
            assert_eq!(parse(&config).unwrap().unwrap().bond.unwrap().mode, mode);
        }
    }
}

#[test]
fn what_is_wrong_is_named() {
    for (config, named) in [
        (json!({}), "interfaces"),
        (json!({ "interfaces": [] }), "at least one"),
        (json!({ "interfaces": ["a", "a"] }), "\"a\" is listed twice: write it once"),
        (json!({ "interfaces": ["a/b"] }), "a/b"),
        (
            json!({ "interfaces": ["a"], "vlanID": 5, "vlanName": ".lock" }),
            "vlanName: \".lock\" begins with a dot",
        ),
        (
            json!({ "interfaces": ["a", "b"], "bond": { "name": ".tmp.b" } }),
            "bond.name: \".tmp.b\" begins with a dot",
        ),
        (json!({ "interfaces": ["a"], "vlanID": 4095 }), "vlanID 4095"),
        (json!({ "interfaces": ["a"], "vlanID": -1 }), "vlanID -1"),
        (json!({ "interfaces": ["a"], "mtu": -5 }), "mtu -5"),
        (json!({ "interfaces": ["a", "b"], "vlanID": 5 }), "without a `bond`"),
        (json!({ "interfaces": ["a", "b"], "bond": { "mode": 7 } }), "bond.mode 7"),
        (json!({ "interfaces": ["a", "b"], "bond": { "mode": "lacp" } }), "802.3ad"),
        (json!({ "interfaces": ["a", "b"], "bond": { "name": "sixteen-bytes-xx" } }), "bond.name"),
        (json!({ "interfaces": ["a", "b"], "bond": { "options": "x" } }), "bond.options"),
        // The kernel would make ens0 of it.
        (json!({ "interfaces": ["ens%d"] }), "interfaces: interface name \"ens%d\""),
        (json!({ "interfaces": ["a", "%s"], "bond": {} }), "interfaces: interface name \"%s\""),
        (
            json!({ "interfaces": ["a"], "vlanID": 5, "vlanName": "vlan%d" }),
            "vlanName: interface name \"vlan%d\"",
        ),
        (
            json!({ "interfaces": ["a", "b"], "bond": { "name": "bond%d" } }),
            "bond.name: interface name \"bond%d\"",
        ),
        (
            json!({ "interfaces": ["a", "b"], "bond": { "name": "bond%" }, "vlanID": 5 }),
            "bond.name: interface name \"bond%\"",
        ),
    ] {
        let msg = refused(&config);
        assert!(msg.contains(named), "{config}: {msg}");
    }
}
