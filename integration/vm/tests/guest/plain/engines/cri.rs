//! `railctl gc` beside a runtime such as kubelet has: containerd with its CRI, asked by crictl. No image is fetched: the pause
//! container is busybox.

use std::process::Command;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use state::record::Loaded;
use state::{AttachmentKey, Dirs, Records};
use testkit::Space;
use vm::lab::{crictl_folder, engine, run, until};

use super::{Daemon, Node};
use crate::plain::reconcile::{APPLY, railctl_gc};

const PATIENCE: Duration = Duration::from_secs(60);
const PAUSE: &str = "localhost/pause:1";
/// Without what has no part in this: cgroups, and the OOM killer's preferences.
const WITH_CRI: &str = r#"
version = 2
[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "localhost/pause:1"
disable_cgroup = true
restrict_oom_score_adj = true
[plugins."io.containerd.grpc.v1.cri".containerd]
snapshotter = "native"
"#;
/// As Docker's own containerd is set up.
const WITHOUT_CRI: &str = "version = 2\ndisabled_plugins = [\"io.containerd.grpc.v1.cri\"]\n";

/// containerd at its own socket, in the world's /run.
struct Runtime<'a> {
    node: &'a Node,
    daemon: Daemon,
}

impl<'a> Runtime<'a> {
    fn start(node: &'a Node, config: &str) -> Self {
        let config = node.world.file("containerd.toml", config);
        let mut daemon = engine("containerd");
        daemon.arg("--config").arg(config).args(["--log-level", "error"]);
        // Of which its plugins get all.
        daemon.envs(node.world.dirs().env());
        let daemon = Daemon(daemon.spawn().expect("start containerd"));
        until(PATIENCE, "containerd answers", || {
            ctr(&["version"]).output().is_ok_and(|o| o.status.success())
        });
        Self { node, daemon }
    }

    /// Once its CRI has found the pods of an earlier one, too.
    fn with_cri(node: &'a Node) -> Self {
        let runtime = Self::start(node, WITH_CRI);
        until(PATIENCE, "the CRI answers", || crictl(&["pods"]).output().is_ok_and(|o| o.status.success()));
        runtime
    }

    /// As by a crash.
    fn kill(self) {
        drop(self.daemon);
    }

    fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.daemon.0.id()).expect("a pid");
        kill(Pid::from_raw(pid), signal).expect("a signal");
    }

    /// An archive as `docker save` writes it, of one layer.
    fn load_pause_image(&self) {
        let scratch = self.node.world.dirs().scratch.display().to_string();
        let layer = format!("{scratch}/layer.tar");
        run(&["tar", "-C", &self.node.root.display().to_string(), "-cf", &layer, "."]);
        let digest = run(&["sha256sum", &layer]);
        let digest = format!("sha256:{}", digest.split_whitespace().next().unwrap_or_default());
        let config = json!({ "architecture": "amd64", "os": "linux", "config": { "Cmd": ["/bin/busybox", "sleep", "600"] },
            "rootfs": { "type": "layers", "diff_ids": [digest] } });
        let manifest = json!([{ "Config": "config.json", "RepoTags": [PAUSE], "Layers": ["layer.tar"] }]);
        for (name, content) in [("config.json", config), ("manifest.json", manifest)] {
            self.node.world.file(name, content.to_string());
        }
        let archive = format!("{scratch}/pause.tar");
        run(&["tar", "-C", &scratch, "-cf", &archive, "manifest.json", "config.json", "layer.tar"]);
        self.node.output(ctr(&["images", "import", "--snapshotter", "native", &archive]));
    }

    /// A pod whose network is the chain, attached an hour ago, as its record says.
    fn pod(&self, name: &str) -> Sandbox {
        let metadata = json!({ "metadata": { "name": name, "namespace": "default", "uid": name, "attempt": 0 }, "linux": {} });
        let config = self.node.world.file(&format!("{name}.json"), metadata.to_string());
        let id = self.node.output(crictl(&["runp", &config.display().to_string()])).trim().to_owned();
        let netns = put_an_hour_back(&id, "eth0", &["macvlan", "coordinator"]);
        Sandbox { id, netns }
    }

    /// Kills the containers that hold the pods' namespaces; their networks stay attached.
    fn kill_pauses(&self, pods: &[&Sandbox]) {
        for pod in pods {
            self.node.output(ctr(&["tasks", "kill", "--signal", "SIGKILL", &pod.id]));
        }
        let are_noticed = || {
            let listed = self.node.output(crictl(&["pods", "--quiet", "--state", "NotReady"]));
            pods.iter().all(|pod| listed.contains(&pod.id))
        };
        until(PATIENCE, "the runtime notices", are_noticed);
    }
}

