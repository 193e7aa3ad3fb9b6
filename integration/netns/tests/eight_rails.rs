//! The main job, from outside: a pod attached to eight rails by chains of macvlan, rail-ipam and coordinator.

#![expect(clippy::unwrap_used, reason = "the functions between the tests are tests too")]

use std::fs;
use std::net::IpAddr;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::time::Duration;

use serde_json::{Value, json};
use testkit::{Ping, Pod, Rail, Snapshot, World, assert_same, binary, eventually};

const RAILS: u8 = 8;

#[derive(Clone, Copy, Debug)]
enum Stack {
    V4,
    V6,
    Dual,
}

struct Cluster {
    world: World,
    rails: Vec<Rail>,
    stack: Stack,
}

impl Cluster {
    fn new(stack: Stack) -> Self {
        let world = World::new();
        let rails: Vec<Rail> = (1..=RAILS).map(|number| world.rail(number)).collect();
        let cluster = Self { world, rails, stack };
        fs::create_dir_all(cluster.networks()).unwrap();
        for rail in &cluster.rails {
            let path = cluster.networks().join(format!("rail{}.conflist", rail.number));
            fs::copy(cluster.world.file("list", cluster.conflist(rail).to_string()), path).unwrap();
        }
        cluster.write_pools();
        cluster
    }

    fn networks(&self) -> PathBuf {
        self.world.dirs().scratch.join("net.d")
    }

    fn pools_file(&self) -> PathBuf {
        self.world.dirs().config.join("pools.d/rails.yaml")
    }

    /// An address each, so that every run gets the same.
    fn write_pools(&self) {
        fs::create_dir_all(self.pools_file().parent().unwrap()).unwrap();
        let v4 = |rail: &Rail| {
            let spec = json!({
                "subnet": rail.subnet4(), "gateway": rail.gateway4(), "ips": [rail.address4(10)],
            });
            pool(&format!("rail{}-v4", rail.number), &spec)
        };
        let v6 = |rail: &Rail| {
            let spec = json!({
                "subnet": rail.subnet6(), "gateway": rail.gateway6(), "ips": [rail.address6(0x10)],
            });
            pool(&format!("rail{}-v6", rail.number), &spec)
        };
        let pools: Vec<String> =
            self.rails.iter().flat_map(|rail| [v4(rail).to_string(), v6(rail).to_string()]).collect();
        fs::copy(self.world.file("pools", format!("---\n{}", pools.join("\n---\n"))), self.pools_file())
            .unwrap();
    }

    fn conflist(&self, rail: &Rail) -> Value {
        let pools = |family: &str| json!([format!("rail{}-{family}", rail.number)]);
        let ippools = match self.stack {
            Stack::V4 => json!({ "ipv4": pools("v4") }),
            Stack::V6 => json!({ "ipv6": pools("v6") }),
            Stack::Dual => json!({ "ipv4": pools("v4"), "ipv6": pools("v6") }),
        };
        json!({
            "cniVersion": "1.1.0",
            "name": format!("rail{}", rail.number),
            "plugins": [
                {
                    "type": "macvlan",
                    "master": rail.master,
                    "ipam": { "type": "rail-ipam", "ippools": ippools },
                },
                { "type": "coordinator" },
            ],
        })
    }

    fn run(&self, verb: &str, rails: &[u8], pod: &str) -> Output {
        let mut command = Command::new(binary("railctl"));
        command.arg(verb).args(rails.iter().map(|rail| format!("rail{rail}"))).arg(pod);
        command.args(["--container-id", "pod", "--conf-dir"]).arg(self.networks());
        command.env("CNI_PATH", binary("macvlan").parent().unwrap()).envs(self.world.dirs().env());
        command.output().unwrap()
    }

    #[track_caller]
    fn railctl(&self, verb: &str, pod: &str) {
        let all: Vec<u8> = (1..=RAILS).collect();
        let output = self.run(verb, &all, pod);
        assert!(output.status.success(), "railctl {verb}: {}", String::from_utf8_lossy(&output.stderr));
    }

    /// Rules and the routes of every table, as `ip` prints them.
    fn listing(&self, pod: &Pod) -> Vec<Value> {
        let families: &[&str] = match self.stack {
            Stack::V4 => &["-4"],
            Stack::V6 => &["-6"],
            Stack::Dual => &["-4", "-6"],
        };
        let mut listing = Vec::new();
        for family in families {
            listing.push(pod.ip(&[family, "rule"]));
            let tables = std::iter::once("main".to_owned()).chain((100..=108).map(|table| table.to_string()));
            // The kernel's own fe80::/64 come in the order of the links' carriers.
            listing.extend(
                tables.map(|table| without_link_local(&pod.ip(&[family, "route", "show", "table", &table]))),
            );
        }
        listing
    }

