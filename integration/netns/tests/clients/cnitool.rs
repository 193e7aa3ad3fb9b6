use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use netns_tests::suite::{Stage, pool};
use serde_json::{Value, json};
use testkit::{Ping, assert_same, binary};

fn cnitool() -> PathBuf {
    testkit::cnitool(env!("CARGO_TARGET_TMPDIR"))
}

struct Driver<'a> {
    stage: &'a Stage,
    program: PathBuf,
}

impl<'a> Driver<'a> {
    /// With the chain macvlan (rail-ipam), coordinator as network `rail1`.
    fn new(stage: &'a Stage, program: PathBuf, version: &str) -> Self {
        let ipam = json!({ "type": "rail-ipam", "pools": [pool("gpu1", "172.16.1.10-172.16.1.20")] });
        let list = json!({ "cniVersion": version, "name": "rail1", "plugins": [
            { "type": "macvlan", "master": "rail1", "ipam": ipam },
            { "type": "coordinator" },
        ]});
        stage.world.file("rail1.conflist", list.to_string());
        Self { stage, program }
    }

    fn run(&self, verb: &str) -> Output {
        let (dirs, plugins) = (self.stage.world.dirs(), binary("macvlan"));
        let mut command = Command::new(&self.program);
        command.args([verb, "rail1"]).arg(self.stage.pod.path()).envs(dirs.env());
        command.env("NETCONFPATH", &dirs.scratch).env("CNI_IFNAME", "net1");
        command.env("CNI_PATH", plugins.parent().unwrap_or(Path::new("/")));
        command.output().unwrap_or_else(|error| panic!("run cnitool: {error}"))
    }

    #[track_caller]
    fn succeeds(&self, verb: &str) -> String {
        let output = self.run(verb);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert!(output.status.success(), "cnitool {verb}: {}{}", text(&output.stdout), text(&output.stderr));
        text(&output.stdout)
    }
}

#[test]
fn cnitool_adds_checks_and_deletes_our_chain() {
    let program = cnitool();
    for version in ["0.4.0", "1.0.0", "1.1.0"] {
        let stage = Stage::new();
        let before = stage.world.snapshot().without("file ");
        let driver = Driver::new(&stage, program.clone(), version);
        let result: Value = serde_json::from_str(&driver.succeeds("add")).expect("a result");
        assert_eq!(result["ips"][0]["address"], "172.16.1.10/24", "{result}");
        assert_eq!(result["interfaces"][0]["name"], "net1", "{result}");
        assert_eq!(stage.pod.ip(&["-4", "rule", "show", "priority", "10101"])[0]["src"], "172.16.1.10");
        stage.pod.assert_ping(&Ping::to(stage.rail.gateway4()).from(stage.rail.address4(10)));
        driver.succeeds("check");
        driver.succeeds("del");
        assert_same(&before, &stage.world.snapshot().without("file "));
        driver.succeeds("del");
    }
}

#[test]
fn cnitool_hears_of_what_somebody_else_took_away() {
    let stage = Stage::new();
    let driver = Driver::new(&stage, cnitool(), "1.1.0");
    driver.succeeds("add");
    stage.pod.ip_do("addr del 172.16.1.10/24 dev net1");
    let output = driver.run("check");
    let text = String::from_utf8_lossy(&output.stderr) + String::from_utf8_lossy(&output.stdout);
    assert!(!output.status.success() && text.contains("172.16.1.10"), "{text}");
    driver.succeeds("del");
}

#[test]
fn cnitool_asks_for_the_status() {
    let stage = Stage::new();
    let driver = Driver::new(&stage, cnitool(), "1.1.0");
    driver.succeeds("status");
    stage.world.host().ip_do("link set rail1 down");
    assert!(!driver.run("status").status.success(), "the master is down");
}

/// It gives no list of what is valid, which must not be taken for an empty one.
#[test]
fn cnitools_gc_releases_what_its_cache_holds_and_nothing_else() {
    let stage = Stage::new();
    let driver = Driver::new(&stage, cnitool(), "1.1.0");
    let others = stage.world.pod("b");
    let mine =
        stage.plugin(netns_tests::suite::Binary::named("macvlan")).netns(others.path()).container("other");
    mine.add(&netns_tests::suite::Binary::named("macvlan").config()).success();
    driver.succeeds("add");
    let output = driver.run("gc");
    let text = String::from_utf8_lossy(&output.stderr) + String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("cni.dev/valid-attachments"), "{text}");
    assert!(!stage.pod.has_link("net1") && others.has_link("net1"));
}
