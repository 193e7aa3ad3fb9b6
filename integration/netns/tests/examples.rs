//! Every file of `conf-examples/` parsed and run.

#![expect(clippy::unwrap_used, reason = "the functions between the tests are tests too")]

#[path = "examples/guides.rs"]
mod guides;

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use testkit::{Pod, World, assert_same, binary};

/// Each file, what it needs, and what its first interface gets.
struct Example {
    file: &'static str,
    pools: &'static str,
    addresses: &'static [&'static str],
    gateways: &'static [&'static str],
    rails: u8,
    /// Its `cniVersion` has CHECK.
    checked: bool,
}

const SHARED: &str = "pools/rails-shared-subnet.yaml";
const UNDERLAY: &str = "underlay/default-network.conflist";
const NODE_YAML: &str = "underlay/node.yaml";
const OF_RAIL: &str = "rail/rails.conflist";
const FABRIC: &str = "fabric/macvlan-shared.yaml";
const RENDERED: &str = "spiderpool/sriov-rail1.yaml";
const ONE: Example = Example {
    file: "macvlan/rail1.conflist",
    pools: SHARED,
    addresses: &["172.16.11.1/24"],
    gateways: &["172.16.11.254"],
    rails: 1,
    checked: true,
};
const EXAMPLES: &[Example] = &[
    ONE,
    Example { file: "macvlan/detection-rail1.conflist", ..ONE },
    Example { file: "macvlan/spiderpool-rail1.conflist", checked: false, ..ONE },
    Example {
        file: "macvlan/per-node-rail1.conflist",
        pools: "pools/rails-per-node-27.yaml",
        addresses: &["172.16.1.34/27"],
        gateways: &["172.16.1.33"],
        ..ONE
    },
    Example {
        file: "macvlan/dual-stack-rail1.conflist",
        pools: "pools/rails-dual-stack.yaml",
        addresses: &["172.16.11.1/24", "fd00:16:11::1000/64"],
        gateways: &["172.16.11.254", "fd00:16:11::fe"],
        ..ONE
    },
    Example {
        file: "macvlan/ipv6-rail1.conflist",
        pools: "pools/rails-ipv6.yaml",
        addresses: &["fd00:17:1::1000/64"],
        gateways: &["fd00:17:1::fe"],
        ..ONE
    },
    Example { file: "nad/macvlan-rails.yaml", rails: 8, ..ONE },
    Example {
        file: "nad/macvlan-inline-pool.yaml",
        pools: "",
        addresses: &["172.16.21.1/24"],
        gateways: &["172.16.21.254"],
        ..ONE
    },
    Example {
        file: "spiderpool/macvlan-rail1.yaml",
        pools: "",
        addresses: &["172.16.31.1/24"],
        gateways: &["172.16.31.254"],
        ..ONE
    },
];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../conf-examples")
}

/// The files of the folder, such as `nad/macvlan-rails.yaml`; all of them, so that a new one has to get its test.
fn files() -> BTreeSet<String> {
    let list = |name: &str| -> Vec<PathBuf> {
        fs::read_dir(folder().join(name)).unwrap().map(|entry| entry.unwrap().path()).collect()
    };
    let names = list("")
        .into_iter()
        .flat_map(|path| if path.is_dir() { list(path.to_str().unwrap()) } else { vec![path] });
    names.map(|path| path.strip_prefix(folder()).unwrap().to_str().unwrap().to_owned()).collect()
}

/// A host with the masters of the examples, and the node's name set to that of the second node.
struct Node {
    world: World,
    bin: PathBuf,
}

impl Node {
    fn new() -> Self {
        let world = World::new();
        for rail in 1..=8 {
            let master = format!("enp1{rail}s0f0np0");
            world.host().ip_do(&format!("link add {master} type veth peer name rail{rail} netns switch"));
            world.host().ip_do(&format!("link set {master} addrgenmode none up"));
            world.switch().ip_do(&format!("link set rail{rail} addrgenmode none up"));
        }
        world.switch().ip_do("addr add 172.16.11.254/24 dev rail1");
        let bin = world.dirs().scratch.join("bin");
        fs::create_dir(&bin).unwrap();
        for (name, target) in [
            ("macvlan", "macvlan"),
            ("rail-ipam", "rail-ipam"),
            ("coordinator", "coordinator"),
            ("rail", "rail"),
            ("spiderpool", "rail-ipam"),
        ] {
            symlink(binary(target), bin.join(name)).unwrap();
        }
        fs::create_dir_all(world.dirs().config.join("pools.d")).unwrap();
        Self { world, bin }
    }

