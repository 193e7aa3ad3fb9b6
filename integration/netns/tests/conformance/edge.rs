//! Environment and stdin, before a plugin's own code has a say: nothing of it may touch anything.

use netns_tests::suite::{BINARIES, Binary, Needs, Stage, VERSIONS, with};
use serde_json::{Value, json};
use testkit::{Plugin, assert_same};

use crate::{refused, silent};

const VERBS: [&str; 5] = ["ADD", "CHECK", "DEL", "GC", "STATUS"];

/// Those that give an interface addresses, by an IPAM.
const ASSIGN: [&str; 6] = ["macvlan", "ipvlan", "ipoib", "sriov", "ib-sriov", "rail"];

/// What each verb needs, in the order of the reference's message.
const REQUIRED: [(&str, &[&str]); 5] = [
    ("ADD", &["CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME", "CNI_PATH"]),
    ("CHECK", &["CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME", "CNI_PATH"]),
    ("DEL", &["CNI_CONTAINERID", "CNI_IFNAME", "CNI_PATH"]),
    ("GC", &["CNI_PATH"]),
    ("STATUS", &["CNI_PATH"]),
];

/// Runs `case` for each binary and looks whether anything has changed. The lock of ifacer's users stays.
fn for_all(case: impl Fn(&Plugin, &Binary)) {
    let stage = Stage::new();
    let picture = || stage.world.snapshot().without("file state/masters/.lock");
    let before = picture();
    for binary in BINARIES {
        case(&stage.plugin(binary), binary);
    }
    assert_same(&before, &picture());
}

#[test]
fn all_missing_variables_are_reported_together() {
    for_all(|plugin, binary| {
        for (verb, required) in REQUIRED {
            let bare = required.iter().fold(plugin.clone(), |plugin, name| plugin.without_env(name));
            let error = refused(4, binary.name, bare.run(verb, &binary.config()));
            assert_eq!(error.msg, format!("required env variables [{}] missing", required.join(",")));
        }
    });
}

#[test]
fn each_missing_or_blank_variable_is_named() {
    for_all(|plugin, binary| {
        for (verb, required) in REQUIRED {
            for name in required {
                for plugin in [plugin.clone().without_env(name), plugin.clone().env(name, "")] {
                    let error = refused(4, verb, plugin.run(verb, &binary.config()));
                    assert_eq!(error.msg, format!("required env variables [{name}] missing"));
                }
            }
        }
    });
}

#[test]
fn malformed_ids_and_names_are_refused_where_they_are_needed() {
    let ids = ["_leading", "sp ace", "a/b", "../x", "-a", "ü", "a\n"];
    let names = ["sixteen-bytes-xx", ".", "..", "a/b", "a:b", "a b", "a\tb", "a\u{2003}b", "net%d"];
    for_all(|plugin, binary| {
        for verb in ["ADD", "CHECK", "DEL"] {
            for id in ids {
                let error = refused(4, id, plugin.clone().container(id).run(verb, &binary.config()));
                assert_eq!(
                    (error.msg.as_str(), error.details.as_str()),
                    ("invalid characters in containerID", id)
                );
            }
            for name in names {
                let error = refused(4, name, plugin.clone().ifname(name).run(verb, &binary.config()));
                assert!(error.msg.starts_with("interface name "), "{name}: {error:?}");
            }
        }
    });
}

#[test]
fn what_a_verb_does_not_need_is_not_looked_at() {
    for_all(|plugin, binary| {
        let odd = plugin.clone().container("_odd").ifname("a/b").env("CNI_NETNS", "/nowhere");
        silent("GC", odd.gc(&with(binary.config(), &json!({ "cni.dev/valid-attachments": [] }))));
        let status = odd.status(&binary.config());
        match binary.name {
            // What it says here is about the master or the RDMA device that this host lacks.
            "ipoib" | "rdma" => drop(refused(50, binary.name, status)),
            _ => silent("STATUS", status),
        }
    });
}

#[test]
fn a_blank_command_introduces_the_plugin_on_stderr() {
    for_all(|plugin, binary| {
        let outcome = plugin.run_bytes("", b"");
        assert!(outcome.status.success() && outcome.stdout.is_empty(), "{outcome}");
        assert!(outcome.stderr.contains(binary.name), "{outcome}");
        let versions = format!("CNI protocol versions supported: {}", VERSIONS.join(", "));
        assert!(outcome.stderr.contains(&versions), "{outcome}");
    });
}

#[test]
fn unknown_commands_are_refused() {
    for_all(|plugin, binary| {
        for verb in ["add", "Add", "UPDATE", "ADD ", "\u{1f4a5}"] {
            let error = refused(4, binary.name, plugin.run(verb, &binary.config()));
            assert_eq!(error.msg, format!("unknown CNI_COMMAND: {verb}"));
        }
    });
}

