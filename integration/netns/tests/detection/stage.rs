//! The world of these tests; the VM lab has it, too, on other kernels.

use std::process::Command;
use std::time::Duration;

use ipam::Store;
use serde_json::{Value, json};
use testkit::{Plugin, Rail, Snapshot, Space, World, assert_same};

/// A host with rail 1, and a pod with no network.
pub(crate) struct Stage {
    pub(crate) world: World,
    pub(crate) rail: Rail,
    pub(crate) pod: Space,
}

impl Stage {
    pub(crate) fn new() -> Self {
        let world = World::new();
        let rail = world.rail(1);
        let pod = world.bare_pod("a");
        Self { world, rail, pod }
    }

    pub(crate) fn plugin(&self) -> Plugin {
        self.world.plugin("macvlan").netns(self.pod.path())
    }

    /// Another host on the rail, which the switch is, has these addresses.
    pub(crate) fn occupy(&self, addresses: &[&str]) {
        for address in addresses {
            let flags = if address.contains(':') { "nodad" } else { "" };
            self.world.switch().ip_do(&format!("addr add {address} dev {} {flags}", self.rail.port));
        }
    }

    /// Other hosts on the rail have these IPv4 addresses, each its own.
    pub(crate) fn occupy_each(&self, addresses: &[&str]) {
        let switch = self.world.switch();
        switch.set_sysctl("net/ipv4/conf/all/arp_ignore", "1");
        for (number, address) in addresses.iter().enumerate() {
            switch.ip_do(&format!("link add host{number} link {} type macvlan mode bridge", self.rail.port));
            switch.ip_do(&format!("addr add {address} dev host{number}"));
            switch.ip_do(&format!("link set host{number} up"));
        }
    }

    pub(crate) fn remove_address(&self, address: &str) {
        self.world.switch().ip_do(&format!("addr del {address} dev {}", self.rail.port));
    }

    /// All but the lease store, which remembers released addresses, and files that come with the first ADD.
    pub(crate) fn picture(&self) -> Snapshot {
        self.world.snapshot().without("file ")
    }

    /// ADD fails, and leaves nothing but what the IPAM remembers.
    #[track_caller]
    pub(crate) fn refused(&self, config: &Value) -> testkit::CniError {
        let before = self.picture();
        let error = self.plugin().add(config).error();
        assert_same(&before, &self.picture());
        assert!(self.held().is_empty(), "leases are left: {:?}", self.held());
        error
    }

    /// What railctl says of this world, on stdout and on stderr.
    pub(crate) fn railctl(&self, args: &[&str]) -> (String, String) {
        let mut command = Command::new(testkit::binary("railctl"));
        let output = command
            .args(args)
            .env("NO_COLOR", "1")
            .envs(self.world.dirs().env())
            .output()
            .expect("run railctl");
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        (text(output.stdout), text(output.stderr))
    }

    pub(crate) fn held(&self) -> Vec<String> {
        held(&self.world)
    }

    /// The addresses that nobody gets at this time.
    pub(crate) fn quarantined(&self) -> Vec<String> {
        let mut quarantined = Vec::new();
        look(&self.world, |leases| {
            let set = leases.quarantined(ipam::journal::now()).expect("the quarantine");
            quarantined = set.ranges().iter().map(ToString::to_string).collect();
        });
        quarantined
    }
}

/// The addresses that the node's store has as leased.
pub(crate) fn held(world: &World) -> Vec<String> {
    let mut held = Vec::new();
    look(world, |leases| {
        held = leases.all().expect("the leases").iter().map(|lease| lease.ip.to_string()).collect();
    });
    held.sort();
    held
}

fn look(world: &World, mut at: impl FnMut(&dyn ipam::Leases)) {
    let base = world.dirs().state.parent().expect("a directory of the world");
    let store = ipam::JournalStore::new(&state::Dirs::under(base), Duration::ZERO).expect("a store");
    let looked = store.view(&mut |leases| {
        at(leases);
        Ok(())
    });
    looked.expect("a view");
}

/// A macvlan on rail 1 with these ranges of host numbers, for IPv4 and, if wanted, for IPv6.
pub(crate) fn config(detection: &Value, ipv4: Option<&str>, ipv6: Option<&str>) -> Value {
    let mut pools = Vec::new();
    if let Some(ips) = ipv4 {
        pools.push(
            json!({ "name": "four", "subnet": "172.16.1.0/24", "gateway": "172.16.1.254", "ips": [ips] }),
        );
    }
    if let Some(ips) = ipv6 {
        pools.push(
            json!({ "name": "six", "subnet": "fd00:16:1::/64", "gateway": "fd00:16:1::fe", "ips": [ips] }),
        );
    }
    json!({ "cniVersion": "1.1.0", "name": "rail1", "type": "macvlan", "master": "rail1", "detection": detection,
            "ipam": { "type": "rail-ipam", "pools": pools } })
}

/// The addresses of a result, without their lengths.
pub(crate) fn addresses(result: &Value) -> Vec<String> {
    let ips = result["ips"].as_array().into_iter().flatten();
    ips.filter_map(|ip| Some(ip["address"].as_str()?.split('/').next()?.to_owned())).collect()
}
