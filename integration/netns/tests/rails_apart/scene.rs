//! A pod and its rails, by our plugins.

use serde_json::{Value, json};
use testkit::{Plugin, Pod, Rail, Snapshot, World};

pub(crate) struct Scene {
    pub(crate) world: World,
    pub(crate) pod: Pod,
    pub(crate) rails: Vec<Rail>,
}

impl Scene {
    pub(crate) fn new(rails: u8) -> Self {
        let world = World::new();
        let pod = world.pod("a");
        let rails = (1..=rails).map(|number| world.rail(number)).collect();
        Self { world, pod, rails }
    }

    pub(crate) fn plugin(&self, name: &str, number: usize) -> Plugin {
        self.world.plugin(name).netns(self.pod.path()).ifname(&format!("net{number}"))
    }

    /// ADD of `macvlan` and `coordinator`; the result of the latter.
    pub(crate) fn add(&self, number: usize, ipam: &Value, more: &Value) -> Value {
        let mut config = config("macvlan", number, more);
        config["master"] = json!(format!("rail{number}"));
        config["ipam"] = ipam.clone();
        let mut chained = config_of(number);
        chained["prevResult"] = self.plugin("macvlan", number).add(&config).success();
        self.plugin("coordinator", number).add(&chained).success()
    }

    /// CHECK of both with the result of ADD.
    pub(crate) fn check(&self, number: usize, ipam: &Value, result: &Value) {
        let mut link = config("macvlan", number, &json!({ "master": format!("rail{number}"), "ipam": ipam }));
        let mut routing = config_of(number);
        for config in [&mut link, &mut routing] {
            config["prevResult"] = result.clone();
        }
        self.plugin("macvlan", number).check(&link).success();
        self.plugin("coordinator", number).check(&routing).success();
    }

    pub(crate) fn del(&self, number: usize, ipam: &Value) {
        self.plugin("coordinator", number).del(&config_of(number)).success();
        let link = config("macvlan", number, &json!({ "ipam": ipam }));
        self.plugin("macvlan", number).del(&link).success();
    }

    /// What the kernel has; records and leases are the plugins' own.
    pub(crate) fn kernel(&self) -> Snapshot {
        self.world.snapshot().without("file ").without("lease ")
    }
}

fn config_of(number: usize) -> Value {
    config("coordinator", number, &json!({}))
}

pub(crate) fn config(plugin: &str, number: usize, more: &Value) -> Value {
    let mut config = json!({ "cniVersion": "1.1.0", "name": format!("rail{number}"), "type": plugin });
    for (key, value) in more.as_object().into_iter().flatten() {
        config[key] = value.clone();
    }
    config
}

/// `.10` to `.11` of the rail, in the families of `subnets`.
pub(crate) fn ipam(number: usize, families: &[u8], routes: &Value) -> Value {
    let v4 = json!([{ "subnet": format!("172.16.{number}.0/24"), "rangeStart": format!("172.16.{number}.10"),
                      "rangeEnd": format!("172.16.{number}.11"), "gateway": format!("172.16.{number}.254") }]);
    let v6 = json!([{ "subnet": format!("fd00:16:{number}::/64"), "rangeStart": format!("fd00:16:{number}::10"),
                      "rangeEnd": format!("fd00:16:{number}::11"), "gateway": format!("fd00:16:{number}::fe") }]);
    let ranges: Vec<_> =
        families.iter().map(|family| if *family == 4 { v4.clone() } else { v6.clone() }).collect();
    json!({ "type": "rail-ipam", "ranges": ranges, "routes": routes })
}
