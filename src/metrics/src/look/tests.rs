//! Looking at trees of files, with records as plugins write them.

use std::fs::{create_dir_all, read_to_string};
use std::os::unix::fs::symlink;

use serde_json::json;
use state::{AttachmentKey, Records, file};

use super::*;
use crate::sight::Identity;

struct Node {
    base: tempfile::TempDir,
    dirs: Dirs,
}

impl Node {
    fn new() -> Self {
        let base = tempfile::tempdir().unwrap();
        let dirs = Dirs::under(base.path());
        Self { base, dirs }
    }

    fn put(&self, path: &str, text: &str) {
        let path = self.base.path().join(path);
        create_dir_all(path.parent().unwrap()).unwrap();
        file::replace(&path, text.as_bytes()).unwrap();
    }

    /// An attachment of macvlan, or of a VF.
    fn attach(&self, container: &str, interface: &str, plugin: &str, undo: &serde_json::Value) {
        let records = Records::open(&self.dirs, plugin).unwrap();
        let key = AttachmentKey::new("gpu", container, interface).unwrap();
        let undo = json!({"phase": "attached", "undo": undo});
        records.save(&records.draft(key, None, undo)).unwrap();
    }

    /// What containerd keeps of a pod.
    fn name(&self, container: &str, name: &str) {
        let args = json!([["K8S_POD_NAMESPACE", "ml"], ["K8S_POD_NAME", name]]);
        let entry = json!({"kind": "cniCacheV1", "containerId": container, "ifName": "eth0", "networkName": "cbr0",
            "cniArgs": args});
        self.put(&format!("peer/results/cbr0-{container}-eth0"), &entry.to_string());
    }

    fn process(&self, number: u32, container: &str, counters: &str) {
        self.put(&format!("proc/{number}/cgroup"), &format!("0::/pod/cri-containerd-{container}.scope\n"));
        self.put(&format!("proc/{number}/net/dev"), &format!("\n\n{counters}\n"));
    }

    fn port(&self, device: &str, received: &str) {
        self.put(&format!("sys/class/infiniband/{device}/ports/1/counters/port_rcv_data"), received);
    }

    fn eyes(&self) -> Eyes {
        Eyes::new(self.dirs.clone(), &self.base.path().join("proc"), &self.base.path().join("sys"))
    }
}

fn macvlan() -> serde_json::Value {
    json!({"ifname": "net1", "kind": "macvlan", "marks": {"parent": 1}})
}

#[test]
fn a_pod_is_found_by_its_sandbox_in_the_cache_and_in_proc() {
    let node = Node::new();
    node.attach("c1", "net1", "macvlan", &macvlan());
    node.attach("c2", "net1", "macvlan", &macvlan());
    node.name("c1", "train-0");
    node.process(41, "c1", "net1: 7 1 0 0 0 0 0 0 8 2 0 0 0 0 0 0");
    node.process(42, "other", "net1: 9 1 0 0 0 0 0 0 8 2 0 0 0 0 0 0");
    let sight = node.eyes().look();
    assert_eq!(sight.rails.len(), 2);
    assert_eq!(sight.pods, BTreeMap::from([("c1".to_owned(), "ml/train-0".to_owned())]));
    assert_eq!(sight.interfaces.keys().collect::<Vec<_>>(), ["c1"]);
    assert_eq!(sight.interfaces["c1"]["net1"].rx_bytes, 7);
    assert_eq!(sight.links[&1].0, "lo");
    assert!(sight.problems.is_empty(), "{:?}", sight.problems);
}

/// A number that another process has got by now says nothing of the pod.
#[test]
fn a_process_that_is_another_pods_by_now_is_not_read() {
    let node = Node::new();
    node.attach("c1", "net1", "macvlan", &macvlan());
    node.process(41, "c1", "net1: 7 1 0 0 0 0 0 0 8 2 0 0 0 0 0 0");
    let mut eyes = node.eyes();
    assert_eq!(eyes.look().interfaces.len(), 1);
    node.process(41, "c9", "net1: 9 1 0 0 0 0 0 0 8 2 0 0 0 0 0 0");
    assert!(eyes.look().interfaces.is_empty());
}

#[test]
fn a_pod_that_comes_later_is_found_though_another_is_never() {
    let node = Node::new();
    node.attach("c1", "net1", "macvlan", &macvlan());
    let mut eyes = node.eyes();
    assert!(eyes.look().pods.is_empty());
    node.attach("c2", "net1", "macvlan", &macvlan());
    node.name("c2", "train-1");
    node.process(43, "c2", "net1: 7 1 0 0 0 0 0 0 8 2 0 0 0 0 0 0");
    let sight = eyes.look();
    assert_eq!((sight.pods.len(), sight.interfaces.len()), (1, 1));
}

