//! What the tests of the whole suite run over: every binary, with a config that it takes and a pod to work in.

use serde_json::{Value, json};
use testkit::{Plugin, Pod, Rail, Snapshot, World};

/// One plugin of the suite.
#[derive(Debug)]
pub struct Binary {
    /// The CNI type and the file name.
    pub name: &'static str,
    config: fn() -> Value,
    /// It works on the interface of a plugin before it.
    pub chained: bool,
    /// What an ADD takes beside a rail and a pod.
    pub needs: Needs,
    /// The first version of the specification that can tell its result: one without addresses takes 0.3.0.
    pub since: &'static str,
}

/// Where an ADD can succeed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// On every kernel with macvlan.
    Nothing,
    /// On a kernel that has its kind of link, as Debian's has in the VM lab.
    Link,
    /// With a VF, or an RDMA device: in the VM lab.
    Device,
}

/// Every plugin. A new one joins with a line.
pub const BINARIES: &[Binary] = &[
    Binary { name: "macvlan", config: macvlan, ..PLAIN },
    Binary { name: "rail-ipam", config: macvlan, ..PLAIN },
    Binary { name: "rail", config: rail, ..PLAIN },
    Binary { name: "coordinator", config: coordinator, chained: true, since: "0.3.0", ..PLAIN },
    Binary { name: "ipvlan", config: ipvlan, needs: Needs::Link, ..PLAIN },
    Binary { name: "ifacer", config: ifacer, needs: Needs::Link, since: "0.3.0", ..PLAIN },
    Binary { name: "sriov", config: sriov, needs: Needs::Device, ..PLAIN },
    Binary { name: "ib-sriov", config: ib_sriov, needs: Needs::Device, ..PLAIN },
    Binary { name: "ipoib", config: ipoib, needs: Needs::Device, ..PLAIN },
    Binary { name: "rdma", config: rdma, chained: true, needs: Needs::Device, since: "0.3.0" },
];

const PLAIN: Binary =
    Binary { name: "", config: macvlan, chained: false, needs: Needs::Nothing, since: "0.1.0" };

/// Versions of the specification, the oldest first.
pub const VERSIONS: [&str; 7] = ["0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"];

impl Binary {
    /// The one of that name.
    #[track_caller]
    pub fn named(name: &str) -> &'static Self {
        let binary = BINARIES.iter().find(|binary| binary.name == name);
        binary.unwrap_or_else(|| panic!("{name} is not in the table of the suite"))
    }

    /// Those of which an ADD needs `needs`.
    pub fn that_need(needs: Needs) -> impl Iterator<Item = &'static Self> {
        BINARIES.iter().filter(move |binary| binary.needs == needs)
    }

    /// The versions in which it can answer, the oldest first.
    pub fn versions(&self) -> impl Iterator<Item = &'static str> {
        VERSIONS.into_iter().skip_while(|version| *version != self.since)
    }

    /// A config in version 1.1.0 with everything but what a chain adds.
    pub fn config(&self) -> Value {
        (self.config)()
    }
}

fn macvlan() -> Value {
    json!({ "cniVersion": "1.1.0", "name": "rail1", "type": "macvlan", "master": "rail1",
            "ipam": { "type": "rail-ipam", "pools": [pool("gpu1", "172.16.1.10-172.16.1.200")] } })
}

fn coordinator() -> Value {
    json!({ "cniVersion": "1.1.0", "name": "rail1", "type": "coordinator" })
}

fn rail() -> Value {
    with(macvlan(), &json!({ "type": "rail" }))
}

fn ipvlan() -> Value {
    with(macvlan(), &json!({ "type": "ipvlan" }))
}

fn ifacer() -> Value {
    json!({ "cniVersion": "1.1.0", "name": "rail1", "type": "ifacer", "interfaces": ["rail1"], "vlanID": 9, "cleanup": true })
}

fn sriov() -> Value {
    with(macvlan(), &json!({ "type": "sriov", "master": null, "deviceID": "0000:3b:02.1" }))
}

fn ib_sriov() -> Value {
    with(sriov(), &json!({ "type": "ib-sriov" }))
}

fn ipoib() -> Value {
    with(macvlan(), &json!({ "type": "ipoib", "master": "ibp3s0" }))
}

fn rdma() -> Value {
    json!({ "cniVersion": "1.1.0", "name": "rail1", "type": "rdma", "deviceID": "0000:3b:02.1" })
}

/// A pool of rail 1.
pub fn pool(name: &str, ips: &str) -> Value {
    json!({
        "apiVersion": "spiderpool.spidernet.io/v2beta1",
        "kind": "SpiderIPPool",
        "metadata": { "name": name },
        "spec": {
            "subnet": "172.16.1.0/24",
            "gateway": "172.16.1.254",
            "ips": [ips],
            "routes": [{ "dst": "172.16.0.0/16", "gw": "172.16.1.254" }],
        },
    })
}

/// `config` with the keys of `more` in place of its own; null takes a key out.
#[must_use]
pub fn with(mut config: Value, more: &Value) -> Value {
    for (key, value) in more.as_object().into_iter().flatten() {
        match (value, config.as_object_mut()) {
            (Value::Null, Some(keys)) => drop(keys.remove(key)),
            _ => config[key] = value.clone(),
        }
    }
    config
}

/// A host with rail 1, and a pod with `eth0`.
pub struct Stage {
    /// What is to be left as it was.
    pub world: World,
    /// The master.
    pub rail: Rail,
    /// Where interfaces go.
    pub pod: Pod,
}

impl Stage {
    /// In a world of its own.
    #[expect(clippy::new_without_default, reason = "it changes the thread, as World does")]
    #[track_caller]
    pub fn new() -> Self {
        let world = World::new();
        let (rail, pod) = (world.rail(1), world.pod("a"));
        // Or the route of a link-local address would come a second after its link, between two pictures.
        for space in [world.host(), &*pod] {
            space.set_sysctl("net/ipv6/conf/default/accept_dad", "0");
        }
        Self { world, rail, pod }
    }

    /// The plugin with the environment of an attachment of the pod: `cid`, `net1`.
    #[track_caller]
    pub fn plugin(&self, binary: &Binary) -> Plugin {
        self.world.plugin(binary.name).netns(self.pod.path())
    }

    /// A config of `version` that an ADD succeeds with. A chained plugin gets `net1` from a macvlan of network `first`.
    #[track_caller]
    pub fn ready(&self, binary: &Binary, version: &str) -> Value {
        let config = with(binary.config(), &json!({ "cniVersion": version }));
        if !binary.chained {
            return config;
        }
        let first = with(macvlan(), &json!({ "cniVersion": version, "name": "first" }));
        let previous = self.plugin(Binary::named("macvlan")).add(&first).success();
        with(config, &json!({ "prevResult": previous }))
    }

    /// Takes back what [`Stage::ready`] made.
    #[track_caller]
    pub fn clear(&self, binary: &Binary, version: &str) {
        if binary.chained {
            let first = with(macvlan(), &json!({ "cniVersion": version, "name": "first" }));
            self.plugin(Binary::named("macvlan")).del(&first).success();
        }
    }

    /// The kernel alone: of the files, locks and the rest of a released address stay.
    pub fn kernel(&self) -> Snapshot {
        self.world.snapshot().without("file ")
    }
}
