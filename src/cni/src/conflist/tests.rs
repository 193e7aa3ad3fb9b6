use serde_json::json;

use super::*;
use crate::{Attachment, CniResult, Interface, code};

const LIST: &str = r#"{
    "cniVersion": "1.0.0", "name": "rail1", "disableCheck": true,
    "plugins": [
        { "type": "macvlan", "master": "eth1", "capabilities": { "mac": true, "ips": false, "Name": true } },
        { "type": "coordinator", "NAME": "other", "prevResult": { "stale": true } }
    ]
}"#;

fn stdin(list: &NetworkList, plugin: usize, injection: Injection<'_>) -> Value {
    serde_json::from_slice(&list.stdin(&list.plugins[plugin], injection).unwrap()).unwrap()
}

fn refused(conf: &str) -> Error {
    NetworkList::parse(conf.as_bytes()).unwrap_err()
}

#[test]
fn list_is_read() {
    let list = NetworkList::parse(LIST.as_bytes()).unwrap();
    assert_eq!((list.name.as_str(), list.cni_version), ("rail1", Version::V1_0_0));
    assert!(list.disable_check && !list.disable_gc && !list.load_only_inlined_plugins);
    let types: Vec<_> = list.plugins.iter().map(|p| p.plugin_type.as_str()).collect();
    assert_eq!(types, ["macvlan", "coordinator"]);
}

#[test]
fn single_config_is_a_list_of_one() {
    let list = NetworkList::parse(br#"{"name":"rail1","type":"macvlan","master":"eth1"}"#).unwrap();
    assert_eq!(list.cni_version, Version::V0_1_0);
    let expected = json!({ "cniVersion": "0.1.0", "name": "rail1", "type": "macvlan", "master": "eth1" });
    assert_eq!(stdin(&list, 0, Injection::default()), expected);
}

#[test]
fn highest_known_version_counts() {
    let version = |keys: &str| {
        let conf = format!(r#"{{"name":"rail1","plugins":[]{keys}}}"#);
        NetworkList::parse(conf.as_bytes()).map(|list| list.cni_version.to_string()).map_err(|e| e.code)
    };
    assert_eq!(version(r#","cniVersion":"0.4.0","cniVersions":["1.0.0","0.3.1"]"#).as_deref(), Ok("1.0.0"));
    assert_eq!(version(r#","cniVersion":"1.1.0","cniVersions":["0.3.1"]"#).as_deref(), Ok("1.1.0"));
    assert_eq!(version(r#","cniVersions":["1.1.0","1.2.0"]"#).as_deref(), Ok("1.1.0"));
    assert_eq!(version(r#","cniVersion":"1.2.0""#), Err(code::INCOMPATIBLE_VERSION));
    assert_eq!(version(r#","cniVersions":[]"#).as_deref(), Ok("0.1.0"));
    assert_eq!(version(r#","cniVersions":"1.0.0""#), Err(code::INVALID_CONFIG));
}

#[test]
fn flags_may_be_text() {
    let conf = |value: &str| {
        format!(r#"{{"name":"rail1","plugins":[],"disableGC":{value},"loadOnlyInlinedPlugins":{value}}}"#)
    };
    for (value, expected) in
        [("true", true), ("false", false), (r#""true""#, true), (r#""False""#, false), ("null", false)]
    {
        let list = NetworkList::parse(conf(value).as_bytes()).unwrap();
        assert_eq!((list.disable_gc, list.load_only_inlined_plugins), (expected, expected), "{value}");
    }
    assert_eq!(refused(&conf("1")).code, code::INVALID_CONFIG);
}

#[test]
fn broken_lists_are_refused_with_the_place() {
    let cases = [
        ("{", code::DECODE, "line 1"),
        ("[]", code::DECODE, "JSON object"),
        (r#"{"name":"rail1"}"#, code::INVALID_CONFIG, "plugins"),
        (r#"{"plugins":[]}"#, code::INVALID_CONFIG, "name"),
        (r#"{"name":"a/b","plugins":[]}"#, code::INVALID_CONFIG, "a/b"),
        (r#"{"name":"rail1","plugins":{}}"#, code::INVALID_CONFIG, "plugins"),
        (r#"{"name":"rail1","plugins":[{"type":"a"},{}]}"#, code::INVALID_CONFIG, "plugins[1]"),
        (r#"{"name":"rail1","plugins":["a"]}"#, code::INVALID_CONFIG, "plugins[0]"),
    ];
    for (conf, code, place) in cases {
        let error = refused(conf);
        assert_eq!(error.code, code, "{conf}");
        assert!(error.msg.contains(place), "{conf}: {error}");
    }
}

#[test]
fn plugin_gets_name_version_and_previous_result_in_place_of_its_own() {
    let list = NetworkList::parse(LIST.as_bytes()).unwrap();
    let interface = Interface { name: "net1".into(), mtu: Some(9000), ..Interface::default() };
    let result = CniResult { interfaces: vec![interface], ..CniResult::default() };
    let expected = json!({
        "cniVersion": "1.0.0", "name": "rail1", "type": "coordinator",
        "prevResult": { "cniVersion": "1.0.0", "interfaces": [{ "name": "net1", "mtu": 9000 }] },
    });
    assert_eq!(stdin(&list, 1, Injection { prev_result: Some(&result), ..Injection::default() }), expected);
}

#[test]
fn plugin_gets_the_capability_args_that_it_declares() {
    let list = NetworkList::parse(LIST.as_bytes()).unwrap();
    let args = json!({ "mac": "02:00:00:00:00:02", "ips": ["10.0.0.5"], "deviceID": "0000:03:00.1" });
    let injection = Injection { capability_args: args.as_object(), ..Injection::default() };
    assert_eq!(stdin(&list, 0, injection)["runtimeConfig"], json!({ "mac": "02:00:00:00:00:02" }));
    assert_eq!(stdin(&list, 0, injection)["capabilities"]["mac"], json!(true));
    assert_eq!(stdin(&list, 1, injection).get("runtimeConfig"), None);
}

#[test]
fn gc_list_stands_under_both_keys() {
    let list = NetworkList::parse(LIST.as_bytes()).unwrap();
    let valid = [Attachment { container_id: "pod".into(), ifname: "net1".into() }];
    let conf = stdin(&list, 0, Injection { valid_attachments: Some(&valid), ..Injection::default() });
    for key in ["cni.dev/valid-attachments", "cni.dev/attachments"] {
        assert_eq!(conf[key], json!([{ "containerID": "pod", "ifname": "net1" }]));
    }
    let none = stdin(&list, 0, Injection { valid_attachments: Some(&[]), ..Injection::default() });
    assert_eq!(none["cni.dev/valid-attachments"], json!([]));
}

#[test]
fn plugins_can_be_appended() {
    let mut list = NetworkList::parse(LIST.as_bytes()).unwrap();
    list.append(br#"{"type":"tuning"}"#).unwrap();
    assert_eq!(list.plugins[2].plugin_type, "tuning");
    assert!(list.append(b"{}").is_err() && list.append(b"[]").is_err());
}
