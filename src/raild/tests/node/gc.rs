//! `raild gc`: addresses of pods that the runtime does not know come back, and nobody is denied by one who does not answer.

use std::path::PathBuf;
use std::time::Duration;

use ipam::journal::now;
use ipam::{Change, JournalStore, Lease, Store as _};
use state::{AttachmentKey, Dirs};
use tempfile::TempDir;
use testkit::eventually;

use crate::grpc::{Reply, Server, field};
use crate::raild::Raild;

const LIMIT: Duration = Duration::from_secs(120);
const METHOD: &str = "/runtime.v1.RuntimeService/ListPodSandbox";

struct Node {
    base: TempDir,
    dirs: Dirs,
}

impl Node {
    /// With leases that are an hour old, and `young`, whose ADD is under way: no runtime lists it yet.
    fn new(containers: &[&str]) -> Self {
        let base = TempDir::new().unwrap();
        let node = Self { dirs: Dirs::under(base.path()), base };
        let lease = |position: usize, container: &str, since| {
            let key = AttachmentKey::new("rail1", container, "net1").unwrap();
            let ip = [172, 16, 1, u8::try_from(position).unwrap() + 1].into();
            Change::Lease(Lease { key, ip, pool: "gpu1".to_owned(), since, rest: 0 })
        };
        let add = &mut |_: &dyn ipam::Leases| {
            let old = containers.iter().enumerate();
            let old = old.map(|(position, container)| lease(position, container, now() - 3600));
            Ok(old.chain([lease(200, "young", now())]).collect())
        };
        node.store().update(add).unwrap();
        node
    }

    fn store(&self) -> JournalStore {
        JournalStore::new(&self.dirs, LIMIT).unwrap()
    }

    fn socket(&self) -> PathBuf {
        self.base.path().join("runtime.sock")
    }

    fn gc(&self, seconds: &str) -> Raild {
        let endpoint = format!("unix://{}", self.socket().display());
        let plugins = testkit::binary("rail-ipam").parent().unwrap().to_owned();
        let env = [
            ("GC_EVERY_SECONDS", seconds),
            ("CONTAINER_RUNTIME_ENDPOINT", endpoint.as_str()),
            ("CNI_PATH", plugins.to_str().unwrap()),
        ];
        Raild::start("gc", self.base.path(), &env)
    }

    fn leased(&self) -> Vec<String> {
        let mut found = Vec::new();
        let look = &mut |leases: &dyn ipam::Leases| {
            found = leases.all()?.into_iter().map(|lease| lease.key.container_id).collect();
            Ok(())
        };
        self.store().view(look).unwrap();
        found.sort();
        found
    }
}

/// What a runtime lists.
fn sandboxes(ids: &[&str]) -> Reply {
    Reply::Message(ids.iter().flat_map(|id| field(1, field(1, id))).collect())
}

#[test]
fn a_sandbox_that_vanished_gives_its_address_back() {
    let node = Node::new(&["alive", "lost"]);
    let runtime = Server::start(&node.socket(), sandboxes(&["alive", "lost"]));
    let gc = node.gc("1");
    eventually(LIMIT, || (runtime.called().len() > 1).then_some(())).expect("it looks again and again");
    assert_eq!(node.leased(), ["alive", "lost", "young"]);
    runtime.reply(sandboxes(&["alive"]));
    gc.await_words(
        "rail1/lost/net1 (lease of 172.16.1.2) is released: the container runtime does not know the pod",
    );
    assert_eq!(node.leased(), ["alive", "young"]);
    assert!(runtime.called().iter().all(|method| method == METHOD));
}

#[test]
fn a_runtime_that_does_not_answer_denies_nobody() {
    let node = Node::new(&["lost"]);
    let runtime = Server::start(&node.socket(), Reply::Silence);
    let gc = node.gc("1");
    gc.await_words("has not told its pods: no answer within 10 s");
    // Starting, or without a CRI, or nonsense.
    for (reply, words) in [
        (Reply::Status("14"), "has not told its pods: it said no more"),
        (Reply::Message(b"\x0a\xff".to_vec()), "no list of pods"),
        (Reply::Status("12"), "no container runtime with a CRI listens here"),
    ] {
        runtime.reply(reply);
        gc.await_words(words);
        assert_eq!(node.leased(), ["lost", "young"], "{words}");
    }
    runtime.reply(sandboxes(&[]));
    gc.await_words("rail1/lost/net1 (lease of 172.16.1.1) is released");
    assert_eq!(node.leased(), ["young"]);
}

#[test]
fn it_is_off_where_the_key_says_so() {
    let node = Node::new(&["lost"]);
    let runtime = Server::start(&node.socket(), sandboxes(&[]));
    let gc = node.gc("0");
    gc.await_words("GC_EVERY_SECONDS is 0");
    assert!(runtime.called().is_empty());
    assert_eq!(node.leased(), ["lost", "young"]);
}
