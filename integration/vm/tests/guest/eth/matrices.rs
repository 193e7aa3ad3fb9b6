//! `sriov`, and the chain that a rail of RoCE is made of, killed and made to fail at their points.

use serde_json::{Value, json};
use testkit::{Chain, Pod, Share, World};
use vm::lab::vf;

use crate::subject::{Subject, matrices};

matrices! {
    World::of_guest();
    sriov = SRIOV;
    sriov_rdma_coordinator = CHAIN;
}

const SRIOV: Subject = Subject { name: "sriov", share: Share::About(12), ignored: &[], chain: alone };
const CHAIN: Subject =
    Subject { name: "sriov, rdma, coordinator", share: Share::About(12), ignored: &[], chain: chained };

fn alone(world: &World, pod: &Pod) -> Chain {
    Chain::default().first(world.plugin("sriov").netns(pod.path()), config())
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

/// All that a VF can be given.
fn config() -> Value {
    json!({
        "cniVersion": "1.1.0", "name": "rail5", "type": "sriov", "deviceID": vf(4, 0).bdf(),
        "mac": "02:00:5e:10:00:02", "vlan": 100, "max_tx_rate": 100, "spoofchk": "on", "trust": "on",
        "ipam": { "type": "rail-ipam", "ranges": [[{ "subnet": "10.66.0.0/24", "gateway": "10.66.0.254" }]] },
    })
}
