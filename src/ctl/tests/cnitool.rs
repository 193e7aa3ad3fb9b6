//! The same networks driven by the reference's cnitool and by railctl: every plugin has to be called in the same way.

#![allow(clippy::unwrap_used, reason = "a test that cannot do its work panics")]

mod fake;

use std::path::{Path, PathBuf};
use std::process::Command;

use fake::{Call, Fake, NETNS, succeeds};
use serde_json::json;
use testkit::World;

fn cnitool() -> PathBuf {
    testkit::cnitool(env!("CARGO_TARGET_TMPDIR"))
}

/// One driver's verbs, and the calls that its plugins saw.
struct Driver<'a> {
    fake: &'a Fake,
    program: PathBuf,
    /// attach and detach, or add and del.
    verbs: [&'static str; 2],
    env: Vec<(&'static str, &'static str)>,
}

impl Driver<'_> {
    fn round(&self, network: &str) -> Vec<Call> {
        let [add, del] = self.verbs;
        for verb in [add, "check", del] {
            succeeds(&self.command().args([verb, network, NETNS]).output().unwrap());
        }
        self.fake.take_calls()
    }

    fn command(&self) -> Command {
        let mut command = self.fake.command(&self.program);
        command.env("CNI_IFNAME", "net1").envs(self.env.iter().copied());
        command
    }
}

/// Runs add, check and del of a network by both drivers. cnitool's cache cannot be moved, so /var/lib is hidden.
#[track_caller]
fn compare(fake: &Fake, network: &str, env: &[(&'static str, &'static str)]) -> Vec<Call> {
    let cnitool = cnitool();
    let _world = World::new();
    let driver = |program, verbs| Driver { fake, program, verbs, env: env.to_vec() };
    let theirs = driver(cnitool, ["add", "del"]).round(network);
    let ours = driver(env!("CARGO_BIN_EXE_railctl").into(), ["attach", "detach"]).round(network);
    assert_eq!(ours, theirs);
    ours
}

#[test]
fn a_chain_of_three_is_called_in_the_same_way() {
    for version in ["0.4.0", "1.0.0", "1.1.0"] {
        let fake = Fake::new();
        fake.network("net", version, &["a", "b", "c"]);
        fake.answer_in(version);
        assert_eq!(compare(&fake, "net", &[]).len(), 9);
    }
}

#[test]
fn capabilities_and_arguments_are_passed_on_in_the_same_way() {
    let fake = Fake::new();
    let list = json!({ "cniVersions": ["0.4.0", "1.0.0"], "cniVersion": "0.3.1", "name": "net", "plugins": [
        { "type": "a", "capabilities": { "mac": true, "ips": true, "bandwidth": false }, "runtimeConfig": { "x": 1 } },
        { "type": "b", "args": { "cni": { "y": [1, 2] } }, "ipam": { "type": "c" } },
    ]});
    fake.write("net.d/net.conflist", &list.to_string());
    fake.answer_in("1.0.0");
    let capabilities = r#"{"mac":"c2:00:00:00:00:01","bandwidth":{"z":1}}"#;
    compare(&fake, "net", &[("CAP_ARGS", capabilities), ("CNI_ARGS", "IgnoreUnknown=1;K8S_POD_NAME=pod")]);
}

#[test]
fn a_rich_result_is_chained_in_the_same_way() {
    let fake = Fake::new();
    fake.network("net", "1.1.0", &["a", "b"]);
    let rich = json!({
        "cniVersion": "1.1.0", "unknown": true,
        "interfaces": [{ "name": "net1", "mac": "c2:00:00:00:00:01", "mtu": 1500, "sandbox": NETNS, "pciID": "0000:03:00.1" }],
        "ips": [{ "interface": 0, "address": "10.0.0.1/24", "gateway": "10.0.0.254" }, { "address": "fd00::1/64" }],
        "routes": [{ "dst": "0.0.0.0/0" }, { "dst": "::/0", "gw": "fd00::fe", "table": 101, "scope": 0, "mtu": 1400 }],
        "dns": { "nameservers": ["10.0.0.53"] },
    });
    fake.write("answer-a", &rich.to_string());
    compare(&fake, "net", &[]);
}

#[test]
fn single_configs_and_folders_of_plugins_are_read_in_the_same_way() {
    let fake = Fake::new();
    fake.answer_in("1.0.0");
    fake.write("net.d/10-single.conf", r#"{"cniVersion":"1.0.0","name":"single","type":"a","x":{"y":null}}"#);
    compare(&fake, "single", &[]);
    fake.write(
        "net.d/20-folder.conflist",
        r#"{"cniVersion":"1.0.0","name":"folder","plugins":[{"type":"a"}]}"#,
    );
    std::fs::create_dir(fake.path("net.d/folder")).unwrap();
    fake.write("net.d/folder/10-b.conf", r#"{"type":"b"}"#);
    assert_eq!(compare(&fake, "folder", &[]).len(), 6);
}

#[test]
fn status_is_asked_in_the_same_way() {
    let fake = Fake::new();
    fake.network("net", "1.1.0", &["a", "b"]);
    let calls = |program: &Path, args: &[&str]| {
        succeeds(&fake.command(program).args(args).output().unwrap());
        fake.take_calls()
    };
    let theirs = calls(&cnitool(), &["status", "net", NETNS]);
    assert_eq!(calls(Path::new(env!("CARGO_BIN_EXE_railctl")), &["status", "net"]), theirs);
    assert_eq!(theirs.len(), 2);
}
