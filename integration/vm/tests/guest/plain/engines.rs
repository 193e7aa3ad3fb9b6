//! podman with its CNI backend and containerd's `ctr --cni` attach by our chain, and detach.

mod cri;

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::Duration;

use serde_json::json;
use testkit::{Snapshot, World, assert_same, binary};
use vm::lab::{engine, run, until};

const CHAIN: [&str; 3] = ["macvlan", "rail-ipam", "coordinator"];
const NETWORKS: &str = "/etc/cni/net.d";
/// Where containerd looks, as its authors have it and as Debian has it.
const PLUGIN_FOLDERS: [&str; 2] = ["/opt/cni/bin", "/usr/lib/cni"];
/// The reference's, by which a runtime with a CRI brings lo up.
const LOOPBACK: &str = "/usr/lib/cni/loopback";

struct Node {
    world: World,
    /// Of every container.
    root: PathBuf,
    before: Snapshot,
}

impl Node {
    /// A rail, the chain as network `rail1`, and the root of a container in which there is nothing but busybox.
    fn new() -> Self {
        let world = World::new();
        world.rail(1);
        let ipam = json!({ "type": "rail-ipam", "ranges": [[{ "subnet": "172.16.1.0/24", "rangeStart": "172.16.1.10" }]] });
        let list = json!({ "cniVersion": "1.0.0", "name": "rail1", "plugins": [
            { "type": "macvlan", "master": "rail1", "ipam": ipam }, { "type": "coordinator" } ] });
        let file = world.file("10-rail1.conflist", list.to_string());
        std::fs::create_dir_all(NETWORKS).expect("a folder");
        symlink(file, Path::new(NETWORKS).join("10-rail1.conflist")).expect("the network");
        let loopback = world.dirs().scratch.join("loopback");
        run(&["cp", LOOPBACK, &loopback.display().to_string()]);
        for folder in PLUGIN_FOLDERS {
            run(&["mkdir", "-p", folder]);
            run(&["mount", "-t", "tmpfs", "tmpfs", folder]);
            for plugin in CHAIN {
                symlink(binary(plugin), Path::new(folder).join(plugin)).expect("a plugin");
            }
            symlink(&loopback, Path::new(folder).join("loopback")).expect("a plugin");
        }
        // A world has a /sys of its own.
        run(&["mount", "-t", "cgroup2", "cgroup2", "/sys/fs/cgroup"]);
        let root = world.dirs().scratch.join("root");
        for folder in ["bin", "dev", "etc", "proc", "run", "sys", "tmp"] {
            std::fs::create_dir_all(root.join(folder)).expect("a folder");
        }
        // The guest's modprobe is busybox, and static.
        run(&["cp", "/lab/modprobe", &root.join("bin/busybox").display().to_string()]);
        let before = world.snapshot().without("file ");
        Self { world, root, before }
    }

    /// What it printed; it has to succeed.
    #[track_caller]
    fn output(&self, mut command: Command) -> String {
        let output = command.envs(self.world.dirs().env()).output().expect("run it");
        let [out, err] =
            [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        assert!(output.status.success(), "{command:?}: {}\n{out}{err}", output.status);
        out
    }

    /// Kernel and leases are as before, and no record is left.
    #[track_caller]
    fn assert_detached(&self) {
        let after = self.world.snapshot();
        assert!(!after.to_string().contains("file state/attachments/rail1"), "a record is left:\n{after}");
        assert_same(&self.before, &after.without("file "));
    }
}

#[track_caller]
fn assert_attached(addresses: &str) {
    assert!(addresses.contains("inet 172.16.1.10/24 scope global eth0"), "{addresses}");
}

#[test]
fn podman_attaches_a_container_and_detaches_it() {
    let node = Node::new();
    let scratch = node.world.dirs().scratch.clone();
    let conf = format!(
        "[network]\nnetwork_backend = \"cni\"\ncni_plugin_dirs = [\"{}\"]\n[engine]\nevents_logger = \"none\"\n\
         conmon_env_vars = {:?}\n",
        PLUGIN_FOLDERS[0],
        environment_of("conmon"),
    );
    let conf = node.world.file("containers.conf", conf);
    let podman = |words: &[&str]| {
        let mut command = engine("podman");
        command.env("CONTAINERS_CONF", &conf).arg("--root").arg(scratch.join("podman"));
        command.arg("--runroot").arg(scratch.join("podman-run")).args(["--storage-driver", "vfs"]);
        // By its path: the one that it finds itself has libraries that it does not.
        command.arg("--runtime").arg(engine("runc").get_program());
        command.args(["--cgroup-manager", "cgroupfs", "--network-config-dir", NETWORKS]).args(words);
        command
    };
    if has_no_cni(&node.output(podman(&["--version"]))) {
        let output = podman(&["network", "ls"]).output().expect("run podman");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && said.contains("cni"), "{said}");
        return;
    }
    let root = node.root.display().to_string();
    let run = ["run", "--detach", "--name", "pod", "--network", "rail1", "--rootfs", &root];
    node.output(podman(&[&run[..], &["/bin/busybox", "sleep", "600"]].concat()));
    assert_attached(&node.output(podman(&["exec", "pod", "/bin/busybox", "ip", "address"])));
    node.output(podman(&["rm", "--force", "--time", "0", "pod"]));
    node.assert_detached();
}

/// Where it finds its programs and libraries, which podman does not hand on to it by itself.
fn environment_of(program: &str) -> Vec<String> {
    let command = engine(program);
    let set = command.get_envs().filter_map(|(name, value)| Some((name.to_str()?, value?.to_str()?)));
    set.map(|(name, value)| format!("{name}={value}")).collect()
}

/// Since version 5, podman attaches by netavark alone, and says so when it is asked for CNI. `podman version 4.3.1`
fn has_no_cni(version: &str) -> bool {
    let number = version.split_whitespace().last().unwrap_or_default();
    let major = number.split('.').next().and_then(|major| major.parse::<u32>().ok());
    major.unwrap_or_else(|| panic!("no version in {version:?}")) >= 5
}

/// Ends with its test.
struct Daemon(Child);

impl Drop for Daemon {
    fn drop(&mut self) {
        // One that has ended needs no end.
        let _ = self.0.kill().and_then(|()| self.0.wait());
    }
}

#[test]
fn containerds_client_attaches_a_container_and_detaches_it() {
    let node = Node::new();
    let scratch = node.world.dirs().scratch.display().to_string();
    let socket = format!("{scratch}/containerd.sock");
    let mut daemon = engine("containerd");
    daemon.args([
        "--root",
        &format!("{scratch}/lib"),
        "--state",
        &format!("{scratch}/state"),
        "--address",
        &socket,
    ]);
    let _daemon = Daemon(daemon.args(["--log-level", "error"]).spawn().expect("start containerd"));
    let ctr = |words: &[&str]| {
        let mut command = engine("ctr");
        command.args(["--address", &socket]).args(words);
        command
    };
    let answers = || ctr(&["version"]).output().is_ok_and(|output| output.status.success());
    until(Duration::from_secs(60), "containerd answers", answers);
    let root = node.root.display().to_string();
    let run = ["run", "--rm", "--rootfs", "--cni", &root, "pod", "/bin/busybox", "ip", "address"];
    assert_attached(&node.output(ctr(&run)));
    node.assert_detached();
}
