//! What the container runtimes say of a pod, and what it is worth.

use std::path::Path;

use ipam::{Change, JournalStore, Lease, Store};
use netns_tests::suite::Binary;
use state::Dirs;

use super::{Node, PATIENCE, Process, has, said};

/// Its namespace is mounted, and nothing is in it: a runtime that lost its own state leaves such.
#[test]
fn a_pod_that_the_runtime_does_not_know_is_left_over() {
    let mut node = Node::new();
    let pods = ["known", "unknown", "busy", "young"].map(|name| node.chain(name));
    let process = Process::within(&pods[2]);
    for old in ["known", "unknown", "busy"] {
        Node::age(old);
    }
    node.runtime_knows(&["known"]);
    let text = node.gc("--dry-run");
    has(
        &text,
        &["- rail1/unknown/net1 (macvlan, coordinator)", "runtime does not know the pod", "no process"],
    );
    let called =
        std::fs::read_to_string(node.stage.world.dirs().scratch.join("crictl.called")).expect("a call");
    assert!(
        called.contains("--runtime-endpoint unix:///run/sock") && called.contains("pods --quiet"),
        "{called}"
    );
    node.gc("--apply");
    drop(process);
    assert_eq!(Node::leases(), ["busy", "known", "young"]);
    assert_eq!(pods.map(|pod| pod.has_link("net1")), [true, false, true, true]);
}

#[test]
fn a_runtime_that_does_not_answer_is_said_and_judges_nobody() {
    let mut node = Node::new();
    let pod = node.chain("a-pod");
    Node::age("a-pod");
    node.crictl("echo 'rpc error: no CRI here' >&2; exit 1");
    let text = node.gc("--apply");
    has(
        &text,
        &["! the container runtime at unix:///run/sock has not told its pods", "no CRI here", "alone"],
    );
    has(&text, &["0 left over, 1 alive"]);
    assert!(pod.has_link("net1"));
}

#[test]
fn a_runtime_is_not_asked_where_crictl_is_missing() {
    let mut node = Node::new();
    let pod = node.chain("a-pod");
    Node::age("a-pod");
    "unix:///run/sock".clone_into(&mut node.runtime);
    // The machine may have one.
    let text = said(&node.command("--apply").env("PATH", "/nowhere").output().expect("run railctl"));
    has(
        &text,
        &["! the container runtime at unix:///run/sock has not told its pods", "crictl is not in PATH"],
    );
    has(&text, &["0 left over, 1 alive"]);
    assert!(pod.has_link("net1"));
}

/// An IPAM of a foreign plugin: only its runtime can tell.
#[test]
fn a_lease_without_a_record_is_kept_unless_the_runtime_denies_its_pod() {
    let mut node = Node::new();
    let pod = node.pod("b");
    node.plugin("rail-ipam", &pod).add(&Binary::named("macvlan").config()).success();
    let key = |id: &str| ipam::AttachmentKey {
        network: "rail1".into(),
        container_id: id.into(),
        ifname: "net1".into(),
    };
    let old =
        Lease { key: key("ancient"), ip: [172, 16, 1, 200].into(), pool: "gpu1".into(), since: 1, rest: 0 };
    let store = JournalStore::new(&Dirs::under(Path::new("/run/world")), PATIENCE).expect("a store");
    store.update(&mut |_| Ok(vec![Change::Lease(old.clone())])).expect("a lease");
    let text = node.gc("--apply");
    has(&text, &["? rail1/ancient/net1 (lease of 172.16.1.200) is kept", "no container runtime was asked"]);
    assert_eq!(Node::leases(), ["ancient", "b"]);
    node.runtime_knows(&["other"]);
    has(&node.gc("--apply"), &["✓ rail1/ancient/net1 (lease of 172.16.1.200) is released"]);
    assert_eq!(Node::leases(), ["b"], "the young one is kept");
}

/// Docker may be kubelet's runtime beside a containerd, or the other way round.
#[test]
fn a_pod_is_denied_by_all_runtimes_or_by_none() {
    let mut node = Node::new();
    let pods = ["first", "second", "unknown"].map(|name| node.chain(name));
    for pod in &pods {
        Node::age(pod.name());
    }
    for socket in ["/run/containerd/containerd.sock", "/run/cri-dockerd.sock"] {
        let folder = Path::new(socket).parent().expect("a folder");
        std::fs::create_dir_all(folder)
            .and_then(|()| std::fs::File::create(socket))
            .expect("a socket's place");
    }
    // The endpoint is the second word.
    let mut docker_says = |answer: &str| {
        node.crictl(&format!("case $2 in */cri-dockerd.sock) {answer} ;; *) echo first ;; esac"));
        node.runtime.clear();
        node.gc("--apply")
    };
    let text = docker_says("echo 'level=fatal msg=refused' >&2; exit 1");
    has(&text, &["! the container runtime at unix:///run/cri-dockerd.sock has not told its pods", "refused"]);
    has(&text, &["0 left over, 3 alive"]);
    let text = docker_says("echo second");
    has(&text, &["✓ rail1/unknown/net1", "does not know the pod"]);
    has(&text, &["1 left over, 2 alive"]);
    let text = docker_says("echo 'rpc error: code = Unimplemented desc = unknown service' >&2; exit 1");
    has(&text, &["✓ rail1/second/net1"]);
    assert_eq!(pods.map(|pod| pod.has_link("net1")), [true, false, false]);
}
