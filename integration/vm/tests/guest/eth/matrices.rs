//! `sriov`, `rdma`, the chain that a rail of RoCE is made of, and `rail`, which does the same alone: killed and made to fail
//! at their points.

use serde_json::{Value, json};
use testkit::{Chain, Pod, Share, World, torture};
use vm::lab::vf;

use crate::subject::{Subject, matrices, rare_matrices};

matrices! {
    World::of_guest();
    rails = RAILS;
}

rare_matrices! {
    World::of_guest();
    sriov = SRIOV;
    rdma = RDMA;
    sriov_rdma_coordinator = CHAIN;
    rail = RAIL;
}

const SRIOV: Subject = Subject { name: "sriov", share: Share::About(8), ignored: &[], chain: alone };
const RDMA: Subject = Subject { name: "rdma", share: Share::About(4), ignored: &[], chain: rdma };
const CHAIN: Subject =
    Subject { name: "sriov, rdma, coordinator", share: Share::About(8), ignored: &[], chain: chained };
const RAIL: Subject = Subject { name: "rail of a VF", share: Share::About(4), ignored: &[], chain: rail };
const RAILS: Subject =
    Subject { name: "rails of VFs", share: Share::Sample(2), ignored: &[], chain: several };

fn alone(world: &World, pod: &Pod) -> Chain {
    Chain::default().first(world.plugin("sriov").netns(pod.path()), config())
}

/// After a plugin that is not killed: its link stays where it is. The device information file is where a leftover is seen.
fn rdma(world: &World, pod: &Pod) -> Chain {
    let (vf, folder) = (vf(4, 1), &world.dirs().peer);
    let allowed = format!("paths: {{ CNIDeviceInfoFile: ['{}'] }}\n", folder.display());
    state::file::replace(&world.dirs().config.join("node.yaml"), allowed.as_bytes()).expect("node.yaml");
    let config = json!({
        "cniVersion": "1.1.0", "name": "rail5", "type": "rdma", "deviceID": vf.bdf(), "rdmaDeviceName": "rail",
        "prevResult": { "cniVersion": "1.1.0", "interfaces": [{ "name": "net1", "sandbox": pod.path() }] },
        "runtimeConfig": { "CNIDeviceInfoFile": folder.join("devinfo/rail5.json") },
    });
    Chain::default().first(world.plugin("rdma").netns(pod.path()), config)
}

fn chained(world: &World, pod: &Pod) -> Chain {
    let plugin = |name: &str| world.plugin(name).netns(pod.path());
    let rdma = json!({ "cniVersion": "1.1.0", "name": "rail5", "type": "rdma", "deviceID": vf(4, 0).bdf() });
    let routing = json!({ "cniVersion": "1.1.0", "name": "rail5", "type": "coordinator", "podDefaultRouteNic": "net1" });
    Chain::default()
        .first(plugin("sriov"), config())
        .then(plugin("rdma"), rdma)
        .then(plugin("coordinator"), routing)
}

fn rail(world: &World, pod: &Pod) -> Chain {
    rails_of(world, pod, 4..=4)
}

/// Eight take a guest so long that a bounded run has two.
fn several(world: &World, pod: &Pod) -> Chain {
    rails_of(world, pod, 0..=if torture() { 7 } else { 1 })
}

/// VF, RDMA device, address and policy routing of each.
fn rails_of(world: &World, pod: &Pod, numbers: std::ops::RangeInclusive<usize>) -> Chain {
    let entry = |number: usize| {
        let subnet = format!("10.{}.0.0/24", 80 + number);
        let ranges = json!([[{ "subnet": subnet, "gateway": format!("10.{}.0.254", 80 + number) }]]);
        json!({ "deviceID": vf(number, 0).bdf(),
                "ipam": { "type": "rail-ipam", "routes": [{ "dst": "0.0.0.0/0" }], "ranges": ranges } })
    };
    let config = json!({
        "cniVersion": "1.1.0", "name": "rails", "type": "rail", "link": "sriov", "rdma": "exclusive",
        "vlan": 100, "spoofchk": "on", "trust": "on", "rails": numbers.map(entry).collect::<Vec<_>>(),
    });
    Chain::default().first(world.plugin("rail").netns(pod.path()), config)
}

/// All that a VF can be given.
fn config() -> Value {
    json!({
        "cniVersion": "1.1.0", "name": "rail5", "type": "sriov", "deviceID": vf(4, 0).bdf(),
        "mac": "02:00:5e:10:00:02", "vlan": 100, "max_tx_rate": 100, "spoofchk": "on", "trust": "on",
        "ipam": { "type": "rail-ipam", "ranges": [[{ "subnet": "10.66.0.0/24", "gateway": "10.66.0.254" }]] },
    })
}
