//! What is killed, and made to fail, at every point: each binary that this kernel can run, and whole chains of them.

use std::path::Path;

use serde_json::{Value, json};
use state::Dirs;
use state::calls::Calls;
use testkit::{Chain, Matrix, Plugin, Pod, Share, World};

use crate::suite::pool;

/// One attachment of the matrices.
pub struct Subject {
    /// Of its tests.
    pub name: &'static str,
    /// How many of its points a bounded run tries.
    share: Share,
    rails: u8,
    chain: fn(&World, &Pod) -> Chain,
}

/// All of them. A plugin that joins gets a line, and its tests with it.
pub const SUBJECTS: [Subject; 7] = [
    Subject { name: "macvlan", share: Share::All, rails: 1, chain: macvlan },
    Subject { name: "rail_ipam", share: Share::All, rails: 1, chain: rail_ipam },
    Subject { name: "chain", share: Share::All, rails: 1, chain: |world, pod| chain(world, pod, 1..=1) },
    Subject { name: "two_ids", share: Share::About(12), rails: 2, chain: two_ids },
    Subject { name: "rail", share: Share::All, rails: 2, chain: |world, pod| rail(world, pod, 2) },
    Subject {
        name: "chain_of_eight",
        share: Share::Sample(20),
        rails: 8,
        chain: |world, pod| chain(world, pod, 1..=8),
    },
    Subject {
        name: "rail_of_eight",
        share: Share::Sample(20),
        rails: 8,
        chain: |world, pod| rail(world, pod, 8),
    },
];

impl Subject {
    /// The one of that name.
    #[track_caller]
    pub fn named(name: &str) -> &'static Self {
        let subject = SUBJECTS.iter().find(|subject| subject.name == name);
        subject.unwrap_or_else(|| panic!("{name} is not in the table of the matrices"))
    }

    /// Has `run` end it at its points, in a world of its own.
    #[track_caller]
    pub fn end(&self, run: impl FnOnce(&Matrix<'_>)) {
        self.set_up(|world, chain| run(&Matrix::new(self.name, world, chain, self.share, &[])));
    }

    /// What it asks of the kernel more, or much less, than `benches/counts.txt` says.
    #[track_caller]
    pub fn miscounts(&self) -> Vec<String> {
        self.set_up(|world, chain| {
            // With an agent that counts calls, which is dearer.
            let base = world.dirs().state.parent().unwrap_or(Path::new("/"));
            let calls = Calls::begin(&Dirs::under(base));
            assert!(calls.is_ok(), "{calls:?}");
            chain.miscounts(self.name)
        })
    }

    #[track_caller]
    fn set_up<T>(&self, run: impl FnOnce(&World, Chain) -> T) -> T {
        let world = World::new();
        (1..=self.rails).for_each(|number| drop(world.rail(number)));
        let pod = world.pod("a");
        // Or the route of a link-local address would come a second after its link, between two pictures.
        pod.set_sysctl("net/ipv6/conf/default/accept_dad", "0");
        run(&world, (self.chain)(&world, &pod))
    }
}

fn plugin(world: &World, pod: &Pod, name: &str) -> Plugin {
    world.plugin(name).netns(pod.path())
}

fn macvlan(world: &World, pod: &Pod) -> Chain {
    Chain::default().first(plugin(world, pod, "macvlan"), two_addresses())
}

fn rail_ipam(world: &World, pod: &Pod) -> Chain {
    Chain::default().first(plugin(world, pod, "rail-ipam"), two_addresses())
}

fn two_addresses() -> Value {
    json!({ "cniVersion": "1.1.0", "name": "rail1", "type": "macvlan", "master": "rail1",
            "ipam": { "type": "rail-ipam", "pools": [pool("two", "172.16.1.10-172.16.1.11")] } })
}

/// `macvlan` with `rail-ipam`, then `coordinator` with all that it can change in a pod, for each rail.
fn chain(world: &World, pod: &Pod, rails: std::ops::RangeInclusive<u8>) -> Chain {
    chain_of(rails, |number, name| plugin(world, pod, name).ifname(&format!("net{number}")))
}

/// Interfaces of one namespace that know of each other by that only: hot plug has a container ID of its own.
fn two_ids(world: &World, pod: &Pod) -> Chain {
    chain_of(1..=2, |number, name| {
        plugin(world, pod, name).ifname(&format!("net{number}")).container(&format!("id{number}"))
    })
}

fn chain_of(rails: std::ops::RangeInclusive<u8>, plugin: impl Fn(u8, &str) -> Plugin) -> Chain {
    rails.fold(Chain::default(), |chain, number| {
        let of = |name: &str| plugin(number, name);
        let network = format!("rail{number}");
        let link = json!({ "cniVersion": "1.1.0", "name": network, "type": "macvlan", "master": network, "ipam": ipam(number) });
        let mut routing = json!({ "cniVersion": "1.1.0", "name": network, "type": "coordinator" });
        if number == 1 {
            routing["serviceCIDR"] = json!(["10.96.0.0/12"]);
            routing["policyRoutes"] = json!([{ "dst": "10.9.0.0/16", "gw": "172.16.1.1" }]);
            routing["podMACPrefix"] = json!("0a:1b");
            routing["txQueueLen"] = json!(2000);
            routing["podRPFilter"] = json!(2);
            routing["podDefaultRouteNic"] = json!("net1");
        }
        chain.first(of("macvlan"), link).then(of("coordinator"), routing)
    })
}

fn rail(world: &World, pod: &Pod, rails: u8) -> Chain {
    let entry = |number: u8| json!({ "master": format!("rail{number}"), "ipam": ipam(number) });
    let rails: Vec<_> = (1..=rails).map(entry).collect();
    let config = json!({ "cniVersion": "1.1.0", "name": "rails", "type": "rail", "rails": rails });
    Chain::default().first(plugin(world, pod, "rail"), config)
}

/// Both families, with a default route each.
fn ipam(rail: u8) -> Value {
    json!({ "type": "rail-ipam", "routes": [{ "dst": "0.0.0.0/0" }, { "dst": "::/0" }], "ranges": [
        [{ "subnet": format!("172.16.{rail}.0/24"), "rangeStart": format!("172.16.{rail}.10"),
           "rangeEnd": format!("172.16.{rail}.11"), "gateway": format!("172.16.{rail}.254") }],
        [{ "subnet": format!("fd00:16:{rail}::/64"), "rangeStart": format!("fd00:16:{rail}::10"),
           "rangeEnd": format!("fd00:16:{rail}::11"), "gateway": format!("fd00:16:{rail}::fe") }],
    ] })
}
