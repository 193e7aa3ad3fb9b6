//! `ib-sriov`, and `rail` on the same VFs, killed and made to fail at their points.

use serde_json::{Value, json};
use testkit::{Chain, Pod, Share, World};
use vm::lab::vf;

use crate::subject::{Subject, matrices, rare_matrices};

matrices! {
    World::of_guest();
    rail = RAIL;
}

rare_matrices! {
    World::of_guest();
    ib_sriov = IB_SRIOV;
}

const IB_SRIOV: Subject = Subject { name: "ib-sriov", share: Share::About(6), ignored: &[], chain: ib_sriov };
const RAIL: Subject =
    Subject { name: "rail of an InfiniBand VF", share: Share::About(4), ignored: &[], chain: rail };

fn ib_sriov(world: &World, pod: &Pod) -> Chain {
    let mut config = settings("11:22:33:44:55:66:77:05");
    config["type"] = json!("ib-sriov");
    config["rdmaIsolation"] = json!(true);
    Chain::default().first(world.plugin("ib-sriov").netns(pod.path()), config)
}

fn rail(world: &World, pod: &Pod) -> Chain {
    let mut config = settings("11:22:33:44:55:66:77:06");
    config["type"] = json!("rail");
    config["link"] = json!("ib-sriov");
    config["rdma"] = json!("exclusive");
    Chain::default().first(world.plugin("rail").netns(pod.path()), config)
}

/// GUIDs, link state and the RDMA device: all that a VF can be given.
fn settings(guid: &str) -> Value {
    json!({
        "cniVersion": "1.1.0", "name": "ib5", "deviceID": vf(4, 0).bdf(), "guid": guid, "link_state": "enable",
        "ipam": { "type": "rail-ipam", "ranges": [[{ "subnet": "10.66.0.0/24" }]] },
    })
}
