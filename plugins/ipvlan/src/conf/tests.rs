use std::path::PathBuf;

use cni::{CniArgs, Command, Config, Env, Request};
use serde_json::{Value, json};

use super::*;

fn request(config: &Value) -> Request {
    let mut whole = json!({ "cniVersion": "1.0.0", "name": "rail1", "type": "ipvlan" });
    whole.as_object_mut().unwrap().extend(config.as_object().unwrap().clone());
    let env = Env {
        command: Command::Add,
        container_id: "c".to_owned(),
        netns: Some(PathBuf::from("/run/netns/c")),
        ifname: "net1".to_owned(),
        args: CniArgs::parse("MAC=02:00:5e:10:00:01"),
        path: Vec::new(),
        declined: Vec::new(),
        unrecorded: false,
    };
    Request { env, config: Config::parse(whole.to_string().into_bytes(), Command::Add).unwrap() }
}

fn conf(config: &Value) -> Conf {
    Conf::in_chain(&request(config)).unwrap()
}

fn refused(config: &Value) -> String {
    let error = Conf::in_chain(&request(config)).unwrap_err();
    assert_eq!(error.code, 7, "{}", error.msg);
    error.msg.clone()
}

fn before(interfaces: &Value) -> Value {
    json!({ "prevResult": { "cniVersion": "1.0.0", "interfaces": interfaces, "ips": [{ "address": "10.1.0.2/24" }] } })
}

#[test]
fn everything_has_a_default() {
    let expected = Conf {
        master: None,
        mode: IpVlanMode::L2,
        flags: IpVlanFlags::empty(),
        mtu: None,
        link_in_container: false,
        attached: None,
        inherited: None,
        require_master_up: false,
    };
    assert_eq!(conf(&json!({})), expected);
    assert_eq!(conf(&json!({ "master": "", "mode": "", "flag": "", "mtu": 0 })), expected);
    assert_eq!(conf(&json!({ "mode": "l2", "flag": "bridge", "linkInContainer": null })), expected);
}

#[test]
fn every_mode_and_flag_of_the_kernel_is_known() {
    for (name, mode) in [("l2", IpVlanMode::L2), ("l3", IpVlanMode::L3), ("l3s", IpVlanMode::L3S)] {
        assert_eq!(conf(&json!({ "mode": name })).mode, mode);
    }
    assert_eq!(conf(&json!({ "flag": "private" })).flags, IpVlanFlags::Private);
    assert_eq!(conf(&json!({ "flag": "vepa" })).flags, IpVlanFlags::Vepa);
}

#[test]
fn what_is_unknown_is_named_with_what_is_allowed() {
    let msg = refused(&json!({ "mode": "L2" }));
    assert!(msg.contains("\"L2\"") && msg.contains("l3s"), "{msg}");
    let msg = refused(&json!({ "flag": "public" }));
    assert!(msg.contains("\"public\"") && msg.contains("vepa"), "{msg}");
    assert!(refused(&json!({ "mtu": -1 })).contains("invalid MTU -1"));
    assert!(refused(&json!({ "master": ["a", "b"] })).contains("ipvlan has one master"));
}

#[test]
fn in_a_chain_the_only_interface_is_the_master() {
    assert_eq!(conf(&before(&json!([{ "name": "bond0.100" }]))).master.as_deref(), Some("bond0.100"));
    let mut named = before(&json!([{ "name": "a" }, { "name": "b" }]));
    named["master"] = json!("ens1");
    assert_eq!(conf(&named).master.as_deref(), Some("ens1"));
}

#[test]
fn in_a_chain_none_or_several_interfaces_are_no_master() {
    for interfaces in [json!([]), json!([{ "name": "" }]), json!([{ "name": "a" }, { "name": "b" }])] {
        let msg = refused(&before(&interfaces));
        assert!(msg.contains("chained master failure") && msg.contains("`master`"), "{msg}");
    }
}

#[test]
fn addresses_are_inherited_only_without_an_ipam() {
    let mut config = before(&json!([{ "name": "a" }]));
    assert_eq!(inherited(&request(&config)).unwrap().ips.len(), 1);
    config["ipam"] = json!({ "type": "rail-ipam" });
    assert_eq!(inherited(&request(&config)), None);
    assert_eq!(inherited(&request(&json!({}))), None);
}
