//! `ipoib`: every version of the specification, and the capabilities that it needs.

use serde_json::json;
use testkit::World;

use super::parent;
use crate::conformance::conforms;

#[test]
fn ipoib() {
    let world = World::of_guest();
    let pod = world.pod("a");
    let ipam = json!({ "type": "rail-ipam", "ranges": [[{ "subnet": "10.77.0.0/24" }]] });
    // In a partition of its own: in its parent's, it would have its parent's link-local address, and one of them would fail DAD.
    let config = json!({
        "cniVersion": "1.1.0", "name": "ib-rail1", "type": "ipoib", "master": parent(0), "pkey": "0x8001", "ipam": ipam,
    });
    conforms(&world, &world.plugin("ipoib").netns(pod.path()), &config);
}
