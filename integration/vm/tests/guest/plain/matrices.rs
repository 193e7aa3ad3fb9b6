//! `ipvlan` and `ifacer`, whose kinds of link a build machine's kernel may lack, killed and made to fail at their points.

use serde_json::{Value, json};
use testkit::{Chain, Pod, Share, World};

use crate::subject::{Subject, matrices, rare_matrices};

matrices! {
    world();
    ipvlan = IPVLAN;
    ifacer_macvlan = IFACER;
}

mod ifacer_raised {
    use super::*;

    rare_matrices! {
        world_that_is_down();
        ifacer = RAISED;
    }
}

const IPVLAN: Subject = Subject { name: "ipvlan", share: Share::About(4), ignored: &[], chain: ipvlan };
const IFACER: Subject = Subject {
    name: "ifacer, macvlan",
    share: Share::About(4),
    // A port that comes up again has its link-local routes behind those of the others; the bond's own address waits for its carrier.
    ignored: &["host route6 ", "host addr6 \"bond0"],
    chain: on_a_vlan_of_a_bond,
};

const RAISED: Subject =
    Subject { name: "ifacer on a NIC that is down", share: Share::About(4), ignored: &[], chain: on_a_vlan };

fn world() -> World {
    let world = World::new();
    world.let_take_whole(&["rail1", "rail2"]);
    for number in [1, 2] {
        world.rail(number);
    }
    world
}

fn world_that_is_down() -> World {
    let world = world();
    world.host().ip_do("link set rail1 down");
    world
}

fn ipvlan(world: &World, pod: &Pod) -> Chain {
    let config = json!({ "cniVersion": "1.1.0", "name": "rail1", "type": "ipvlan", "master": "rail1", "ipam": ipam() });
    Chain::default().first(world.plugin("ipvlan").netns(pod.path()), config)
}

/// All that `ifacer` can make, and a link on it: the VLAN goes with its last user.
fn on_a_vlan_of_a_bond(world: &World, pod: &Pod) -> Chain {
    let plugin = |name: &str| world.plugin(name).netns(pod.path());
    let bond = json!({ "name": "bond0", "mode": "active-backup", "options": "miimon=50; primary=rail2" });
    let master = json!({ "cniVersion": "1.1.0", "name": "storage", "type": "ifacer", "interfaces": ["rail1", "rail2"],
                         "bond": bond, "vlanID": 100, "cleanup": true });
    let link = json!({ "cniVersion": "1.1.0", "name": "storage", "type": "macvlan", "master": "bond0.100", "ipam": ipam() });
    Chain::default().first(plugin("ifacer"), master).then(plugin("macvlan"), link)
}

fn on_a_vlan(world: &World, pod: &Pod) -> Chain {
    let config = json!({ "cniVersion": "1.1.0", "name": "storage", "type": "ifacer", "interfaces": ["rail1"], "vlanID": 100,
                         "cleanup": true });
    Chain::default().first(world.plugin("ifacer").netns(pod.path()), config)
}

fn ipam() -> Value {
    json!({ "type": "rail-ipam", "routes": [{ "dst": "0.0.0.0/0" }], "ranges": [
        [{ "subnet": "172.16.1.0/24", "rangeStart": "172.16.1.10", "rangeEnd": "172.16.1.11", "gateway": "172.16.1.254" }],
    ] })
}