    /// All but the leases' store, which remembers released addresses for their rest, and what railctl brings itself.
    fn picture(&self) -> Snapshot {
        self.world.snapshot().without("file state/ipam").without("file config")
    }

    #[track_caller]
    fn assert_no_lease(&self) {
        let mut command = Command::new(binary("railctl"));
        command.args(["pools", "-o", "json"]).envs(self.world.dirs().env());
        let pools: Value = serde_json::from_slice(&command.output().unwrap().stdout).unwrap();
        let used: Vec<_> = pools.as_array().unwrap().iter().filter(|pool| pool["used"] != json!(0)).collect();
        assert!(used.is_empty(), "leases are left: {used:?}");
    }

    fn targets(&self) -> Vec<(IpAddr, IpAddr)> {
        let v4 = |rail: &Rail| (IpAddr::from(rail.address4(10)), IpAddr::from(rail.gateway4()));
        let v6 = |rail: &Rail| (IpAddr::from(rail.address6(0x10)), IpAddr::from(rail.gateway6()));
        match self.stack {
            Stack::V4 => self.rails.iter().map(v4).collect(),
            Stack::V6 => self.rails.iter().map(v6).collect(),
            Stack::Dual => self.rails.iter().flat_map(|rail| [v4(rail), v6(rail)]).collect(),
        }
    }
}

fn pool(name: &str, spec: &Value) -> Value {
    json!({
        "apiVersion": "spiderpool.spidernet.io/v2beta1", "kind": "SpiderIPPool",
        "metadata": { "name": name }, "spec": spec,
    })
}

fn without_link_local(routes: &Value) -> Value {
    let keep = |route: &&Value| route["dst"] != "fe80::/64";
    routes.as_array().into_iter().flatten().filter(keep).cloned().collect()
}

/// Attach, look, and detach, `runs` times; every look has to show the same, and every detach to leave nothing.
fn comes_and_goes(stack: Stack, runs: usize) {
    let cluster = Cluster::new(stack);
    let pod = cluster.world.pod("pod");
    cluster.railctl("attach", "pod");
    cluster.railctl("detach", "pod");
    let before = cluster.picture();
    let mut first = None;
    for _ in 0..runs {
        cluster.railctl("attach", "pod");
        let listing = cluster.listing(&pod);
        assert_eq!(first.get_or_insert_with(|| listing.clone()), &listing);
        for (address, gateway) in cluster.targets() {
            pod.assert_ping(&Ping::to(gateway).from(address));
        }
        cluster.railctl("check", "pod");
        cluster.railctl("detach", "pod");
        assert_same(&before, &cluster.picture());
        cluster.assert_no_lease();
    }
}

#[test]
fn ten_runs_with_ipv4_are_alike() {
    comes_and_goes(Stack::V4, 10);
}

#[test]
fn ipv6_alone_works_alike() {
    comes_and_goes(Stack::V6, 1);
}

#[test]
fn dual_stack_works_alike() {
    comes_and_goes(Stack::Dual, 1);
}

#[test]
fn a_second_detach_is_a_success_and_changes_nothing() {
    let cluster = Cluster::new(Stack::V4);
    let _pod = cluster.world.pod("pod");
    cluster.railctl("attach", "pod");
    cluster.railctl("detach", "pod");
    let after = cluster.picture();
    cluster.railctl("detach", "pod");
    assert_same(&after, &cluster.picture());
}

#[test]
fn a_pod_that_went_first_leaves_nothing_either() {
    let cluster = Cluster::new(Stack::V4);
    let host = || cluster.world.snapshot().without("file ");
    let before = host();
    drop(cluster.world.pod("pod"));
    cluster.railctl("attach", "pod");
    cluster.world.remove_pod("pod");
    cluster.railctl("detach", "pod");
    assert!(eventually(Duration::from_secs(5), || before.diff(&host()).is_empty().then_some(())).is_some());
    assert_no_attachment(&cluster);
    cluster.assert_no_lease();
}

#[test]
fn detach_needs_neither_pools_nor_networks() {
    let cluster = Cluster::new(Stack::V4);
    let _pod = cluster.world.pod("pod");
    cluster.railctl("attach", "pod");
    cluster.railctl("detach", "pod");
    let before = cluster.picture();
    cluster.railctl("attach", "pod");
    fs::remove_file(cluster.pools_file()).unwrap();
    fs::remove_dir_all(cluster.networks()).unwrap();
    cluster.railctl("detach", "pod");
    assert_same(&before, &cluster.picture());
    cluster.write_pools();
    cluster.assert_no_lease();
}

/// Folders and locks stay until the next boot; records do not.
fn assert_no_attachment(cluster: &Cluster) {
    let networks = fs::read_dir(cluster.world.dirs().state.join("attachments")).unwrap();
    let files: Vec<_> =
        networks.flat_map(|network| fs::read_dir(network.unwrap().path()).unwrap()).flatten().collect();
    assert!(files.is_empty(), "{files:?}");
}