#[test]
fn ports_are_those_of_nics_and_of_vfs_that_are_a_pods() {
    let node = Node::new();
    node.attach("c1", "net1", "sriov", &json!({"device": "0000:1a:00.1"}));
    node.attach("c1", "net1", "rdma", &json!({"device": "0000:1a:00.1", "name": "mlx5_1"}));
    for (device, pf) in [("mlx5_0", None), ("mlx5_1", Some("mlx5_0")), ("mlx5_2", Some("mlx5_0"))] {
        node.port(device, "25\n");
        let own = node.base.path().join("sys/class/infiniband").join(device).join("device");
        create_dir_all(&own).unwrap();
        if pf.is_some() {
            symlink("../..", own.join("physfn")).unwrap();
        }
    }
    let mut eyes = node.eyes();
    let named = |sight: &Sight| sight.ports.iter().map(|port| port.device.clone()).collect::<Vec<_>>();
    let sight = eyes.look();
    assert_eq!(named(&sight), ["mlx5_0", "mlx5_1"]);
    assert_eq!(sight.ports[0].counters, BTreeMap::from([("counters/port_rcv_data".to_owned(), 25)]));
    // A driver may ask its firmware: not at every scrape.
    node.port("mlx5_0", "26\n");
    assert_eq!(eyes.look().ports[0].counters["counters/port_rcv_data"], 25);
}

#[test]
fn for_spiderpool_more_is_read_of_a_device() {
    let node = Node::new();
    node.port("mlx5_0", "25\n");
    for (file, text) in [
        ("node_guid", "0002:c903:0028:7a1c\n"),
        ("sys_image_guid", "0002:c903:0028:7a1c\n"),
        ("ports/1/rate", "200 Gb/sec (4X HDR)\n"),
        ("ports/1/hw_counters/rx_write_requests", "9\n"),
        ("tc/1/traffic_class", "Global tclass=160\n"),
    ] {
        node.put(&format!("sys/class/infiniband/mlx5_0/{file}"), text);
    }
    create_dir_all(node.base.path().join("sys/class/infiniband/mlx5_0/device/net/ens1")).unwrap();
    let port = node.eyes().for_spiderpool().look().ports.remove(0);
    let expected = Identity {
        node_guid: "0002:c903:0028:7a1c".to_owned(),
        image_guid: "0002:c903:0028:7a1c".to_owned(),
        netdev: "ens1".to_owned(),
        parent: String::new(),
        megabits: Some(200_000),
        traffic_class: 160,
    };
    assert_eq!((port.identity, port.counters["hw_counters/rx_write_requests"]), (expected, 9));
    let port = node.eyes().look().ports.remove(0);
    assert_eq!((port.identity, port.counters.len()), (Identity::default(), 1));
}

#[test]
fn a_record_that_cannot_be_read_hides_no_other() {
    let node = Node::new();
    node.attach("c1", "net1", "macvlan", &macvlan());
    node.put("state/attachments/gpu/c2,macvlan,net1", "{\n00000000\n");
    node.put("state/attachments/none", "no directory");
    let sight = node.eyes().look();
    assert_eq!((sight.rails.len(), sight.problems.len()), (1, 1), "{:?}", sight.problems);
}

/// Read calls of the calling thread.
fn reads() -> u64 {
    let text = read_to_string("/proc/thread-self/io").unwrap();
    text.lines().find_map(|line| line.strip_prefix("syscr: ")).unwrap().parse().unwrap()
}

/// Eight rails on 64 pods: a record each, and two files of each pod. The second scrape looks for no name and no process.
#[test]
fn a_scrape_reads_each_record_once_and_each_pod_twice() {
    let node = Node::new();
    for pod in 0..64 {
        let container = format!("c{pod}x");
        node.name(&container, &format!("train-{pod}"));
        let line = |rail| format!("net{rail}: 7 1 0 0 0 0 0 0 8 2 0 0 0 0 0 0");
        node.process(1000 + pod, &container, &(1..=8).map(line).collect::<Vec<_>>().join("\n"));
        for rail in 1..=8 {
            node.attach(&container, &format!("net{rail}"), "macvlan", &macvlan());
        }
    }
    let mut eyes = node.eyes();
    assert_eq!(eyes.look().pods.len(), 64);
    let before = reads();
    let sight = eyes.look();
    let told = crate::text(crate::node(&sight)).unwrap();
    let calls = reads() - before;
    assert_eq!(
        told.lines().filter(|line| line.starts_with("railcni_rail_receive_bytes_total{")).count(),
        512
    );
    // To the end of a file takes two; netlink's answers and what the test itself reads are a few.
    assert!((1_000..=2 * (512 + 2 * 64) + 64).contains(&calls), "{calls} reads");
    eprintln!("{calls} reads, {:.1} ms, {} bytes", sight.seconds * 1e3, told.len());
}
