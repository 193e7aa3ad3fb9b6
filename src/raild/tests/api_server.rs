//! Controller and agents on a real API server: a pool that two nodes share, used up by one, and recalled by the other.

#![expect(clippy::unwrap_used, reason = "the functions between the tests are tests too")]

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::Duration;

use cluster::Api;
use ipam::{AttachmentKey, Change, Granted, JournalStore, Lease, Store as _};
use state::Dirs;
use testkit::eventually;

const POOL: &str = "
apiVersion: spiderpool.spidernet.io/v2beta1
kind: SpiderIPPool
metadata: {name: shared}
spec: {subnet: 172.16.1.0/24, ips: [172.16.1.1-172.16.1.8], gateway: 172.16.1.254}
";

/// Ends with the test.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

struct Node {
    dirs: Dirs,
    base: PathBuf,
    _agent: Process,
}

impl Node {
    fn start(api: &Api, name: &str) -> Self {
        let base = api.dir().join(name);
        let agent = raild(api, "agent")
            .env("NODE_NAME", name)
            .env("RAILCNI_STATE_DIR", base.join("state"))
            .env("RAILCNI_DURABLE_DIR", base.join("durable"))
            .spawn()
            .unwrap();
        Self { dirs: Dirs::under(&base), base, _agent: Process(agent) }
    }

    /// What the plugins may hand out.
    fn granted(&self) -> u128 {
        let Some(granted) = Granted::read(&self.dirs).unwrap() else { return 0 };
        let mut catalog = ipam::Catalog::default();
        for pool in &granted.pools {
            catalog.add("grants", pool);
        }
        catalog.complete().pools().map(|pool| pool.offered.len()).sum()
    }

    /// Says that a pod wants addresses, as a plugin does.
    fn want(&self, count: u32) -> String {
        let socket = self.base.join("state/node/want");
        eventually(Duration::from_secs(60), || socket.exists().then_some(())).expect("the agent listens");
        let mut stream = UnixStream::connect(socket).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        writeln!(stream, "want shared {count}").unwrap();
        let mut answer = String::new();
        BufReader::new(stream).read_line(&mut answer).unwrap();
        answer
    }

    /// Pods that take everything.
    fn lease(&self, count: usize) {
        let granted = Granted::read(&self.dirs).unwrap().unwrap();
        let mut catalog = ipam::Catalog::default();
        catalog.add("grants", &granted.pools[0]);
        let catalog = catalog.complete();
        let pool = catalog.pools().next().unwrap();
        let ranges = pool.offered.ranges().to_vec();
        let all = ranges.iter().flat_map(|range| {
            let std::net::IpAddr::V4(first) = range.first() else { panic!("IPv4") };
            let std::net::IpAddr::V4(last) = range.last() else { panic!("IPv4") };
            (u32::from(first)..=u32::from(last)).map(|ip| std::net::IpAddr::V4(ip.into()))
        });
        let key = |index: usize| AttachmentKey {
            network: "rail".to_owned(),
            container_id: format!("pod{index}"),
            ifname: "net1".to_owned(),
        };
        let leases = all.take(count).enumerate().map(|(index, ip)| {
            Change::Lease(Lease { key: key(index), ip, pool: "shared".to_owned(), since: 0, rest: 0 })
        });
        let leases = leases.collect::<Vec<_>>();
        assert_eq!(leases.len(), count);
        let store = JournalStore::new(&self.dirs, Duration::from_secs(10)).unwrap();
        store.update(&mut |_| Ok(leases.clone())).unwrap();
    }

    fn release_all(&self) {
        let store = JournalStore::new(&self.dirs, Duration::from_secs(10)).unwrap();
        store.update(&mut |leases| Ok(leases.all()?.iter().map(|lease| lease.release(0)).collect())).unwrap();
    }
}

fn raild(api: &Api, mode: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_raild"));
    command.arg(mode).env("KUBECONFIG", api.kubeconfig());
    command
}

fn apply(api: &Api, text: &str) {
    let file = api.dir().join("objects.yaml");
    state::file::replace(&file, text.as_bytes()).unwrap();
    api.kubectl().run(&["apply", "-f", &file.display().to_string()]).unwrap();
}

fn crds() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/crds")
}

fn node_object(name: &str) -> String {
    format!("apiVersion: v1\nkind: Node\nmetadata: {{name: {name}}}\n---\n")
}

#[test]
fn a_pool_that_two_nodes_share_is_used_to_the_last_address() {
    let api = Api::start().unwrap();
    api.kubectl().run(&["apply", "-f", &crds().display().to_string()]).unwrap();
    api.kubectl().run(&["wait", "--for=condition=Established", "crd", "--all", "--timeout=60s"]).unwrap();
    apply(&api, &format!("{}{}---{POOL}", node_object("one"), node_object("two")));
    let _controller = Process(raild(&api, "controller").spawn().unwrap());
    let (one, two) = (Node::start(&api, "one"), Node::start(&api, "two"));

    // One node takes what there is.
    assert!(one.want(8).starts_with("granted"));
    assert_eq!(one.granted(), 8);
    one.lease(8);
    // Its pods end; what it does not need any more goes to the node that does.
    one.release_all();
    assert!(two.want(6).starts_with("granted"));
    assert!(two.granted() >= 6);
    assert!(one.granted() <= 2);

    let blocks =
        api.kubectl().run(&["get", "railblocks", "shared-0", "-o", "jsonpath={.spec.rails[0]}"]).unwrap();
    assert!(blocks.contains("two="), "{blocks}");
}

#[test]
fn a_controller_refuses_a_schema_that_would_prune_its_fence() {
    let api = Api::start().unwrap();
    let output = raild(&api, "controller").output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && said.contains("railblocks.railcni.dev"), "{said}");
}