#[test]
fn version_needs_no_environment_and_no_stdin() {
    for_all(|plugin, binary| {
        let bare = ["CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME", "CNI_PATH"];
        let bare = bare.iter().fold(plugin.clone(), |plugin, name| plugin.without_env(name));
        for (stdin, echoed) in [("", "1.1.0"), ("{ broken", "1.1.0"), (r#"{"cniVersion":"0.4.0"}"#, "0.4.0")]
        {
            let answer = bare.run_bytes("VERSION", stdin.as_bytes()).success();
            assert_eq!(
                answer,
                json!({ "cniVersion": echoed, "supportedVersions": VERSIONS }),
                "{}",
                binary.name
            );
        }
    });
}

#[test]
fn stdin_that_is_no_config_is_refused() {
    let cases: [(&str, u64); 10] = [
        ("", 6),
        ("{", 6),
        ("[]", 6),
        ("null", 6),
        ("\"text\"", 6),
        ("{}{}", 6),
        (r#"{"cniVersion":"1.1.0","name":5}"#, 6),
        (r#"{"cniVersion":1.1,"name":"rail1"}"#, 6),
        (r#"{"cniVersion":"1.1.0"}"#, 7),
        (r#"{"cniVersion":"1.1.0","name":""}"#, 7),
    ];
    for_all(|plugin, binary| {
        for verb in VERBS {
            for (stdin, code) in cases {
                refused(
                    code,
                    &format!("{} {verb} {stdin}", binary.name),
                    plugin.run_bytes(verb, stdin.as_bytes()),
                );
            }
        }
    });
}

#[test]
fn stdin_that_cannot_be_read_is_an_io_error() {
    for_all(|plugin, binary| {
        let from_a_folder = plugin.clone().wrapped(&["sh", "-c", "exec \"$0\" </"]);
        let error = refused(5, binary.name, from_a_folder.run_bytes("ADD", b""));
        assert!(error.msg.starts_with("error reading from stdin: "), "{error:?}");
    });
}

#[test]
fn the_network_needs_a_plain_name() {
    for_all(|plugin, binary| {
        for verb in VERBS {
            for name in ["../up", "rail 1", "_x", "ü"] {
                let error =
                    refused(7, verb, plugin.run(verb, &with(binary.config(), &json!({ "name": name }))));
                assert_eq!(error.msg, "invalid characters found in network name");
                assert_eq!(error.details, name);
            }
        }
    });
}

#[test]
fn versions_are_matched_exactly() {
    for_all(|plugin, binary| {
        for verb in ["ADD", "DEL"] {
            for version in ["1.0", "1.2.0", "0.5.0", "v1.0.0", "1.1.0.0", "latest"] {
                let config = with(binary.config(), &json!({ "cniVersion": version }));
                let error = refused(1, version, plugin.run(verb, &config));
                assert_eq!(error.msg, "incompatible CNI versions");
                assert!(
                    error.details.starts_with(&format!("config is \"{version}\", plugin supports [")),
                    "{error:?}"
                );
            }
        }
    });
}

#[test]
fn verbs_need_the_version_that_brought_them() {
    for_all(|plugin, binary| {
        for (verb, since) in [("CHECK", "0.4.0"), ("GC", "1.1.0"), ("STATUS", "1.1.0")] {
            let older = VERSIONS.iter().take_while(|version| **version != since);
            for version in older.map(|version| json!(version)).chain([json!(""), Value::Null]) {
                let config = with(binary.config(), &json!({ "cniVersion": version }));
                let error = refused(1, verb, plugin.run(verb, &config));
                assert_eq!(error.msg, format!("config version does not allow {verb}"), "{version}");
            }
        }
    });
}

#[test]
fn errors_speak_the_version_of_the_config() {
    for_all(|plugin, binary| {
        for version in VERSIONS {
            let config =
                json!({ "cniVersion": version, "name": "rail1", "type": binary.name, "prevResult": 5 });
            let outcome = plugin.add(&config);
            let object: Value = serde_json::from_str(&outcome.stdout).expect("an error object");
            assert_eq!(object["cniVersion"], version, "{outcome}");
        }
    });
}

#[test]
fn the_plugins_own_namespace_is_refused_by_add_and_left_alone_by_del() {
    let stage = Stage::new();
    let picture = || stage.world.snapshot().without("file state/masters/.lock");
    let before = picture();
    for binary in BINARIES {
        let plugin = stage.plugin(binary).netns(stage.world.host().path());
        let error = refused(8, binary.name, plugin.add(&binary.config()));
        assert_eq!(error.msg, "plugin's netns and netns from CNI_NETNS should not be the same");
        plugin.del(&binary.config()).success();
    }
    assert_same(&before, &picture());
}

/// An IPAM gets the config that names it. An interface plugin in its place would run itself, and that itself, without an end.
#[test]
fn a_plugin_that_is_named_as_its_own_ipam_is_refused_at_once_and_del_has_nothing_to_give_back() {
    for_all(|plugin, binary| {
        if !ASSIGN.contains(&binary.name) {
            return;
        }
        // Itself, and a circle by way of another.
        for name in [binary.name, if binary.name == "rail" { "macvlan" } else { "rail" }] {
            let config = with(binary.config(), &json!({ "ipam": { "type": name } }));
            // The others look for their device first, and this kernel makes no ipvlan.
            if binary.needs == Needs::Nothing || (binary.needs == Needs::Link && name == binary.name) {
                let error = plugin.add(&config).error();
                let refused = error.code == 7 && error.msg.contains(&format!("ipam.type \"{name}\""));
                assert!(refused, "{}: {error:?}", binary.name);
            }
            plugin.del(&config).success();
            plugin.gc(&with(config, &json!({ "cni.dev/valid-attachments": [] }))).success();
        }
    });
}
