//! What stands in a config and beside it, as Go's decoder and libcni would have taken it.

use netns_tests::suite::{BINARIES, Binary, Stage, VERSIONS, pool, with};
use serde_json::{Value, json};
use testkit::assert_same;

use crate::{able, refused, silent};
use netns_tests::versions::{BEFORE_INTERFACES, assert_shape};

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

/// The previous result of a chain is handed on with what a plugin adds to it and nothing lost.
#[test]
fn a_chained_plugin_hands_the_previous_result_on() {
    for version in &VERSIONS[2..] {
        let stage = Stage::new();
        for binary in able().filter(|binary| binary.chained) {
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
    for binary in able().filter(|binary| binary.chained) {
        let older = stage.ready(binary, "0.3.1");
        let result = stage.plugin(binary).add(&with(older, &json!({ "cniVersion": "1.1.0" }))).success();
        assert_shape("1.1.0", &result);
        assert_eq!(result["ips"][0]["version"], Value::Null, "{result}");
    }
}
