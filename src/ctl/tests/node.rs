//! `railctl node`: what it writes, and what it leaves alone.

#![expect(clippy::unwrap_used, reason = "the functions between the tests are tests too")]
#![expect(clippy::disallowed_methods, reason = "nobody reads a test's own file while it is written")]

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use tempfile::TempDir;

fn railctl(node: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_railctl"));
    command
        .env("NO_COLOR", "1")
        .env("RAILCNI_CONFIG_DIR", node.join("etc/railcni"))
        .args(["node"])
        .args(args);
    if args[0] == "init" {
        command.arg("--root").arg(node);
    }
    command.output().unwrap()
}

fn said(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr))
}

/// A node of k3s, whose config has both CIDRs.
fn k3s() -> TempDir {
    let root = TempDir::new().unwrap();
    let put = |name: &str, content: &str| {
        let path = root.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    };
    put("etc/rancher/k3s/config.yaml", "cluster-cidr: 10.42.0.0/16\nservice-cidr: 10.43.0.0/16\n");
    put("etc/cni/net.d/10-bridge.conf", r#"{"name": "k3s", "type": "bridge"}"#);
    root
}

#[test]
fn init_writes_once_and_show_reads_it() {
    let node = k3s();
    let file = node.path().join("etc/railcni/node.yaml");
    let printed = railctl(node.path(), &["init", "--print"]);
    assert!(printed.status.success() && !file.exists(), "{printed:?}");
    let written = railctl(node.path(), &["init"]);
    assert!(written.status.success(), "{written:?}");
    let text = fs::read_to_string(&file).unwrap();
    assert_eq!(said(&printed).0, text);
    assert!(text.contains("  - 10.43.0.0/16  # service-cidr in /etc/rancher/k3s/config.yaml\n"), "{text}");
    let (shown, _) = said(&railctl(node.path(), &["show", "-o", "json"]));
    let shown: serde_json::Value = serde_json::from_str(&shown).unwrap();
    assert_eq!(shown["overlayPodCIDR"], serde_json::json!(["10.42.0.0/16"]));

    fs::write(&file, "coordinator: {hostRuleTable: 600}\n").unwrap();
    let again = railctl(node.path(), &["init"]);
    assert!(!again.status.success() && said(&again).1.contains("is there already"), "{again:?}");
    assert_eq!(fs::read_to_string(&file).unwrap(), "coordinator: {hostRuleTable: 600}\n");
    assert!(railctl(node.path(), &["init", "--force"]).status.success());
    assert_eq!(fs::read_to_string(&file).unwrap(), text);
}

#[test]
fn a_node_that_says_nothing_gets_no_file_and_an_example() {
    let node = TempDir::new().unwrap();
    let output = railctl(node.path(), &["init"]);
    let (_, stderr) = said(&output);
    assert!(!output.status.success() && stderr.contains("found neither pod nor service CIDRs"), "{stderr}");
    assert!(stderr.contains("  - 10.96.0.0/12"), "{stderr}");
    assert!(!node.path().join("etc/railcni").exists());
    let (shown, _) = said(&railctl(node.path(), &["show"]));
    assert!(shown.contains("is not there: `railctl node init` makes it"), "{shown}");
}

#[test]
fn show_names_what_is_wrong() {
    let node = k3s();
    fs::create_dir_all(node.path().join("etc/railcni")).unwrap();
    fs::write(node.path().join("etc/railcni/node.yaml"), "coordinator: {vethMtu: 1400, tune: true}\n")
        .unwrap();
    let output = railctl(node.path(), &["show"]);
    assert!(!output.status.success());
    assert!(said(&output).1.contains("node.yaml: coordinator: there is no key \"tune\""), "{output:?}");
}
