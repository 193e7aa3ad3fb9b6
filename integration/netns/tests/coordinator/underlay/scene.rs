use std::net::Ipv4Addr;

use serde_json::{Value, json};
use testkit::{Plugin, Rail, Snapshot, Space, World};

use crate::pod::{Stack, add_nic, lines, merge, previous};

/// A pod without any main CNI: `eth0` is a macvlan on rail 1, `net2` and so on are macvlans on the others. The node has
/// an address on each rail, as AI nodes do, and no macvlan reaches that.
pub(crate) struct Underlay {
    pub(crate) world: World,
    pub(crate) pod: Space,
    pub(crate) rails: Vec<Rail>,
}

/// A service, on the node.
pub(crate) const SERVICE: Ipv4Addr = Ipv4Addr::new(10, 96, 0, 1);
/// A client that is routed to the pod by its node, as for `externalTrafficPolicy: Local`.
pub(crate) const CLIENT: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 9);

impl Underlay {
    pub(crate) fn new(rails: u8) -> Self {
        let world = World::new();
        let pod = world.bare_pod("a");
        let rails: Vec<Rail> = (1..=rails).map(|number| world.rail(number)).collect();
        let host = world.host();
        for rail in &rails {
            add_nic(&world, &pod, rail, &name(rail), Stack::Dual);
            let (v4, v6) = (rail.address4(1), rail.address6(1));
            host.ip_do(&format!("addr add {v4}/24 dev {m}\naddr add {v6}/64 dev {m} nodad", m = rail.master));
        }
        host.ip_do(&format!("addr add {SERVICE}/32 dev lo\naddr add fd00:96::1/128 dev lo nodad"));
        for key in ["net/ipv4/ip_forward", "net/ipv6/conf/all/forwarding"] {
            host.set_sysctl(key, "1");
        }
        settle(host);
        Self { world, pod, rails }
    }

    /// What `command` prints on the node.
    pub(crate) fn on_node(&self, command: &[&str]) -> Vec<String> {
        let run = || std::process::Command::new(command[0]).args(&command[1..]).output().unwrap();
        let output = self.world.host().run(run);
        assert!(output.status.success(), "{command:?}: {output:?}");
        lines(&output)
    }

    /// A namespace behind the node, and no other way back to it than by the node.
    pub(crate) fn client(&self) -> Space {
        let client = self.world.bare_pod("client");
        self.world.host().ip_do("link add wan type veth peer name uplink netns client\nlink set wan up\naddr add 203.0.113.1/24 dev wan\naddr add fd00:113::1/64 dev wan nodad");
        client.ip_do(&format!("link set uplink up\naddr add {CLIENT}/24 dev uplink\naddr add fd00:113::9/64 dev uplink nodad\nroute add default via 203.0.113.1\nroute add default via fd00:113::1"));
        let gateway = testkit::Ping::to([203, 0, 113, 1]).within(std::time::Duration::from_millis(200));
        let answered = || client.ping(&gateway).unwrap_or(false).then_some(());
        testkit::eventually(std::time::Duration::from_secs(10), answered)
            .expect("the node answers its client");
        client
    }

    pub(crate) fn plugin(&self, number: usize) -> Plugin {
        let plugin = self.world.plugin("coordinator").netns(self.pod.path());
        plugin.container("0123456789abcdef").ifname(&name(&self.rails[number - 1]))
    }

    pub(crate) fn bare_config(number: usize) -> Value {
        json!({ "cniVersion": "1.1.0", "name": format!("rail{number}"), "type": "coordinator" })
    }

    pub(crate) fn config(&self, number: usize, more: &Value) -> Value {
        let rail = &self.rails[number - 1];
        let mut config = Self::bare_config(number);
        config["prevResult"] = previous(&self.pod, rail, &name(rail), Stack::Dual);
        merge(&mut config, more);
        config
    }

    pub(crate) fn add(&self, number: usize, more: &Value) -> Value {
        self.plugin(number).add(&self.config(number, more)).success()
    }

    pub(crate) fn del(&self, number: usize) {
        self.plugin(number).del(&Self::bare_config(number)).success();
    }

    /// CHECK with the result of ADD; the differences, empty when there are none.
    pub(crate) fn check(&self, number: usize, more: &Value, result: &Value) -> String {
        let mut config = self.config(number, more);
        config["prevResult"] = result.clone();
        let outcome = self.plugin(number).check(&config);
        if outcome.status.success() { String::new() } else { outcome.error().msg }
    }

    pub(crate) fn rules(&self, family: &str) -> Vec<String> {
        lines(&self.pod.exec(&["ip", family, "rule", "show"]))
    }

    pub(crate) fn table(&self, family: &str, table: &str) -> Vec<String> {
        lines(&self.pod.exec(&["ip", family, "route", "show", "table", table]))
    }

    /// As `nft` lists it.
    pub(crate) fn ruleset(&self) -> Vec<String> {
        let output = self.pod.exec(&["nft", "list", "ruleset"]);
        assert!(output.status.success(), "nft, of the package nftables, is needed: {output:?}");
        lines(&output).into_iter().filter(|line| !line.is_empty()).collect()
    }

    /// Links, addresses, rules, routes, neighbours, sysctls and files, and the pod's firewall.
    pub(crate) fn snapshot(&self) -> (Snapshot, Vec<String>) {
        (self.world.snapshot().without("file state/locks/"), self.ruleset())
    }
}

/// The kernel makes the local routes of IPv6 addresses a moment later; a snapshot must not race with it.
fn settle(space: &Space) {
    let count = |args: &[&str]| {
        let list = space.ip(args);
        let infos = |link: &Value| link["addr_info"].as_array().map_or(1, Vec::len);
        list.as_array().map_or(0, |list| list.iter().map(infos).sum::<usize>())
    };
    let ready = || {
        let addresses = count(&["-6", "addr", "show"]);
        let routes = count(&["-6", "route", "show", "table", "local", "type", "local"]);
        (routes == addresses).then_some(())
    };
    testkit::eventually(std::time::Duration::from_secs(10), ready).expect("IPv6 of the node settles");
}

fn name(rail: &Rail) -> String {
    if rail.number == 1 { "eth0".to_owned() } else { format!("net{}", rail.number) }
}
