use cni::{CniArgs, Command, Config, Env};
use serde_json::{Value, json};

use super::*;

fn parse(config: &Value) -> Result<Conf, Error> {
    let mut whole = json!({ "cniVersion": "1.0.0", "name": "rail1", "type": "ipoib", "master": "ib0" });
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
    Conf::of(&Request { env, config: Config::parse(whole.to_string().into_bytes(), Command::Add).unwrap() })
}

#[test]
fn all_but_the_master_has_a_default() {
    let conf = parse(&json!({})).unwrap();
    let expected = Conf { master: "ib0".to_owned(), mtu: None, pkey: None, mode: None, umcast: true };
    assert_eq!(conf, expected);
    assert_eq!(parse(&json!({ "pkey": "", "mode": "", "mtu": 0 })).unwrap(), expected);
}

#[test]
fn what_is_left_open_is_the_masters() {
    let master = Ipoib { pkey: Some(0xffff), mode: Some(IpoibMode::Connected), umcast: Some(false) };
    let kind = parse(&json!({})).unwrap().kind(&master);
    assert_eq!(kind, Ipoib { umcast: Some(true), ..master.clone() });
    let conf = parse(&json!({ "pkey": "0x8001", "mode": "datagram", "umcast": false })).unwrap();
    let expected = Ipoib { pkey: Some(0x8001), mode: Some(IpoibMode::Datagram), umcast: Some(false) };
    assert_eq!(conf.kind(&master), expected);
}

#[test]
fn what_is_wrong_is_named() {
    for (config, named) in [
        (json!({ "master": "" }), "master is missing"),
        (json!({ "master": ["ib0", "ib1"] }), "ipoib has one master"),
        (json!({ "pkey": "8001" }), "pkey \"8001\""),
        (json!({ "pkey": "0x8000" }), "pkey \"0x8000\""),
        (json!({ "mode": "Connected" }), "\"Connected\""),
        (json!({ "umcast": "yes" }), "umcast"),
        (json!({ "mtu": -1 }), "invalid MTU -1"),
        (json!({ "ipam": { "type": "dhcp" } }), "rail-ipam"),
    ] {
        let error = parse(&config).unwrap_err();
        assert!(error.code == 7 && error.msg.contains(named), "{config}: {}", error.msg);
    }
}
