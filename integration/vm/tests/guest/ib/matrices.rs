//! `ib-sriov`, killed and made to fail at its points.

use serde_json::json;
use testkit::{Chain, Pod, Share, World};
use vm::lab::vf;

use crate::subject::{Subject, matrices};

matrices! {
    World::of_guest();
    ib_sriov = IB_SRIOV;
}

const IB_SRIOV: Subject =
    Subject { name: "ib-sriov", share: Share::About(12), ignored: &[], chain: ib_sriov };

/// GUIDs, link state and the RDMA device: all that a VF can be given.
fn ib_sriov(world: &World, pod: &Pod) -> Chain {
    let config = json!({
        "cniVersion": "1.1.0", "name": "ib5", "type": "ib-sriov", "deviceID": vf(4, 0).bdf(),
        "guid": "11:22:33:44:55:66:77:05", "link_state": "enable", "rdmaIsolation": true,
        "ipam": { "type": "rail-ipam", "ranges": [[{ "subnet": "10.66.0.0/24" }]] },
    });
    Chain::default().first(world.plugin("ib-sriov").netns(pod.path()), config)
}
