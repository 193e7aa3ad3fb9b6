use std::path::PathBuf;

use cni::{CniArgs, Command, Config, Env, Request};
use serde_json::{Value, json};

use super::*;

fn request(config: &Value, args: &str) -> Request {
    let mut whole = json!({ "cniVersion": "1.0.0", "name": "rail1", "type": "macvlan" });
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

fn conf(config: &Value) -> Conf {
    Conf::of(&request(config, "")).unwrap()
}

fn refused(config: &Value) -> (u32, String) {
    let error = Conf::of(&request(config, "")).unwrap_err();
    (error.code, error.msg.clone())
}

#[test]
fn everything_has_a_default() {
    let expected = Conf {
        master: None,
        mode: MacVlanMode::Bridge,
        mtu: None,
        mac: None,
        link_in_container: false,
        require_master_up: false,
        bc_queue_len: None,
    };
    assert_eq!(conf(&json!({})), expected);
    assert_eq!(conf(&json!({ "mode": "", "mtu": 0, "bcqueuelen": 0, "mac": "" })), expected);
}

#[test]
fn keys_match_in_any_case() {
    let conf = conf(&json!({ "Master": "ens1", "MTU": 9000, "linkincontainer": true, "bcQueueLen": 4096 }));
    assert_eq!(conf.master.as_deref(), Some("ens1"));
    assert_eq!((conf.mtu, conf.link_in_container, conf.bc_queue_len), (Some(9000), true, Some(4096)));
}

#[test]
fn a_list_with_one_master_is_that_master() {
    assert_eq!(conf(&json!({ "master": ["enp11s0f0np0"] })).master.as_deref(), Some("enp11s0f0np0"));
    let (code, msg) = refused(&json!({ "master": ["a", "b"] }));
    assert_eq!(code, 7);
    assert!(msg.contains(r#"master ["a", "b"]"#) && msg.contains("ifacer"), "{msg}");
}

#[test]
fn every_mode_of_the_reference_plugin_is_known() {
    for (name, mode) in [
        ("bridge", MacVlanMode::Bridge),
        ("private", MacVlanMode::Private),
        ("vepa", MacVlanMode::Vepa),
        ("passthru", MacVlanMode::Passthrough),
    ] {
        assert_eq!(conf(&json!({ "mode": name })).mode, mode);
    }
}

#[test]
fn other_modes_are_refused_by_name() {
    let (code, msg) = refused(&json!({ "mode": "source" }));
    assert_eq!(code, 2);
    assert!(msg.contains("\"source\""), "{msg}");
    let (code, msg) = refused(&json!({ "mode": "brigde" }));
    assert_eq!(code, 7);
    assert!(msg.contains("unknown macvlan mode: \"brigde\"") && msg.contains("bridge"), "{msg}");
}

#[test]
fn a_negative_mtu_is_refused() {
    let (code, msg) = refused(&json!({ "mtu": -1 }));
    assert_eq!(code, 7);
    assert!(msg.contains("invalid MTU -1"), "{msg}");
}

#[test]
fn wrong_types_are_refused_with_the_key() {
    for config in [json!({ "mtu": "9000" }), json!({ "linkInContainer": "yes" }), json!({ "bcqueuelen": -1 })]
    {
        let key = config.as_object().unwrap().keys().next().unwrap().clone();
        let (code, msg) = refused(&config);
        assert_eq!(code, 7);
        assert!(msg.contains(&key), "{msg}");
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
    for expected in ["runtimeConfig", "args", "", "mac"] {
        let (args, last) = match expected {
            "mac" => ("", 1),
            "" => (args, 2),
            "args" => (args, 3),
            _ => (args, 4),
        };
        let conf = Conf::of(&request(&config, args)).unwrap();
        assert_eq!(conf.mac.unwrap().as_bytes()[5], last);
        config.as_object_mut().unwrap().remove(expected);
    }
}

#[test]
fn a_mac_that_no_interface_can_have_is_refused_with_its_source() {
    for (mac, why) in [
        ("01:00:5e:00:00:01", "unicast"),
        ("00:00:00:00:00:00", "unicast"),
        ("02:00:00:00:00:00:00:01", "6 bytes"),
        ("nonsense", "6 bytes"),
    ] {
        let (code, msg) = refused(&json!({ "runtimeConfig": { "mac": mac } }));
        assert_eq!(code, 7);
        assert!(msg.contains("runtimeConfig.mac") && msg.contains(mac) && msg.contains(why), "{msg}");
    }
}

#[test]
fn unknown_args_are_refused_unless_they_may_be_ignored() {
    let error = Conf::of(&request(&json!({}), "FOO=1")).unwrap_err();
    assert!(error.code == 4 && error.msg.contains("FOO"), "{error}");
}