    fn use_pools(&self, file: &str) {
        let installed = self.world.dirs().config.join("pools.d/pools.yaml");
        match file {
            "" => drop(fs::remove_file(installed)),
            file => drop(fs::copy(folder().join(file), installed).unwrap()),
        }
    }

    /// What railctl prints; it has to succeed and to warn of nothing.
    #[track_caller]
    fn railctl(&self, args: &[&str]) -> String {
        let mut command = Command::new(binary("railctl"));
        command.args(args).env("CNI_PATH", &self.bin).env("NODE_NAME", "node2").envs(self.world.dirs().env());
        for name in ["CNI_IFNAME", "CNI_ARGS", "CAP_ARGS"] {
            command.env_remove(name);
        }
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "railctl {}: {said}", args.join(" "));
        assert!(!said.contains("WARN") && !said.contains("level=warn"), "railctl {}: {said}", args.join(" "));
        String::from_utf8(output.stdout).unwrap()
    }

    #[track_caller]
    fn run(&self, example: &Example, pod: &Pod) {
        self.use_pools(example.pools);
        let path = folder().join(example.file);
        let (file, netns) = (path.to_str().unwrap(), pod.path().to_str().unwrap());
        let before = self.world.snapshot().without("file ");
        self.railctl(&["status", file]);
        let printed: Value = serde_json::from_str(&self.railctl(&["attach", file, netns])).unwrap();
        let first = if example.rails == 1 { &printed } else { &printed[0] };
        let ips = first["ips"].as_array().unwrap();
        let column =
            |key: &str| ips.iter().map(|ip| ip[key].as_str().unwrap().to_owned()).collect::<Vec<_>>();
        assert_eq!(
            (column("address"), column("gateway")),
            (owned(example.addresses), owned(example.gateways))
        );
        assert_policy(pod, example);
        self.railctl(&["gc", file]);
        if example.checked {
            self.railctl(&["check", file, netns]);
        }
        self.railctl(&["detach", file, netns]);
        assert_same(&before, &self.world.snapshot().without("file "));
    }
}

fn owned(texts: &[&str]) -> Vec<String> {
    texts.iter().map(ToString::to_string).collect()
}

/// Each interface has a rule for its address, and each rule's table a default route by that interface.
#[track_caller]
fn assert_policy(pod: &Pod, example: &Example) {
    for rail in 1..=example.rails {
        let (link, table) = (format!("net{rail}"), (100 + u32::from(rail)).to_string());
        for (address, gateway) in example.addresses.iter().zip(example.gateways) {
            let family = if address.contains(':') { "-6" } else { "-4" };
            let rules = pod.ip(&[family, "rule", "show", "table", &table]);
            let routes = pod.ip(&[family, "route", "show", "table", &table, "default"]);
            assert_eq!(routes[0]["dev"], link, "{}: {rules} {routes}", example.file);
            if rail == 1 {
                let address = address.split('/').next().unwrap();
                assert_eq!((&rules[0]["src"], &routes[0]["gateway"]), (&json!(address), &json!(gateway)));
            }
        }
    }
}

#[test]
fn every_network_is_attached_checked_and_detached() {
    for example in EXAMPLES {
        let node = Node::new();
        node.run(example, &node.world.pod("pod"));
    }
}

#[test]
fn the_eight_rails_are_attached_by_their_names() {
    let node = Node::new();
    let pod = node.world.pod("pod");
    node.use_pools(SHARED);
    let conf = folder().join("macvlan");
    let mut args = vec!["attach"];
    let names: Vec<_> = (1..=8).map(|rail| format!("gpu{rail}-macvlan")).collect();
    args.extend(names.iter().map(String::as_str));
    args.extend([pod.path().to_str().unwrap(), "--conf-dir", conf.to_str().unwrap(), "-o", "table"]);
    let table = node.railctl(&args);
    for rail in 1..=8 {
        let row = format!("gpu{rail}-macvlan  net{rail}  172.16.1{rail}.1/24  172.16.1{rail}.254");
        assert!(table.contains(&row), "{table}");
    }
}