/// A pod of the runtime.
struct Sandbox {
    id: String,
    netns: Space,
}

fn ctr(words: &[&str]) -> Command {
    let mut command = engine("ctr");
    command.args(["--namespace", "k8s.io"]).args(words);
    command
}

fn crictl(words: &[&str]) -> Command {
    let mut command = Command::new(crictl_folder().join("crictl"));
    command.args(["--runtime-endpoint", "unix:///run/containerd/containerd.sock"]);
    // Twice its own two seconds are little for three plugins on an emulated CPU.
    command.args(["--timeout", "60s"]).args(words);
    command
}

#[track_caller]
fn says(text: &str, words: &[&str]) {
    let found = text.lines().any(|line| words.iter().all(|word| line.contains(word)));
    assert!(found, "no line with {words:?} in:\n{text}");
}

/// In the records of the plugins; returns the namespace that they name.
#[track_caller]
fn put_an_hour_back(container: &str, ifname: &str, plugins: &[&str]) -> Space {
    let dirs = Dirs::under("/run/world".as_ref());
    let key = AttachmentKey::new("rail1", container, ifname).expect("a key");
    let mut netns = None;
    for plugin in plugins {
        let records = Records::open(&dirs, plugin).expect("records");
        let Loaded::Present(mut record) = records.load::<Value>(&key).expect("a record") else {
            panic!("{plugin} has no record of {key}");
        };
        record.created -= 3600;
        records.save(&record).expect("saved");
        netns = record.netns;
    }
    Space::at(&netns.expect("a namespace").path)
}

/// Two pods whose containers are dead. Of one, the runtime has lost the record, too: no DEL will ever come for it.
#[test]
fn gc_releases_the_pod_that_its_runtime_has_lost_and_no_other() {
    let node = Node::new();
    let runtime = Runtime::with_cri(&node);
    runtime.load_pause_image();
    let [running, dead, lost] = ["running", "dead", "lost"].map(|name| runtime.pod(name));
    runtime.kill_pauses(&[&dead, &lost]);
    says(&railctl_gc(&node.world, &["--apply"]), &["0 left over, 3 alive"]);

    node.output(ctr(&["containers", "rm", &lost.id]));
    // Which it has in mind until then.
    runtime.kill();
    let _runtime = Runtime::with_cri(&node);
    let text = railctl_gc(&node.world, &["--dry-run"]);
    let title = format!("rail1/{}/eth0 (macvlan, coordinator)", lost.id);
    says(
        &text,
        &["-", &title, "the container runtime does not know the pod", "no process is in its namespace"],
    );
    says(&text, &["1 left over, 2 alive", "nothing was changed"]);
    assert!(!text.contains("judged by their network namespaces alone"), "{text}");
    assert!(lost.netns.has_link("eth0"));

    says(&railctl_gc(&node.world, &["--apply"]), &["✓", &title, "is released"]);
    let pods = [&running, &dead, &lost];
    assert_eq!(pods.map(|pod| pod.netns.has_link("eth0")), [true, true, false]);
    node.output(crictl(&["rmp", "--force", &running.id, &dead.id]));
    node.assert_detached();
}

/// Absent, without a CRI, hung, dead: each is said, ends soon, and releases nothing that an answer would have released.
#[test]
fn a_runtime_without_an_answer_denies_no_pod() {
    let node = Node::new();
    let pod = node.world.bare_pod("a-pod");
    let config = json!({ "cniVersion": "1.1.0", "name": "rail1", "type": "macvlan", "master": "rail1" });
    node.world.plugin("macvlan").netns(pod.path()).container("unknown").add(&config).success();
    put_an_hour_back("unknown", "net1", &["macvlan"]);
    let keeps = |words: &[&str]| {
        let start = Instant::now();
        let text = railctl_gc(&node.world, APPLY);
        assert!(start.elapsed() < PATIENCE, "{:?}", start.elapsed());
        says(&text, &[words, &["judged by their network namespaces alone"]].concat());
        says(&text, &["0 left over, 1 alive"]);
        assert!(pod.has_link("net1"));
    };
    let nobody = "no container runtime with a CRI listens here";
    keeps(&[nobody]);
    let runtime = Runtime::start(&node, WITHOUT_CRI);
    keeps(&[nobody]);
    runtime.kill();

    let socket = "the container runtime at unix:///run/containerd/containerd.sock has not told its pods";
    let runtime = Runtime::with_cri(&node);
    says(
        &railctl_gc(&node.world, &["--dry-run"]),
        &["- rail1/unknown/net1 (macvlan)", "does not know the pod"],
    );
    runtime.signal(Signal::SIGSTOP);
    keeps(&[socket]);
    runtime.signal(Signal::SIGCONT);
    runtime.kill();
    keeps(&[socket, "connection refused"]);
}
