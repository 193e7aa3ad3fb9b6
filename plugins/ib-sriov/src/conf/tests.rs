use cni::{CniArgs, Command, Config, Env};
use serde_json::{Value, json};

use super::*;

fn parse(config: &Value) -> Result<VfSpec, Error> {
    let mut whole =
        json!({ "cniVersion": "1.0.0", "name": "rail1", "type": "ib-sriov", "deviceID": "0000:3b:02.5" });
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

fn guid_of(config: &Value) -> String {
    parse(config).unwrap().guid().unwrap().to_string()
}

#[test]
fn all_but_the_device_has_a_default() {
    let found = parse(&json!({ "pkey": "", "link_state": "" })).unwrap();
    let expected = VfSpec::of(VfKind::InfiniBand, Id::parse("0000:3b:02.5").unwrap());
    assert_eq!(found, expected);
}

#[test]
fn the_most_dynamic_guid_wins_and_the_documented_key_counts() {
    let mut config = json!({
        "guid": "02:00:00:00:00:00:00:01",
        "args": { "cni": { "guid": "02:00:00:00:00:00:00:02" } },
        "runtimeConfig": { "infinibandGUID": "02:00:00:00:00:00:00:03" },
    });
    assert_eq!(guid_of(&config), "02:00:00:00:00:00:00:03");
    config["runtimeConfig"] = json!({ "infinibandGUID": "" });
    assert_eq!(guid_of(&config), "02:00:00:00:00:00:00:02");
    config.as_object_mut().unwrap().remove("args");
    assert_eq!(guid_of(&config), "02:00:00:00:00:00:00:01");
}

#[test]
fn guids_that_no_port_may_have_or_that_are_none_are_refused_with_their_source() {
    for guid in
        ["00:00:00:00:00:00:00:00", "ff:ff:ff:ff:ff:ff:ff:ff", "02:00", "gg:00:00:00:00:00:00:01", "x"]
    {
        let error = parse(&json!({ "args": { "cni": { "guid": guid } } })).unwrap_err();
        assert!(error.code == 7 && error.msg.contains(&format!("args.cni.guid \"{guid}\"")), "{}", error.msg);
    }
}

#[test]
fn ib_kubernetes_is_waited_for() {
    let gate = |app: &str, guid: &str| json!({ "ibKubernetesEnabled": true, "args": { "cni": { "mellanox.infiniband.app": app, "guid": guid } } });
    assert!(parse(&gate("configured", "02:00:00:00:00:00:00:01")).is_ok());
    let error = parse(&gate("", "02:00:00:00:00:00:00:01")).unwrap_err();
    assert!(error.code == 11 && error.msg.contains("mellanox.infiniband.app"), "{}", error.msg);
    assert!(parse(&json!({ "ibKubernetesEnabled": true })).is_err());
    let error = parse(&gate("configured", "")).unwrap_err();
    assert!(error.msg.contains("no GUID"), "{}", error.msg);
}

#[test]
fn what_is_wrong_is_named() {
    for (config, named) in [
        (json!({ "deviceID": "" }), "deviceID is missing"),
        (json!({ "deviceID": "mlx5_0" }), "0000:3b:02.5"),
        (json!({ "link_state": "up" }), "link_state \"up\""),
        (json!({ "pkey": "0x8000" }), "pkey \"0x8000\""),
        (json!({ "pkey": "7fff" }), "pkey \"7fff\""),
        (json!({ "rdmaIsolation": "yes" }), "rdmaIsolation"),
        (json!({ "ipam": { "type": "dhcp" } }), "rail-ipam"),
    ] {
        let error = parse(&config).unwrap_err();
        assert!(error.code == 7 && error.msg.contains(named), "{config}: {}", error.msg);
    }
}
