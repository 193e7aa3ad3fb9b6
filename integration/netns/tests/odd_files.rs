//! Whatever lies where a file of ours, of the peers or of the administrator belongs, a FIFO or a device for one: nobody waits for
//! it, and nothing is read from it without an end.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use netns_tests::suite::{BINARIES, Binary, Stage, pool, with};
use nix::sys::stat::{Mode, SFlag, makedev, mknod};
use nix::unistd::mkfifo;
use serde_json::{Value, json};
use testkit::{Outcome, Plugin, binary};

/// Files that there may be, besides those that an ADD leaves.
const OTHERS: [&str; 11] = [
    "config/node.yaml",
    "config/pools.d/more.yaml",
    "state/node/grants",
    "state/detection/objectors",
    "state/ipam/unleased",
    "durable/ipam/quarantine",
    "peer/sriov/cid-net1",
    "peer/sriov/pci/0000:3b:02.1",
    "peer/ib-sriov/cid-net1",
    "peer/rdma/rail1-cid-net1",
    "peer/results/rail1-cid-net1",
];
const VERBS: [&str; 5] = ["ADD", "CHECK", "STATUS", "DEL", "GC"];
const SECONDS: &str = "60";

/// What to put in a file's place.
const ODD: [fn(&Path); 4] = [
    |path| mkfifo(path, Mode::S_IRWXU).expect("a FIFO"),
    |path| symlink("/dev/zero", path).expect("a link to a device"),
    |path| mknod(path, SFlag::S_IFCHR, Mode::S_IRWXU, makedev(1, 5)).expect("a device"),
    |path| fs::create_dir(path).expect("a directory"),
];

/// A chain that leaves a file of each kind that it can.
struct Scene {
    stage: Stage,
    configs: Vec<(&'static Binary, Value)>,
}

impl Scene {
    fn new() -> Self {
        let stage = Stage::new();
        let mut sticky = pool("sticky", "172.16.1.10-172.16.1.200");
        sticky["spec"]["sticky"] = json!(true);
        let detection = json!({ "conflict": true, "retries": 1, "interval": "10ms", "timeout": "10ms" });
        let ipam = json!({ "ipam": { "type": "rail-ipam", "pools": [sticky] }, "detection": detection });
        let first = with(Binary::named("macvlan").config(), &ipam);
        let result = stage.plugin(Binary::named("macvlan")).args(OWNER).add(&first).success();
        let config = |binary: &Binary| with(binary.config(), &json!({ "prevResult": result }));
        let configs = BINARIES.iter().map(|binary| (binary, config(binary))).collect();
        let scene = Self { stage, configs };
        let routing = scene.of("coordinator");
        scene.plugin("coordinator").add(&routing).success();
        scene
    }

    fn of(&self, name: &str) -> Value {
        let found = self.configs.iter().find(|(binary, _)| binary.name == name);
        found.map(|(_, config)| config.clone()).expect("a config")
    }

    fn plugin(&self, name: &str) -> Plugin {
        self.stage.plugin(Binary::named(name)).args(OWNER)
    }

    /// Below the directories that plugins find their files in.
    fn base(&self) -> PathBuf {
        self.stage.world.dirs().state.parent().expect("a directory").to_owned()
    }

    /// Every verb of every plugin comes to its end, and says in JSON what it is: for another pod, and then for this one.
    #[track_caller]
    fn all_end(&self, what: &str) {
        let other = self.stage.world.bare_pod("other");
        let valid = json!({ "cni.dev/valid-attachments": [{ "containerID": "cid", "ifname": "net1" }] });
        for (binary, config) in &self.configs {
            let plugin = self.plugin(binary.name).container("other").netns(other.path());
            for verb in VERBS {
                ends(what, binary.name, verb, &plugin.run(verb, &with(config.clone(), &valid)));
            }
        }
        for (name, verb) in
            [("macvlan", "CHECK"), ("coordinator", "DEL"), ("macvlan", "DEL"), ("sriov", "DEL")]
        {
            ends(what, name, verb, &self.plugin(name).run(verb, &self.of(name)));
        }
        for words in [&["show"][..], &["gc", "--dry-run"], &["pools"], &["quarantine"]] {
            let mut command = Command::new("timeout");
            command.arg(SECONDS).arg(binary("railctl")).args(words).envs(self.stage.world.dirs().env());
            let output = command.output().expect("run railctl");
            assert_ne!(output.status.code(), Some(124), "{what}: railctl {words:?} hangs");
        }
    }
}

#[track_caller]
fn ends(what: &str, plugin: &str, verb: &str, outcome: &Outcome) {
    let says = outcome.status.success() || outcome.stdout.contains("\"code\"");
    assert!(says, "{what}: {plugin} {verb}: {outcome}");
}

const OWNER: &str = "IgnoreUnknown=1;K8S_POD_NAMESPACE=ml;K8S_POD_NAME=worker-0";

fn files(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        match entry.path() {
            path if path.is_dir() => files(&path, found),
            path => found.push(path),
        }
    }
}

/// Relative to what is above them all.
fn places() -> Vec<PathBuf> {
    let (scene, mut found) = (Scene::new(), Vec::new());
    for (_, directory) in scene.stage.world.dirs().env() {
        files(directory, &mut found);
    }
    let base = scene.base();
    let found = found.iter().filter_map(|path| path.strip_prefix(&base).ok()).map(Path::to_owned);
    let all: Vec<_> = found.chain(OTHERS.map(PathBuf::from)).collect();
    assert!(all.len() > OTHERS.len() + 5, "an ADD leaves few files: {all:?}");
    all
}

#[test]
fn nothing_waits_for_what_lies_in_the_place_of_a_file() {
    for (turn, place) in places().iter().enumerate() {
        let scene = Scene::new();
        let path = scene.base().join(place);
        let what = format!("{} as number {}", place.display(), turn % ODD.len());
        fs::create_dir_all(path.parent().expect("a directory")).expect("its directory");
        drop(fs::remove_file(&path));
        ODD[turn % ODD.len()](&path);
        scene.all_end(&what);
        // Or what the kernel has of the pod would be there for ever.
        drop(fs::remove_dir(&path).or_else(|_| fs::remove_file(&path)));
        for name in ["coordinator", "macvlan"] {
            scene.plugin(name).del(&scene.of(name)).success();
        }
        assert!(!scene.stage.pod.has_link("net1"), "{what}: net1 is left");
    }
}
