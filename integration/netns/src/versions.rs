//! The versions of the specification: the shape of their results, and an attachment's life in each.

use serde_json::{Map, Value, json};
use testkit::{Plugin, Snapshot, assert_same};

use crate::outcome::{refused, silent};
use crate::suite::with;

/// Those whose results have no interfaces.
pub const BEFORE_INTERFACES: [&str; 2] = ["0.1.0", "0.2.0"];
const BEFORE_CHECK: [&str; 4] = ["0.1.0", "0.2.0", "0.3.0", "0.3.1"];
const WITH_FAMILY: [&str; 3] = ["0.3.0", "0.3.1", "0.4.0"];

/// Only keys that the specification has in this version, and those that it demands.
#[track_caller]
pub fn assert_shape(version: &str, result: &Value) {
    assert_eq!(result["cniVersion"], version, "{result}");
    if BEFORE_INTERFACES.contains(&version) {
        only(result, &["cniVersion", "ip4", "ip6", "dns"]);
        for family in [&result["ip4"], &result["ip6"]].into_iter().filter(|family| !family.is_null()) {
            only(family, &["ip", "gateway", "routes"]);
            each(&family["routes"], |route| only(route, &["dst", "gw"]));
        }
        return;
    }
    only(result, &["cniVersion", "interfaces", "ips", "routes", "dns"]);
    each(&result["ips"], |ip| {
        let with_family = WITH_FAMILY.contains(&version);
        assert_eq!(!ip["version"].is_null(), with_family, "ips[].version in {version}: {ip}");
        only(ip, &["version", "interface", "address", "gateway"]);
    });
    each(&result["interfaces"], |interface| {
        if WITH_FAMILY.contains(&version) {
            only(interface, &["name", "mac", "sandbox"]);
        }
        assert!(interface["name"].is_string(), "{interface}");
    });
    assert!(
        !result["dns"].is_null() || !WITH_FAMILY.contains(&version),
        "dns is always there in {version}: {result}"
    );
}

#[track_caller]
fn only(object: &Value, allowed: &[&str]) {
    let empty = Map::new();
    let keys = object.as_object().unwrap_or(&empty).keys();
    let odd: Vec<_> = keys.filter(|key| !allowed.contains(&key.as_str())).collect();
    assert!(odd.is_empty(), "keys {odd:?} in {object}");
}

fn each(list: &Value, check: impl Fn(&Value)) {
    list.as_array().into_iter().flatten().for_each(check);
}

/// Every verb that `version` has, in the order of the life of attachment `cid`, `net1`; `kernel` takes a picture of what has to be
/// the same before and after.
#[track_caller]
pub fn live(plugin: &Plugin, version: &str, config: &Value, kernel: impl Fn() -> Snapshot) {
    let kind = config["type"].as_str().unwrap_or_default();
    let what = |verb: &str| format!("{kind} {verb} {version}");
    let before = kernel();
    let result = plugin.add(config).success();
    assert_shape(version, &result);
    let attached = kernel();
    let checked = with(config.clone(), &json!({ "prevResult": result }));
    if BEFORE_CHECK.contains(&version) {
        refused(1, &what("CHECK"), plugin.check(&checked));
    } else {
        silent(&what("CHECK"), plugin.check(&checked));
    }
    let mut listed = config.clone();
    listed["cni.dev/valid-attachments"] = json!([{ "containerID": "cid", "ifname": "net1" }]);
    if version == "1.1.0" {
        silent(&what("GC"), plugin.gc(&listed));
        silent(&what("STATUS"), plugin.status(config));
        silent(&what("GC without a list"), plugin.gc(config));
    } else {
        refused(1, &what("GC"), plugin.gc(&listed));
        refused(1, &what("STATUS"), plugin.status(config));
    }
    assert_same(&attached, &kernel());
    silent(&what("DEL"), plugin.del(config));
    assert_same(&before, &kernel());
    silent(&what("DEL again"), plugin.del(&checked));
}
