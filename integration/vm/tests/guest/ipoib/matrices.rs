//! `ipoib`, killed and made to fail at its points.

use serde_json::json;
use testkit::{Chain, Pod, Share, World};

use super::parent;
use crate::subject::{Subject, matrices};

matrices! {
    World::of_guest();
    ipoib = IPOIB;
}

const IPOIB: Subject = Subject { name: "ipoib", share: Share::About(4), ignored: &[], chain: ipoib };

/// A partition of its own and an MTU: all that a child can be given.
fn ipoib(world: &World, pod: &Pod) -> Chain {
    let config = json!({
        "cniVersion": "1.1.0", "name": "ib-rail1", "type": "ipoib", "master": parent(0), "pkey": "0x8001", "mtu": 2044,
        "ipam": { "type": "rail-ipam", "ranges": [[{ "subnet": "10.77.0.0/24", "gateway": "10.77.0.254" }]] },
    });
    Chain::default().first(world.plugin("ipoib").netns(pod.path()), config)
}
