//! `sriov`, killed and made to fail at its points.

use serde_json::{Value, json};
use testkit::{Chain, Pod, Share, World};
use vm::lab::vf;

use crate::subject::{Subject, matrices};

matrices! {
    World::of_guest();
    sriov = SRIOV;
}

const SRIOV: Subject = Subject { name: "sriov", share: Share::About(12), ignored: &[], chain: alone };

fn alone(world: &World, pod: &Pod) -> Chain {
    Chain::default().first(world.plugin("sriov").netns(pod.path()), config())
}

/// All that a VF can be given.
fn config() -> Value {
    json!({
        "cniVersion": "1.1.0", "name": "rail5", "type": "sriov", "deviceID": vf(4, 0).bdf(),
        "mac": "02:00:5e:10:00:02", "vlan": 100, "max_tx_rate": 100, "spoofchk": "on", "trust": "on",
        "ipam": { "type": "rail-ipam", "ranges": [[{ "subnet": "10.66.0.0/24", "gateway": "10.66.0.254" }]] },
    })
}
