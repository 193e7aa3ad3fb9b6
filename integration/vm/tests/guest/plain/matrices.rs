//! `ipvlan`, which a build machine's kernel may lack, killed and made to fail at its points.

use serde_json::{Value, json};
use testkit::{Chain, Pod, Share, World};

use crate::subject::{Subject, matrices};

matrices! {
    world();
    ipvlan = IPVLAN;
}

const IPVLAN: Subject = Subject { name: "ipvlan", share: Share::About(4), ignored: &[], chain: ipvlan };
fn world() -> World {
    let world = World::new();
    world.rail(1);
    world
}

fn ipvlan(world: &World, pod: &Pod) -> Chain {
    let config = json!({ "cniVersion": "1.1.0", "name": "rail1", "type": "ipvlan", "master": "rail1", "ipam": ipam() });
    Chain::default().first(world.plugin("ipvlan").netns(pod.path()), config)
}

fn ipam() -> Value {
    json!({ "type": "rail-ipam", "routes": [{ "dst": "0.0.0.0/0" }], "ranges": [
        [{ "subnet": "172.16.1.0/24", "rangeStart": "172.16.1.10", "rangeEnd": "172.16.1.11", "gateway": "172.16.1.254" }],
    ] })
}