/// One network, one process, and the same as by the eight chains.
#[test]
fn one_network_of_rail_attaches_all_eight() {
    let node = Node::new();
    let pod = node.world.pod("pod");
    node.use_pools(SHARED);
    let before = node.world.snapshot().without("file ");
    let file = folder().join(OF_RAIL);
    let (file, netns) = (file.to_str().unwrap(), pod.path().to_str().unwrap());
    assert!(node.railctl(&["explain", file]).contains("net8: table 108"));
    let result: Value = serde_json::from_str(&node.railctl(&["attach", file, netns])).unwrap();
    assert_eq!(result["ips"].as_array().map(Vec::len), Some(8));
    assert_policy(&pod, &Example { file: OF_RAIL, rails: 8, ..ONE });
    node.railctl(&["gc", file]);
    node.railctl(&["check", file, netns]);
    node.railctl(&["detach", file, netns]);
    assert_same(&before, &node.world.snapshot().without("file "));
}

/// What `railctl render` prints for the cluster is attached like any other definition.
#[test]
#[expect(clippy::disallowed_methods, reason = "nobody reads the files while they are written")]
fn a_rendered_network_of_spiderpool_is_attached() {
    let node = Node::new();
    let pod = node.world.pod("pod");
    let source = folder().join("spiderpool/macvlan-rail1.yaml");
    fs::write(
        node.world.dirs().config.join("pools.d/pools.yaml"),
        fs::read_to_string(&source).unwrap().split("---").next().unwrap(),
    )
    .unwrap();
    let rendered = node.world.dirs().scratch.join("rendered.yaml");
    fs::write(&rendered, node.railctl(&["render", source.to_str().unwrap()])).unwrap();
    let (file, netns) = (rendered.to_str().unwrap(), pod.path().to_str().unwrap());
    let result: Value = serde_json::from_str(&node.railctl(&["attach", file, netns])).unwrap();
    assert_eq!(result["ips"][0]["address"], "172.16.31.1/24");
    node.railctl(&["check", file, netns]);
    node.railctl(&["detach", file, netns]);
}

/// From one page to a pod with eight rails, without a cluster: the pools and the network that the plan has for a node.
#[test]
fn a_planned_fabric_is_attached() {
    let node = Node::new();
    let (pod, plan) = (node.world.pod("pod"), node.world.dirs().scratch.join("plan"));
    let nodes = node.world.file("nodes.yaml", "kind: Node\nmetadata: {name: node2}\n");
    // But for its RDMA devices, which this kernel may lack.
    let page = fs::read_to_string(folder().join(FABRIC)).unwrap().replace("  rdma: shared\n", "");
    let page = node.world.file("fabric.yaml", page);
    let before = node.world.snapshot().without("file ");
    let [page, nodes, out] = [&page, &nodes, &plan].map(|path| path.to_str().unwrap());
    node.railctl(&["plan", page, "--nodes", nodes, "-o", out]);
    let own = plan.join("nodes/node2");
    fs::copy(own.join("pools.d/gpu.yaml"), node.world.dirs().config.join("pools.d/pools.yaml")).unwrap();
    let network = own.join("net.d/gpu.conflist");
    let (network, netns) = (network.to_str().unwrap(), pod.path().to_str().unwrap());
    let result: Value = serde_json::from_str(&node.railctl(&["attach", network, netns])).unwrap();
    let addresses: Vec<_> = result["ips"].as_array().unwrap().iter().map(|ip| &ip["address"]).collect();
    assert_eq!((addresses.len(), addresses[7]), (8, &json!("172.16.18.1/24")));
    node.railctl(&["check", network, netns]);
    node.railctl(&["detach", network, netns]);
    assert_same(&before, &node.world.snapshot().without("file "));
}

/// The VM lab runs the same chain as `sriov/per-node.conflist` and `sriov/mtu-4200.conflist`.
#[test]
fn a_rendered_network_on_vfs_is_the_chain_that_the_guides_mean() {
    let node = Node::new();
    let file = folder().join(RENDERED);
    let config: Value =
        serde_json::from_str(&node.railctl(&["render", file.to_str().unwrap(), "-o", "conflist"])).unwrap();
    let ippools = json!({ "ipv4": ["rail1-*"], "matchMasterSubnet": true });
    let sriov = json!({ "type": "sriov", "mtu": 4200, "ipam": { "type": "rail-ipam", "ippools": ippools } });
    assert_eq!(config["plugins"], json!([sriov, { "type": "rdma" }, { "type": "coordinator" }]));
}

