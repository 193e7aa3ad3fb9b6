//! An interface that is not where its ADD put it, and is alive: its address is not given to the next pod.

use serde_json::json;
use testkit::{Space, World};

use super::{Network, leases, macvlan, networks, pod, rail, world};

/// A pod that an interface is moved out of, or that moves on itself, and one beside it that nobody may touch.
struct Scene {
    world: World,
    pod: Space,
    network: Network,
    beside: (Space, Network, serde_json::Value),
}

impl Scene {
    fn new(way: usize) -> Self {
        let world = world();
        let neighbour = pod(&world, "b");
        let other = Network::of(&world, &neighbour, "other", "net1", macvlan(1));
        let result = other.add();
        let pod = pod(&world, "a");
        let network = networks(&world, &pod, "cid")[way].clone();
        network.add();
        Self { world, pod, network, beside: (neighbour, other, result) }
    }

    /// The interface is gone, and its address is free; the pod beside it has what it had.
    #[track_caller]
    fn end(&self, space: &Space, ifname: &str) {
        self.network.del();
        assert!(!space.has_link(ifname), "{ifname} is up in {} yet", space.name());
        assert_eq!(leases(&self.world), ["other"]);
        let (_, other, result) = &self.beside;
        other.check(result);
    }
}

#[test]
fn del_goes_into_a_namespace_that_its_path_does_not_lead_to_any_more() {
    for way in 0..3 {
        let scene = Scene::new(way);
        // As behind /proc/PID/ns/net when the process unshares: the old one is alive, by a descriptor here.
        scene.world.remove_pod("a");
        let later = pod(&scene.world, "a");
        scene.end(&scene.pod, "net1");
        assert!(!later.has_link("net1"));
    }
}

#[test]
fn del_finds_an_interface_that_the_pod_has_moved_into_another_namespace() {
    for way in 0..3 {
        let scene = Scene::new(way);
        let nested = pod(&scene.world, "nested");
        scene.pod.ip_do("link set net1 down\nlink set net1 name hidden\nlink set hidden netns nested");
        nested.ip_do("link set hidden up\naddr add 172.16.1.11/24 dev hidden");
        scene.end(&nested, "hidden");
    }
}

/// Nothing of it is as it was but the address that the next pod would get.
#[test]
fn del_finds_an_interface_by_the_address_that_it_was_given() {
    for way in 0..3 {
        let scene = Scene::new(way);
        let nested = pod(&scene.world, "nested");
        scene.pod.ip_do("link set net1 netns nested");
        nested.ip_do("link set net1 address 02:00:00:00:00:99 name hidden");
        nested.ip_do("link set hidden up\naddr add 172.16.1.11/24 dev hidden");
        // No path, as one that a pod has made has none.
        scene.world.remove_pod("nested");
        scene.end(&nested, "hidden");
    }
}

#[test]
fn an_interface_that_cannot_be_taken_away_keeps_its_lease() {
    for config in [macvlan(1), rail(1)] {
        let world = world();
        let pod = pod(&world, "a");
        let network = Network::of(&world, &pod, "cid", "net1", config);
        network.add();
        let powerless = network.link.clone().with_only(&["sys_admin", "dac_override", "sys_ptrace"]);
        let error = powerless.del(&network.config).error();
        assert!(pod.has_link("net1"), "{error:?}");
        assert_eq!(leases(&world), ["cid"], "the next pod would get an address that answers: {error:?}");
        network.del();
        assert!(!pod.has_link("net1") && leases(&world).is_empty());
    }
}

/// Of another suite of plugins, there is no record: its own path says that it is a runtime's.
#[test]
fn a_late_del_leaves_a_pod_alone_that_others_gave_the_same_address() {
    let world = world();
    let gone = pod(&world, "a");
    let network = Network::of(&world, &gone, "cid", "net1", macvlan(1));
    network.add();
    world.remove_pod("a");
    drop(gone);
    let foreign = pod(&world, "b");
    world.host().ip_do("link add link rail1 name theirs type macvlan mode bridge\nlink set theirs netns b");
    foreign.ip_do("link set theirs name net1\naddr add 172.16.1.10/24 dev net1\nlink set net1 up");
    network.del();
    assert!(foreign.has_link("net1"));
    assert!(leases(&world).is_empty(), "{:?}", json!(leases(&world)));
}

/// The nodes of a test cluster share a machine: index, name and address of a link of one are those of another's, too.
#[test]
fn a_late_del_leaves_the_pods_of_another_host_on_this_machine_alone() {
    let world = world();
    let gone = pod(&world, "a");
    let network = Network::of(&world, &gone, "cid", "net1", macvlan(1));
    network.add();
    world.remove_pod("a");
    drop(gone);
    let index = world.host().ip(&["link", "show", "rail1"])[0]["ifindex"].clone();
    let (host, foreign) = (pod(&world, "host2"), pod(&world, "b"));
    host.ip_do(&format!(
        "link add rail1 index {index} type veth peer name switch1 index 77\nlink set rail1 up"
    ));
    host.ip_do("link add link rail1 name theirs type macvlan mode bridge\nlink set theirs netns b");
    foreign.ip_do("link set theirs name net1\naddr add 172.16.1.10/24 dev net1\nlink set net1 up");
    world.remove_pod("b");
    network.del();
    assert!(foreign.has_link("net1"), "it was taken for one of this host's");
}
