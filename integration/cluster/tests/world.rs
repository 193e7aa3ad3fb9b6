//! Two hundred nodes without kubelets: a plan from the cluster's own Nodes, and the IPAM plugin on every one of them.

#![expect(clippy::unwrap_used, reason = "the functions between the tests are tests too")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use cluster::{Place, RAILS, World};
use serde_json::{Value, json};
use testkit::binary;

const NODES: usize = 200;

fn gpus() -> Value {
    json!({"nvidia.com/gpu.present": "true"})
}

/// The example's Fabric: a /27 per node and rail.
fn fabric() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../conf-examples/fabric/sriov-roce-per-node.yaml")
}

/// `railctl plan` with the Nodes that kubectl knows, into a directory; the folders of its nodes.
fn plan(world: &World, directory: &Path) -> BTreeSet<String> {
    let mut railctl = Command::new(binary("railctl"));
    railctl.arg("plan").arg(fabric()).args(["--nodes", "kubectl", "-o"]).arg(directory);
    let output = railctl.envs(world.api().environment()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let entries = fs::read_dir(directory.join("nodes")).unwrap().flatten();
    let folders = entries.filter(|entry| entry.path().is_dir());
    folders.map(|entry| entry.file_name().into_string().unwrap()).collect()
}

/// Puts the pools that are planned for a node where its plugins look.
fn install(place: &Place, directory: &Path) {
    let pools = place.config().join("pools.d");
    fs::create_dir_all(&pools).unwrap();
    fs::copy(directory.join("nodes").join(place.name()).join("pools.d/gpu.yaml"), pools.join("gpu.yaml"))
        .unwrap();
}

/// What the IPAM plugin gives a pod's rail on a node.
fn ask(place: &Place, rail: u8) -> Ipv4Addr {
    let mut command = place.command(binary("rail-ipam")).unwrap();
    let ifname = format!("net{rail}");
    let env = [("COMMAND", "ADD"), ("CONTAINERID", "pod"), ("IFNAME", &ifname), ("PATH", "/opt/cni/bin")];
    command.envs(env.map(|(key, value)| (format!("CNI_{key}"), value)));
    command.env("CNI_NETNS", "/run/netns/none-of-ours");
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let name = format!("gpu-rail{rail}");
    let ipam = json!({"type": "rail-ipam", "ippools": {"ipv4": [format!("{name}.*")]}});
    let config = json!({"cniVersion": "1.1.0", "name": name, "type": "rail", "ipam": ipam});
    child.stdin.take().unwrap().write_all(config.to_string().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let result: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(output.status.success(), "{} {ifname}: {result}", place.name());
    let (address, length) = result["ips"][0]["address"].as_str().unwrap().split_once('/').unwrap();
    assert_eq!(length, "27");
    address.parse().unwrap()
}

/// Which /27 of 172.16.0.0/16 an address is in.
fn slice(address: Ipv4Addr) -> u32 {
    u32::from(address) >> 5
}

/// The slices of a node's eight rails, by the addresses that its plugins give.
fn slices(place: &Place) -> Vec<u32> {
    (1..=RAILS).map(|rail| slice(ask(place, rail))).collect()
}

#[test]
fn two_hundred_nodes_have_1600_slices_of_their_own_and_keep_them_when_others_go_and_come() {
    let mut world = World::start(NODES, &gpus()).unwrap();
    world.add("storage", &json!({})).unwrap();
    let directory = world.api().dir().join("plan");
    let folders = plan(&world, &directory);
    assert_eq!(folders.len(), NODES, "a node without GPUs is none of the fabric's");

    let of_fabric = || world.places().iter().filter(|place| place.name() != "storage");
    of_fabric().for_each(|place| install(place, &directory));
    let before: BTreeMap<_, _> = of_fabric().map(|place| (place.name().to_owned(), slices(place))).collect();
    let all: BTreeSet<_> = before.values().flatten().collect();
    assert_eq!(all.len(), NODES * usize::from(RAILS), "two rails have one slice");
    assert!(all.iter().all(|slice| *slice >> 11 == u32::from(Ipv4Addr::new(172, 16, 0, 0)) >> 16));

    let gone = world.remove(NODES / 2).unwrap();
    world.add("late", &gpus()).unwrap();
    let folders = plan(&world, &directory);
    assert!(folders.contains("late"), "a node that came has slices: {folders:?}");
    for place in world.places().iter().filter(|place| place.name() != "storage") {
        install(place, &directory);
        let now = slices(place);
        match before.get(place.name()) {
            Some(earlier) => assert_eq!(&now, earlier, "{}", place.name()),
            None => assert!(now.iter().all(|slice| {
                let of_others = before.iter().filter(|(name, _)| *name != gone.name());
                of_others.flat_map(|(_, slices)| slices).all(|other| other != slice)
            })),
        }
    }
}
