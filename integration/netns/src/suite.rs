//! What the tests of the whole suite run over: every binary, with a config that it takes and a pod to work in.

use serde_json::{Value, json};
use testkit::{Plugin, Pod, Rail, World};

/// One plugin of the suite.
#[derive(Debug)]
pub struct Binary {
    /// The CNI type and the file name.
    pub name: &'static str,
    config: fn() -> Value,
    /// It works on the interface of a plugin before it.
    pub chained: bool,
}

/// Every plugin that this kernel can run. A new one joins with a line.
pub const BINARIES: &[Binary] = &[
    Binary { name: "macvlan", config: macvlan, chained: false },
    Binary { name: "rail-ipam", config: macvlan, chained: false },
    Binary { name: "coordinator", config: coordinator, chained: true },
];

/// Versions of the specification, the oldest first.
pub const VERSIONS: [&str; 7] = ["0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"];

impl Binary {
    /// The one of that name.
    #[track_caller]
    pub fn named(name: &str) -> &'static Self {
        let binary = BINARIES.iter().find(|binary| binary.name == name);
        binary.unwrap_or_else(|| panic!("{name} is not in the table of the suite"))
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
        pod.set_sysctl("net/ipv6/conf/default/accept_dad", "0");
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
}
