//! Results in the shape of the version that was asked for, and configs as Go's decoder would have taken them.

use netns_tests::suite::{BINARIES, Binary, Stage, VERSIONS, pool, with};
use serde_json::{Map, Value, json};
use testkit::assert_same;

use crate::{refused, silent};

const BEFORE_INTERFACES: [&str; 2] = ["0.1.0", "0.2.0"];
const WITH_FAMILY: [&str; 3] = ["0.3.0", "0.3.1", "0.4.0"];

/// Only keys that the specification has in this version, and those that it demands.
#[track_caller]
fn assert_shape(version: &str, result: &Value) {
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

#[test]
fn every_binary_answers_in_every_version() {
    for version in VERSIONS {
        for binary in
            BINARIES.iter().filter(|binary| !(binary.chained && BEFORE_INTERFACES.contains(&version)))
        {
            let stage = Stage::new();
            let config = stage.ready(binary, version);
            let result = stage.plugin(binary).add(&config).success();
            assert_shape(version, &result);
            if !BEFORE_INTERFACES.contains(&version) && version != "0.3.0" && version != "0.3.1" {
                let checked = with(config.clone(), &json!({ "prevResult": result }));
                silent(&format!("{} CHECK {version}", binary.name), stage.plugin(binary).check(&checked));
            }
            silent(&format!("{} DEL {version}", binary.name), stage.plugin(binary).del(&config));
        }
    }
}

#[test]
fn a_config_without_a_version_is_0_1_0() {
    let stage = Stage::new();
    for name in ["macvlan", "rail-ipam"] {
        let binary = Binary::named(name);
        for version in [Value::Null, json!("")] {
            let mut config = binary.config();
            config["cniVersion"] = version;
            let result = stage.plugin(binary).add(&config).success();
            assert_shape("0.1.0", &result);
            silent(name, stage.plugin(binary).del(&config));
        }
    }
}

#[test]
fn a_layer_two_result_does_not_fit_the_oldest_versions_and_is_undone() {
    for version in BEFORE_INTERFACES {
        let stage = Stage::new();
        let before = stage.world.snapshot().without("file ");
        let binary = Binary::named("macvlan");
        let config = with(binary.config(), &json!({ "cniVersion": version, "ipam": null }));
        let error = refused(999, version, stage.plugin(binary).add(&config));
        assert!(error.msg.contains("no valid IP addresses"), "{error:?}");
        assert_same(&before, &stage.world.snapshot().without("file "));
    }
}

/// IPAM results have no interfaces, and their addresses no index; an interface has its index, and 0 is one.
#[test]
fn addresses_belong_to_the_interface_that_the_caller_made() {
    for version in &VERSIONS[2..] {
        let stage = Stage::new();
        let config = with(Binary::named("macvlan").config(), &json!({ "cniVersion": version }));
        let result = stage.plugin(Binary::named("macvlan")).add(&config).success();
        assert_eq!(result["ips"][0]["interface"], 0, "{result}");
        assert_eq!(result["interfaces"][0]["sandbox"], json!(stage.pod.path()), "{result}");
        let alone = stage.plugin(Binary::named("rail-ipam")).container("alone").add(&config).success();
        assert!(alone["interfaces"].is_null() && alone["ips"][0]["interface"].is_null(), "{alone}");
    }
}

/// What Go's decoder takes: keys in any case, null for anything, the last of equal keys, unknown keys.
#[test]
fn configs_are_read_as_go_reads_them() {
    let stage = Stage::new();
    let pool = pool("gpu1", "172.16.1.10-172.16.1.20");
    let text = format!(
        r#"{{"CNIVERSION":"1.1.0","Name":"rail1","type":"macvlan","MASTER":"rail1","MTU":1400,"MTU":1500,"mode":null,
            "dns":null,"nosuchkey":{{"a":[1]}},"capabilities":{{"mac":true}},"deviceID":"0000:03:00.1",
            "ipam":{{"Type":"rail-ipam","Pools":[{pool}],"gateway":null}}}}"#
    );
    let plugin = stage.plugin(Binary::named("macvlan"));
    let result = plugin.run_bytes("ADD", text.as_bytes()).success();
    assert_eq!(result["interfaces"][0]["mtu"], 1500, "the last of equal keys counts: {result}");
    assert_eq!(result["ips"][0]["address"], "172.16.1.10/24");
    silent("DEL", plugin.run_bytes("DEL", text.as_bytes()));
}

#[test]
fn cni_args_are_known_or_to_be_ignored() {
    let stage = Stage::new();
    for name in ["macvlan", "rail-ipam"] {
        let (binary, plugin) = (Binary::named(name), stage.plugin(Binary::named(name)));
        for args in
            ["COLOR=blue", "IgnoreUnknown=0;COLOR=blue", "IgnoreUnknown=perhaps;COLOR=blue", "COLOR", "=x"]
        {
            let error = refused(4, args, plugin.clone().args(args).add(&binary.config()));
            assert!(error.msg.contains("CNI_ARGS"), "{error:?}");
        }
        for args in ["IgnoreUnknown=1;COLOR=blue", "IgnoreUnknown=True;A=b=c;", "", ";;IgnoreUnknown=true"] {
            plugin.clone().args(args).add(&binary.config()).success();
            silent(args, plugin.clone().args("COLOR=blue").del(&binary.config()));
        }
    }
}

/// The previous result of a chain is handed on with what a plugin adds to it and nothing lost.
#[test]
fn a_chained_plugin_hands_the_previous_result_on() {
    for version in &VERSIONS[2..] {
        let stage = Stage::new();
        for binary in BINARIES.iter().filter(|binary| binary.chained) {
            let config = stage.ready(binary, version);
            let result = stage.plugin(binary).add(&config).success();
            let previous = &config["prevResult"];
            assert_eq!(result["interfaces"], previous["interfaces"]);
            assert_eq!(result["ips"], previous["ips"]);
        }
    }
}

/// libcni writes the version of the config into it; a runtime that does not is understood all the same.
#[test]
fn a_previous_result_is_read_by_its_own_version() {
    let stage = Stage::new();
    for binary in BINARIES.iter().filter(|binary| binary.chained) {
        let older = stage.ready(binary, "0.3.1");
        let result = stage.plugin(binary).add(&with(older, &json!({ "cniVersion": "1.1.0" }))).success();
        assert_shape("1.1.0", &result);
        assert_eq!(result["ips"][0]["version"], Value::Null, "{result}");
    }
}

#[test]
fn a_previous_result_of_no_version_that_we_know_is_refused() {
    let stage = Stage::new();
    let before = stage.world.snapshot();
    for binary in BINARIES {
        for verb in ["ADD", "CHECK"] {
            let config = with(binary.config(), &json!({ "prevResult": { "cniVersion": "9.9.9" } }));
            let error = refused(7, verb, stage.plugin(binary).run(verb, &config));
            assert!(error.msg.contains("prevResult") && error.msg.contains("9.9.9"), "{error:?}");
        }
    }
    assert_same(&before, &stage.world.snapshot());
}
