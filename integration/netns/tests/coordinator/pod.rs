//! A pod with rails that `ip` made, and the configs and results that a runtime would hand on.

use serde_json::{Value, json};
use testkit::{Plugin, Pod, Rail, Snapshot, Space, World};

/// Which families a rail's NIC has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stack {
    V4,
    V6,
    Dual,
}

/// A world with one pod and its rails' NICs, not coordinated yet.
pub(crate) struct Scene {
    pub(crate) world: World,
    pub(crate) pod: Pod,
    pub(crate) rails: Vec<Rail>,
    stack: Stack,
}

impl Scene {
    pub(crate) fn new(rails: u8, stack: Stack) -> Self {
        let world = World::new();
        let pod = world.pod("a");
        let rails = (1..=rails).map(|number| world.rail(number)).collect();
        let scene = Self { world, pod, rails, stack };
        for rail in &scene.rails {
            scene.add_nic(rail, &nic(rail));
        }
        scene
    }

    /// See [`add_nic`].
    pub(crate) fn add_nic(&self, rail: &Rail, name: &str) {
        add_nic(&self.world, &self.pod, rail, name, self.stack);
    }

    pub(crate) fn plugin(&self, ifname: &str) -> Plugin {
        self.world.plugin("coordinator").netns(self.pod.path()).ifname(ifname)
    }

    /// The config of a rail's network, with what its plugin answered.
    pub(crate) fn config(&self, rail: &Rail, more: &Value) -> Value {
        let mut config =
            json!({ "cniVersion": "1.1.0", "name": format!("rail{}", rail.number), "type": "coordinator" });
        config["prevResult"] = self.previous(rail, &nic(rail));
        merge(&mut config, more);
        config
    }

    pub(crate) fn previous(&self, rail: &Rail, name: &str) -> Value {
        previous(&self.pod, rail, name, self.stack)
    }

    pub(crate) fn add(&self, number: usize, more: &Value) -> Value {
        let rail = &self.rails[number - 1];
        self.plugin(&nic(rail)).add(&self.config(rail, more)).success()
    }

    /// DEL with nothing but what the specification promises.
    pub(crate) fn del(&self, number: usize) {
        let rail = &self.rails[number - 1];
        self.plugin(&nic(rail)).del(&self.bare_config(number)).success();
    }

    pub(crate) fn bare_config(&self, number: usize) -> Value {
        json!({ "cniVersion": "1.1.0", "name": format!("rail{}", self.rails[number - 1].number), "type": "coordinator" })
    }

    /// CHECK with the result of ADD; the differences, empty when there are none.
    pub(crate) fn check(&self, number: usize, more: &Value, result: &Value) -> String {
        let rail = &self.rails[number - 1];
        let mut config = self.config(rail, more);
        config["prevResult"] = result.clone();
        let outcome = self.plugin(&nic(rail)).check(&config);
        if outcome.status.success() { String::new() } else { outcome.error().msg }
    }

    /// As `ip rule`, one line each.
    pub(crate) fn rules(&self, family: &str) -> Vec<String> {
        lines(&self.pod.exec(&["ip", family, "rule", "show"]))
    }

    /// As `ip route show table TABLE`, one line each.
    pub(crate) fn table(&self, family: &str, table: &str) -> Vec<String> {
        lines(&self.pod.exec(&["ip", family, "route", "show", "table", table]))
    }

    /// Everything of the pod that the coordinator may touch; not the locks, which stay.
    pub(crate) fn snapshot(&self) -> Snapshot {
        self.world.snapshot().without("file state/locks/")
    }

    /// The device that unbound traffic to the world outside leaves by.
    pub(crate) fn way_out(&self, family: &str) -> String {
        let target = if family == "-4" { "198.51.100.1" } else { "2001:db8::1" };
        self.pod.ip(&[family, "route", "get", target])[0]["dev"].as_str().unwrap_or_default().to_owned()
    }
}

/// A macvlan on the rail with addresses `.10`, and a default route after those that are there.
pub(crate) fn add_nic(world: &World, pod: &Space, rail: &Rail, name: &str, stack: Stack) {
    world.host().ip_do(&format!(
        "link add link {master} name {name} netns {pod} address 02:00:00:00:04:{number:02x} type macvlan mode bridge",
        master = rail.master,
        number = rail.number,
        pod = pod.name(),
    ));
    pod.set_sysctl(&format!("net/ipv6/conf/{name}/accept_dad"), "0");
    let mut lines = vec![format!("link set {name} up")];
    if stack != Stack::V6 {
        lines.push(format!("addr add {}/24 dev {name}", rail.address4(10)));
        lines.push(format!("route append default via {} dev {name}", rail.gateway4()));
    }
    if stack != Stack::V4 {
        lines.push(format!("addr add {}/64 dev {name}", rail.address6(0x10)));
        lines.push(format!("route append default via {} dev {name}", rail.gateway6()));
    }
    pod.ip_do(&lines.join("\n"));
    pod.settle(name);
}

/// What the plugin of that NIC answered.
pub(crate) fn previous(pod: &Space, rail: &Rail, name: &str, stack: Stack) -> Value {
    let (mut ips, mut routes) = (Vec::new(), Vec::new());
    if stack != Stack::V6 {
        ips.push(json!({ "interface": 0, "address": format!("{}/24", rail.address4(10)), "gateway": rail.gateway4() }));
        routes.push(json!({ "dst": "0.0.0.0/0", "gw": rail.gateway4() }));
    }
    if stack != Stack::V4 {
        ips.push(json!({ "interface": 0, "address": format!("{}/64", rail.address6(0x10)), "gateway": rail.gateway6() }));
        routes.push(json!({ "dst": "::/0", "gw": rail.gateway6() }));
    }
    let interface =
        json!({ "name": name, "mac": format!("02:00:00:00:04:{:02x}", rail.number), "sandbox": pod.path() });
    json!({ "cniVersion": "1.1.0", "interfaces": [interface], "ips": ips, "routes": routes })
}

pub(crate) fn nic(rail: &Rail) -> String {
    format!("net{}", rail.number)
}

pub(crate) fn merge(config: &mut Value, more: &Value) {
    for (key, value) in more.as_object().unwrap_or_else(|| panic!("{more} is no object")) {
        config[key] = value.clone();
    }
}

pub(crate) fn lines(output: &std::process::Output) -> Vec<String> {
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
}