/// `eth0` is a rail itself, the second rail is added as usual, and the node says what services there are.
#[test]
fn the_default_network_may_be_a_rail() {
    let node = Node::new();
    let pod = node.world.bare_pod("pod");
    node.use_pools(SHARED);
    fs::copy(folder().join(NODE_YAML), node.world.dirs().config.join("node.yaml")).unwrap();
    let service = std::net::Ipv4Addr::new(10, 96, 0, 1);
    node.world
        .host()
        .ip_do(&format!("addr add 172.16.11.250/24 dev enp11s0f0np0\naddr add {service}/32 dev lo"));
    let before = node.world.snapshot().without("file ");
    let (first, second) = (folder().join(UNDERLAY), folder().join("macvlan/rail2.conflist"));
    let (first, second, netns) =
        (first.to_str().unwrap(), second.to_str().unwrap(), pod.path().to_str().unwrap());
    node.railctl(&["attach", first, netns, "--ifname", "eth0"]);
    node.railctl(&["attach", second, netns, "--ifname", "net2"]);
    for address in ["172.16.11.1", "172.16.12.1"] {
        let near: std::net::Ipv4Addr = address.parse().unwrap();
        node.world.host().assert_ping(&testkit::Ping::to(near));
        pod.assert_ping(&testkit::Ping::to(service).from(near));
    }
    assert_eq!(pod.ip(&["route", "get", "10.96.0.1", "from", "172.16.12.1"])[0]["dev"], "veth0");
    node.railctl(&["check", second, netns, "--ifname", "net2"]);
    node.railctl(&["check", first, netns, "--ifname", "eth0"]);
    node.railctl(&["detach", second, netns, "--ifname", "net2"]);
    node.railctl(&["detach", first, netns, "--ifname", "eth0"]);
    assert_same(&before, &node.world.snapshot().without("file "));
}

/// What goes to another node's rail goes out on rail 1, as the pool's route says.
#[test]
fn rail_one_of_a_node_carries_what_goes_to_other_rails() {
    let node = Node::new();
    let pod = node.world.pod("pod");
    node.use_pools("pools/rails-per-node-27.yaml");
    let file = folder().join("macvlan/per-node-rail1.conflist");
    node.railctl(&["attach", file.to_str().unwrap(), pod.path().to_str().unwrap()]);
    let route = pod.ip(&["route", "get", "172.16.8.5"]);
    assert_eq!((&route[0]["dev"], &route[0]["gateway"]), (&json!("net1"), &json!("172.16.1.33")));
}

/// Every pool gives an address of its subnet; `railctl pools` counts it.
#[test]
fn every_pool_gives_an_address() {
    let node = Node::new();
    let files = files();
    for file in files.iter().filter(|file| file.starts_with("pools/")) {
        node.use_pools(file);
        let pools: Vec<Value> = serde_json::from_str(&node.railctl(&["pools", "-o", "json"])).unwrap();
        assert!(pools.len() >= 8, "{file}: {pools:?}");
        for pool in &pools {
            let name = pool["pool"].as_str().unwrap();
            let family = if pool["subnet"].as_str().unwrap().contains(':') { "ipv6" } else { "ipv4" };
            let ipam = json!({ "type": "rail-ipam", "ippools": { family: [name] } });
            let config = json!({ "cniVersion": "1.1.0", "name": "pools", "type": "rail-ipam", "ipam": ipam });
            let node_name = if name.ends_with("node1") { "node1" } else { "node2" };
            let plugin = node.world.plugin("rail-ipam").container(name).env("NODE_NAME", node_name);
            let plugin = plugin.netns(node.world.switch().path());
            let result = plugin.add(&config).success();
            assert_eq!(result["ips"].as_array().map(Vec::len), Some(1), "{file}: {name}: {result}");
            plugin.del(&config).success();
        }
    }
}

#[test]
fn every_file_has_its_test() {
    let rails = (1..=8).map(|rail| format!("macvlan/rail{rail}.conflist"));
    let named =
        EXAMPLES.iter().flat_map(|example| [example.file, example.pools]).filter(|file| !file.is_empty());
    let known: BTreeSet<_> = named
        .map(str::to_owned)
        .chain(rails)
        .chain(["README.md", OF_RAIL, RENDERED].map(str::to_owned))
        .chain(["README.md", OF_RAIL, UNDERLAY, NODE_YAML, FABRIC].map(str::to_owned))
        .collect();
    // These need a NIC with VFs, or links that this kernel may lack: the VM lab runs them. Fabrics of VFs are planned by the tests of
    // `src/fabric`; what is for the node itself is applied by `host.rs`.
    let elsewhere = |file: &String| {
        let folders =
            ["sriov/", "infiniband/", "shared-masters/", "fabric/sriov-", "fabric/infiniband", "host/"];
        folders.iter().any(|folder| file.starts_with(folder))
    };
    let here: BTreeSet<_> = files().into_iter().filter(|file| !elsewhere(file)).collect();
    assert_eq!(here, known);
}
