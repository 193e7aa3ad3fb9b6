//! What every plugin answers without a kernel's help: `make test` asks those of this machine, and `scripts/test-arm64` those of
//! Arm, under an emulator.

#![expect(clippy::unwrap_used, reason = "a test that fails says where")]

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

/// Those that the folder has.
fn plugins() -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../plugins");
    let entries = std::fs::read_dir(folder).unwrap().map(Result::unwrap);
    let crates = entries.filter(|entry| entry.path().join("Cargo.toml").exists());
    crates.map(|entry| entry.file_name().into_string().unwrap()).collect()
}

/// The machine that the binaries are for.
fn arch() -> String {
    std::env::var("RAILCNI_TEST_ARCH").unwrap_or_else(|_| std::env::consts::ARCH.to_owned())
}

/// A node with directories of its own, and no pod.
struct Node(TempDir);

impl Node {
    fn call(&self, plugin: &str, verb: &str, stdin: &str) -> Output {
        let mut command = Command::new(testkit::binary(plugin));
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.env("CNI_COMMAND", verb).env("CNI_CONTAINERID", "pod").env("CNI_IFNAME", "net1");
        command.env("CNI_NETNS", "/run/netns/none-of-ours").env("CNI_PATH", "/opt/cni/bin");
        for name in ["state", "durable", "peer", "config"] {
            command.env(format!("RAILCNI_{}_DIR", name.to_uppercase()), self.0.path().join(name));
        }
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // Who answers without reading closes the pipe.
        let _ = child.stdin.take().unwrap().write_all(stdin.as_bytes());
        child.wait_with_output().unwrap()
    }

    /// Code and message of a call that has to fail.
    fn refusal(&self, plugin: &str, verb: &str, stdin: &str) -> (u64, String) {
        let output = self.call(plugin, verb, stdin);
        let answer = serde_json::from_slice::<Value>(&output.stdout);
        let error = answer.unwrap_or_else(|error| panic!("{plugin} {verb}: {error}: {output:?}"));
        assert_eq!(output.status.code(), Some(1), "{plugin} {verb}: {error}");
        (error["code"].as_u64().unwrap(), error["msg"].as_str().unwrap().to_owned())
    }
}

fn node() -> Node {
    Node(tempfile::tempdir().unwrap())
}

fn config(plugin: &str, keys: &Value) -> String {
    let mut config = json!({ "cniVersion": "1.1.0", "name": "rail1", "type": plugin });
    config.as_object_mut().unwrap().extend(keys.as_object().unwrap().clone());
    config.to_string()
}

#[test]
fn every_plugin_says_which_build_it_is() {
    for plugin in plugins() {
        let output = Command::new(testkit::binary(&plugin)).arg("--version").output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success() && text.lines().count() == 1, "{plugin}: {text:?}");
        let start = format!("railcni {plugin} {} (commit ", env!("CARGO_PKG_VERSION"));
        let target = text.trim_end().split(' ').next_back().unwrap().to_owned();
        assert!(text.starts_with(&start) && target.starts_with(&arch()), "{text:?}");
    }
}

#[test]
fn every_plugin_answers_version() {
    for plugin in plugins() {
        let output = node().call(&plugin, "VERSION", r#"{"cniVersion":"1.0.0"}"#);
        let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(answer["cniVersion"], "1.0.0", "{plugin}");
        assert_eq!(answer["supportedVersions"].as_array().unwrap().last().unwrap(), "1.1.0", "{plugin}");
    }
}

#[test]
fn bad_input_is_refused_and_changes_nothing() {
    for plugin in plugins() {
        let node = node();
        let torn = &config(&plugin, &json!({}))[..20];
        assert_eq!(node.refusal(&plugin, "ADD", torn).0, 6, "{plugin}");
        let (code, message) = node.refusal(&plugin, "ADD", &config(&plugin, &json!({ "name": "../up" })));
        assert!(code == 7 && message.contains("network name"), "{plugin}: {code} {message}");
        let (code, message) = node.refusal(&plugin, "ADD", &config(&plugin, &json!({ "ipam": 7 })));
        assert!(code == 7 && message.contains("key \"ipam\" has the value 7"), "{plugin}: {code} {message}");
        assert_eq!(std::fs::read_dir(node.0.path()).unwrap().count(), 0, "{plugin}");
    }
}

/// A link is looked up by netlink, and the answer is read.
#[test]
fn status_says_which_master_is_missing() {
    for plugin in ["macvlan", "ipvlan", "ipoib", "ifacer", "rail"] {
        let keys = match plugin {
            "ifacer" => json!({ "interfaces": ["no-such-nic"], "vlanID": 100 }),
            _ => json!({ "master": "no-such-nic" }),
        };
        let (code, message) = node().refusal(plugin, "STATUS", &config(plugin, &keys));
        assert!(code == 50 && message.contains("no-such-nic"), "{plugin}: {code} {message}");
    }
}

#[test]
fn status_of_what_can_be_served_is_silent() {
    let output = node().call("coordinator", "STATUS", &config("coordinator", &json!({})));
    assert!(output.status.success() && output.stdout.is_empty(), "{output:?}");
}

#[test]
fn del_of_what_never_was_succeeds() {
    for plugin in plugins() {
        let output = node().call(&plugin, "DEL", &config(&plugin, &json!({})));
        assert!(output.status.success(), "{plugin}: {output:?}");
    }
}
