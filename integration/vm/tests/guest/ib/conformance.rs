//! `ib-sriov`: every version of the specification, and the capabilities that it needs.

use serde_json::json;
use testkit::World;
use vm::lab::vf;

use crate::conformance::conforms;

#[test]
fn ib_sriov() {
    let world = World::of_guest();
    let pod = world.pod("a");
    let config = json!({
        "cniVersion": "1.1.0", "name": "ib4", "type": "ib-sriov", "deviceID": vf(3, 0).bdf(),
        "guid": "11:22:33:44:55:66:77:04", "rdmaIsolation": true,
        "ipam": { "type": "rail-ipam", "ranges": [[{ "subnet": "10.66.0.0/24" }]] },
    });
    conforms(&world, &world.plugin("ib-sriov").netns(pod.path()), &config);
}
