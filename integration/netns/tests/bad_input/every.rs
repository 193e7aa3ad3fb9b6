//! What no plugin takes.

use netns_tests::suite::{Binary, with};
use serde_json::{Value, json};

use crate::{Bad, wrong};

pub(crate) fn inputs(binary: &Binary, config: &Value) -> Vec<Bad> {
    let mut all = Vec::new();
    for version in ["1.0", "1.2.0", "0.5.0", "v1.0.0", "1.1.0.0", "latest", " 1.1.0", "-1"] {
        all.push(Bad::new(
            1,
            &["incompatible CNI versions", version],
            with(config.clone(), &json!({ "cniVersion": version })),
        ));
    }
    for version in [json!(1.1), json!(["1.1.0"]), json!({}), json!(true)] {
        all.push(Bad::new(6, &["cniVersion"], with(config.clone(), &json!({ "cniVersion": version }))));
    }
    for name in ["../rail1", "rail 1", "_rail", "-x", ".", "rail/1", "ü", "a\nb", "a,b", "a:b"] {
        all.push(Bad::new(7, &["network name", name], with(config.clone(), &json!({ "name": name }))));
    }
    for name in [json!(5), json!([]), json!({ "a": 1 }), json!(false)] {
        all.push(Bad::new(6, &["name"], with(config.clone(), &json!({ "name": name }))));
    }
    for name in [Value::Null, json!("")] {
        all.push(Bad::new(7, &["missing network name"], with(config.clone(), &json!({ "name": name }))));
    }
    for id in ["../etc", "a/b", "-a", "_a", "a b", "ü", "a\n", ".hidden", "a,b", "a;b"] {
        all.push(Bad::new(4, &["containerID", id], config.clone()).env("CNI_CONTAINERID", id));
    }
    for ifname in
        ["sixteen-bytes-xx", ".", "..", "a/b", "a:b", "a b", "a\tb", "ünïcödé-ünï", "net%d", "%s", "50%"]
    {
        all.push(Bad::new(4, &["interface name"], config.clone()).env("CNI_IFNAME", ifname));
    }
    for variable in ["CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME", "CNI_PATH"] {
        all.push(Bad::new(4, &[variable], config.clone()).env(variable, ""));
    }
    for value in [json!(5), json!("x"), json!([]), json!(true)] {
        all.push(Bad::new(7, &["prevResult"], with(config.clone(), &json!({ "prevResult": value }))));
        all.push(wrong(config, "dns", &value));
    }
    for value in [json!(5), json!([1]), json!({})] {
        all.push(wrong(config, "type", &value));
    }
    all.extend(previous(config));
    if DETECT.contains(&binary.name) {
        all.extend(detection(config));
    }
    // The IPAM and the maker of masters work on the host.
    if !["rail-ipam", "ifacer"].contains(&binary.name) {
        for netns in ["/run/netns/absent", "/etc/hostname", "/proc/self/status", "/"] {
            all.push(Bad::new(8, &[netns], config.clone()).env("CNI_NETNS", netns).after_a_look());
        }
    }
    all
}

/// Those that put an address on an interface.
pub(crate) const DETECT: [&str; 6] = ["macvlan", "ipvlan", "ipoib", "sriov", "ib-sriov", "rail"];

/// What cannot be detected, nor so often or so long.
pub(crate) fn detection(config: &Value) -> Vec<Bad> {
    let cases = [
        ("detection", json!("yes")),
        ("detection", json!(3)),
        ("detection.retries", json!(0)),
        ("detection.retries", json!(11)),
        ("detection.interval", json!("1h")),
        ("detection.interval", json!("9ms")),
        ("detection.timeout", json!("11s")),
        ("detection.timeout", json!("soon")),
        ("detection.gateway", json!("maybe")),
    ];
    cases.into_iter().map(|(key, value)| wrong(config, key, &value)).collect()
}

/// Results that are none.
fn previous(config: &Value) -> Vec<Bad> {
    let cases = [
        ("cniVersion", json!({ "cniVersion": "9.9.9" })),
        ("ips", json!({ "ips": 4 })),
        ("address", json!({ "ips": [{ "address": "10.0.0.300/24" }] })),
        ("address", json!({ "ips": [{ "address": "10.0.0.1" }] })),
        ("address", json!({ "ips": [{ "address": "10.0.0.1/33" }] })),
        ("address", json!({ "ips": [{ "address": 7 }] })),
        ("gateway", json!({ "ips": [{ "address": "10.0.0.1/24", "gateway": "here" }] })),
        ("interface", json!({ "ips": [{ "address": "10.0.0.1/24", "interface": "net1" }] })),
        ("interfaces", json!({ "interfaces": "net1" })),
        ("name", json!({ "interfaces": [{ "name": 5 }] })),
        ("dst", json!({ "routes": [{ "dst": "10.0.0.0/99" }] })),
        ("gw", json!({ "routes": [{ "dst": "10.0.0.0/8", "gw": "x" }] })),
        ("table", json!({ "routes": [{ "dst": "10.0.0.0/8", "table": "main" }] })),
        ("routes", json!({ "routes": {} })),
    ];
    let bad = |(key, result): (&str, Value)| {
        let result = with(json!({ "cniVersion": "1.1.0" }), &result);
        let key = if key == "cniVersion" { "9.9.9" } else { key };
        Bad::new(7, &["prevResult", key], with(config.clone(), &json!({ "prevResult": result })))
    };
    cases.into_iter().map(bad).collect()
}
