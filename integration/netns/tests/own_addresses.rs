//! Addresses that the node or the pod has already are no addresses for another interface.

use netns_tests::suite::with;
use serde_json::{Value, json};
use testkit::{CniError, Pod, World, assert_same};

/// A node with 172.16.1.10 on the NIC that its rail is, and a pod with 172.16.1.11 on eth0.
struct Stage {
    world: World,
    pod: Pod,
}

impl Stage {
    fn new() -> Self {
        let world = World::new();
        world.rail(1);
        world.host().ip_do("addr add 172.16.1.10/24 dev rail1");
        let pod = world.pod("a");
        pod.ip_do("addr add 172.16.1.11/32 dev eth0");
        Self { world, pod }
    }

    fn refused(&self, plugin: &str, config: &Value) -> CniError {
        let before = self.world.snapshot().without("file ");
        let error = self.world.plugin(plugin).netns(self.pod.path()).add(config).error();
        assert_same(&before, &self.world.snapshot().without("file "));
        error
    }
}

fn config(plugin: &str, ips: &str) -> Value {
    let pool = json!({ "name": "gpu1", "subnet": "172.16.1.0/24", "ips": [ips] });
    json!({ "cniVersion": "1.1.0", "name": "rail1", "type": plugin, "master": "rail1",
            "ipam": { "type": "rail-ipam", "pools": [pool] } })
}

#[test]
fn they_are_passed_over_and_refused_by_name() {
    for plugin in ["macvlan", "rail"] {
        let stage = Stage::new();
        let all = config(plugin, "172.16.1.10-172.16.1.12");
        for (ip, holder) in
            [("172.16.1.10", "interface rail1 of this node"), ("172.16.1.11", "interface eth0 of the pod")]
        {
            let asked = with(all.clone(), &json!({ "args": { "cni": { "ips": [ip] } } }));
            let error = stage.refused(plugin, &asked);
            let said = format!("requested address {ip} is the address of {holder}");
            assert_eq!((error.code, error.msg), (101, said), "{plugin}");
        }
        let result = stage.world.plugin(plugin).netns(stage.pod.path()).add(&all).success();
        assert_eq!(result["ips"][0]["address"], "172.16.1.12/24", "{plugin}");
        stage.world.plugin(plugin).netns(stage.pod.path()).del(&all).success();
        let none = config(plugin, "172.16.1.10-172.16.1.11");
        assert_eq!(stage.refused(plugin, &none).code, 100, "{plugin}");
    }
}

/// Another pod may have what this one has: only the node's lease says who.
#[test]
fn what_one_pod_has_is_nothing_to_another() {
    let stage = Stage::new();
    let other = stage.world.bare_pod("b");
    let config = config("macvlan", "172.16.1.10-172.16.1.11");
    let result = stage.world.plugin("macvlan").netns(other.path()).add(&config).success();
    assert_eq!(result["ips"][0]["address"], "172.16.1.11/24");
}

/// An admin, or DHCP, may give it to the node later: the pod keeps it, and CHECK says who else has it, until it is the pod's alone.
#[test]
fn check_names_the_interface_of_the_node_that_got_the_pods_address_later() {
    for plugin in ["macvlan", "rail"] {
        let stage = Stage::new();
        let config = config(plugin, "172.16.1.12");
        let link = stage.world.plugin(plugin).netns(stage.pod.path());
        let checked = with(config.clone(), &json!({ "prevResult": link.add(&config).success() }));
        link.check(&checked).success();
        stage.world.host().ip_do("addr add 172.16.1.12/32 dev rail1");
        let said = link.check(&checked).error().msg;
        assert!(said.contains("address 172.16.1.12 of net1"), "{plugin}: {said}");
        assert!(said.contains("is also that of interface rail1 of this node"), "{plugin}: {said}");
        stage.world.host().ip_do("addr del 172.16.1.12/32 dev rail1");
        link.check(&checked).success();
        link.del(&config).success();
    }
}
