//! `sriov`, `rdma` and `rail` on VFs: every version of the specification, and the capabilities that they need.

use serde_json::{Value, json};
use testkit::{Pod, World};
use vm::lab::vf;

use crate::conformance::conforms;

fn of(kind: &str, more: impl FnOnce(&World, &Pod) -> Value) {
    let world = World::of_guest();
    let pod = world.pod("a");
    // Or the route of a link-local address would come a second after its link, between two pictures.
    pod.set_sysctl("net/ipv6/conf/default/accept_dad", "0");
    let config = json!({ "cniVersion": "1.1.0", "name": "rail4", "type": kind, "deviceID": vf(3, 0).bdf() });
    let config = netns_tests::suite::with(config, &more(&world, &pod));
    conforms(&world, &world.plugin(kind).netns(pod.path()), &config);
}

fn ipam() -> Value {
    json!({ "type": "rail-ipam", "ranges": [[{ "subnet": "10.66.0.0/24", "gateway": "10.66.0.254" }]] })
}

#[test]
#[ignore = "half a minute in a guest, and rail has it all: make vm-test"]
fn sriov() {
    of("sriov", |_, _| json!({ "vlan": 100, "ipam": ipam() }));
}

#[test]
#[ignore = "half a minute in a guest, and rail has it all: make vm-test"]
fn rdma() {
    of("rdma", |_, pod| {
        let first = json!({ "cniVersion": "1.1.0", "interfaces": [{ "name": "net1", "sandbox": pod.path() }],
                            "ips": [{ "address": "10.66.0.1/24", "interface": 0 }] });
        json!({ "prevResult": first })
    });
}

#[test]
fn rail() {
    of("rail", |_, _| json!({ "link": "sriov", "rdma": "exclusive", "vlan": 100, "ipam": ipam() }));
}
