use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::Deserialize;
use serde_json::json;

use super::*;

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Conf {
    master: String,
    vlan_id: u16,
    link: Option<IpAddr>,
    mode: Option<Mode>,
    rules: Vec<Rule>,
    depth: i8,
    mtu: Option<u32>,
    trust: bool,
    nested: Nested,
    labels: BTreeMap<String, u8>,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Mode {
    Bridge,
    Private,
    Source(Vec<String>),
}

#[derive(Debug, PartialEq, Deserialize)]
struct Rule {
    #[serde(alias = "to")]
    dst: String,
    gw: Option<String>,
}

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
struct Nested {
    pool: Option<Vec<u8>>,
}

fn read(value: impl std::borrow::Borrow<Value>) -> Result<Conf, String> {
    from_value(value.borrow()).map_err(|e| e.to_string())
}

#[test]
fn keys_match_in_any_case_and_the_exact_one_wins() {
    let conf =
        read(json!({ "Master": "eth1", "VLANID": 5, "vlanId": 7, "nested": { "POOL": [1] } })).unwrap();
    assert_eq!((conf.master.as_str(), conf.vlan_id), ("eth1", 7));
    assert_eq!(conf.nested.pool, Some(vec![1]));
}

#[test]
fn last_of_equal_keys_counts() {
    let value: Value = serde_json::from_str(r#"{"master":"a","master":"b"}"#).unwrap();
    assert_eq!(read(value).unwrap().master, "b");
}

#[test]
fn null_is_absent_everywhere() {
    let null =
        json!({ "master": null, "vlanId": null, "link": null, "rules": null, "nested": null, "trust": null });
    assert_eq!(read(null).unwrap(), Conf::default());
    assert_eq!(read(json!(null)).unwrap(), Conf::default());
    assert_eq!(read(json!({ "rules": [{ "dst": "a", "gw": null }] })).unwrap().rules[0].gw, None);
}

#[test]
fn blank_text_is_unset_where_the_field_is_optional() {
    assert_eq!(read(json!({ "link": "", "mode": "", "mtu": "" })).unwrap(), Conf::default());
}

#[test]
fn unknown_keys_are_ignored() {
    assert_eq!(read(json!({ "bandwidth": { "deep": [1, 2] } })).unwrap(), Conf::default());
}

#[test]
fn enums_read_names_and_content() {
    assert_eq!(read(json!({ "mode": "private" })).unwrap().mode, Some(Mode::Private));
    assert_eq!(
        read(json!({ "mode": { "source": ["a"] } })).unwrap().mode,
        Some(Mode::Source(vec!["a".into()]))
    );
}

#[test]
fn alias_counts_as_its_field_but_not_beside_it() {
    assert_eq!(read(json!({ "rules": [{ "To": "a" }] })).unwrap().rules[0].dst, "a");
    let error = read(json!({ "rules": [{ "dst": "a", "to": "b" }] })).unwrap_err();
    assert_eq!(error, r#"key "rules[0].dst" is given twice, under two of its names"#);
}

#[test]
fn errors_name_the_key_the_value_and_what_is_allowed() {
    let cases = [
        (
            json!({ "vlanId": "28" }),
            r#"key "vlanId" has the value "28": expected an integer from 0 to 65535"#,
        ),
        (
            json!({ "VlanID": 70000 }),
            r#"key "VlanID" has the value 70000: expected an integer from 0 to 65535"#,
        ),
        (json!({ "vlanId": -1 }), r#"key "vlanId" has the value -1: expected an integer from 0 to 65535"#),
        (json!({ "vlanId": 1.0 }), r#"key "vlanId" has the value 1.0: expected an integer from 0 to 65535"#),
        (json!({ "depth": 128 }), r#"key "depth" has the value 128: expected an integer from -128 to 127"#),
        (json!({ "master": 5 }), r#"key "master" has the value 5: expected a string"#),
        (json!({ "trust": "on" }), r#"key "trust" has the value "on": expected true or false"#),
        (
            json!({ "mode": "brige" }),
            r#"key "mode" has the value "brige": expected "bridge" or "private" or "source""#,
        ),
        (json!({ "mode": 3 }), r#"key "mode" has the value 3: expected a string"#),
        (
            json!({ "link": "10.0.0.256" }),
            r#"key "link" has the value "10.0.0.256": invalid IP address syntax"#,
        ),
        (json!({ "rules": {} }), r#"key "rules" has the value {}: expected a list"#),
        (json!({ "rules": [{ "dst": "a" }, 7] }), r#"key "rules[1]" has the value 7: expected an object"#),
        (json!({ "nested": [] }), r#"key "nested" has the value []: expected an object"#),
        (
            json!({ "nested": { "pool": [1, 300] } }),
            r#"key "nested.pool[1]" has the value 300: expected an integer from 0 to 255"#,
        ),
        (
            json!({ "labels": { "a": "b" } }),
            r#"key "labels.a" has the value "b": expected an integer from 0 to 255"#,
        ),
        (json!([]), "[]: expected an object"),
    ];
    for (value, expected) in cases {
        assert_eq!(read(value).unwrap_err(), expected);
    }
}

#[test]
fn missing_field_shows_what_stands_there_instead() {
    assert_eq!(read(json!({ "rules": [{ "gw": "a" }] })).unwrap_err(), r#"key "rules[0].dst" is missing"#);
    let error = read(json!({ "rules": [{ "target": "a", "via": "b" }] })).unwrap_err();
    assert_eq!(
        error,
        r#"key "rules[0].dst" is missing, and these keys beside it mean nothing: ["target", "via"]"#
    );
}

#[test]
fn long_values_are_cut_in_errors() {
    let error = read(json!({ "vlanId": "é".repeat(500) })).unwrap_err();
    assert!(error.contains("é...") && error.len() < 300, "{error}");
}

#[test]
fn fields_are_known_without_a_value() {
    assert_eq!(fields_of::<Rule>(), ["dst", "to", "gw"]);
    assert!(fields_of::<String>().is_empty());
}
