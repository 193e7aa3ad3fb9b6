//! An interface that is not where its ADD put it, and is alive: its address is not given to the next pod.

use std::path::Path;

use netns_tests::suite::with;
use serde_json::{Value, json};
use state::record::Loaded;
use state::{AttachmentKey, Dirs, Records};
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

/// Nothing at all is as it was: the namespace answers for what its lo has, on each of its links.
#[test]
fn del_finds_an_interface_by_the_address_that_its_namespace_has() {
    for way in 0..3 {
        let scene = Scene::new(way);
        let nested = pod(&scene.world, "nested");
        scene.pod.ip_do("link set net1 netns nested");
        nested.ip_do("link set net1 address 02:00:00:00:00:99 name hidden\nlink set hidden up");
        nested.ip_do("link set lo up\naddr flush dev hidden\naddr add 172.16.1.11/32 dev lo");
        scene.world.remove_pod("nested");
        scene.end(&nested, "hidden");
    }
}

/// At the index that it had, and of its kind: the pod's own, on a wire of its own.
#[test]
fn del_is_not_content_with_a_link_that_the_pod_has_put_in_its_place() {
    for way in 0..3 {
        let scene = Scene::new(way);
        let (nested, index) = (pod(&scene.world, "nested"), scene.pod.ifindex("net1"));
        scene.pod.ip_do(&format!(
            "link set net1 netns nested\nlink add v0 type veth peer name v1\n\
             link add link v0 name net1 index {index} type macvlan\nlink set net1 up"
        ));
        nested.ip_do("link set net1 up\naddr add 172.16.1.11/24 dev net1");
        scene.end(&nested, "net1");
        // The same with one that sits where net1 sat, too.
        let scene = Scene::new(way);
        let nested = pod(&scene.world, "nested");
        scene.pod.ip_do(
            "link add link net1 name twin type macvlan\nlink set net1 netns nested\nlink set twin name net1",
        );
        nested.ip_do("link set net1 up\naddr add 172.16.1.11/24 dev net1");
        scene.end(&nested, "net1");
    }
}

/// Nothing tells it but that the pod has moved something there: it has another MAC, and no address yet.
#[test]
fn del_finds_an_interface_by_the_way_that_it_went() {
    for way in 0..3 {
        let scene = Scene::new(way);
        let nested = pod(&scene.world, "nested");
        scene.pod.ip_do("link set net1 netns nested");
        nested.ip_do("link set net1 address 02:00:00:00:00:99 name hidden");
        scene.world.remove_pod("nested");
        scene.end(&nested, "hidden");
    }
}

/// A macvlan on a macvlan is one on the node's NIC, and outlives the one that it was made on.
#[test]
fn del_takes_the_address_from_whatever_else_in_the_pod_has_it() {
    let twin = "link add link net1 name twin type macvlan\nlink set twin up";
    for (to, gone) in [("twin", "twin"), ("lo", "net1")] {
        for way in 0..3 {
            let scene = Scene::new(way);
            scene.pod.ip_do(twin);
            scene.pod.ip_do(&format!("addr add 172.16.1.11/32 dev {to}"));
            scene.end(&scene.pod, gone);
            let left = scene.pod.ip(&["addr"]).to_string();
            assert!(!left.contains("172.16.1.11"), "the pod answers for it yet: {left}");
        }
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

/// By an address of another pod's, which a network may ask for, nobody gets that pod's interface deleted.
#[test]
fn del_of_a_pod_that_has_taken_anothers_mac_leaves_that_one_alone() {
    let mac = "02:00:00:00:00:42";
    for config in [macvlan(1), rail(1)] {
        for ours in [false, true] {
            let (world, config) = (world(), with(config.clone(), &json!({ "mac": mac })));
            let victim = pod(&world, "victim");
            if ours {
                Network::of(&world, &victim, "other", "net1", config.clone()).add();
                victim.ip_do("link set net1 down\nlink set net1 name rdma0\nlink set rdma0 up");
            } else {
                world.host().ip_do(&format!(
                    "link add link rail1 name theirs address {mac} type macvlan mode bridge\nlink set theirs netns victim"
                ));
                victim.ip_do("link set theirs name rdma0\nlink set rdma0 up");
            }
            let (hostile, nested) = (pod(&world, "a"), pod(&world, "nested"));
            let network = Network::of(
                &world,
                &hostile,
                "cid",
                "net1",
                with(config, &json!({ "mac": "02:00:00:00:00:43" })),
            );
            network.add();
            // As with a MAC that was asked for, whose ADD the pod has made to fail in the middle.
            forge(network.config["type"].as_str().expect("a type"), "02:00:00:00:00:43", mac);
            hostile.ip_do("link set net1 netns nested");
            network.del();
            assert!(victim.has_link("rdma0"), "ours: {ours}");
            drop(nested);
        }
    }
}

/// The record of the attachment, as if its link had another MAC.
fn forge(plugin: &str, from: &str, to: &str) {
    let records = Records::open(&Dirs::under(Path::new("/run/world")), plugin).expect("records");
    let key = AttachmentKey::new("rail1", "cid", "net1").expect("a key");
    let Ok(Loaded::Present(mut record)) = records.load::<Value>(&key) else { panic!("no record of {key}") };
    let undo = record.body.to_string();
    assert!(undo.contains(from), "{undo}");
    record.body = serde_json::from_str(&undo.replace(from, to)).expect("JSON");
    records.save(&record).expect("saved");
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

/// Name, index, MAC and address are those of the interface, and the index of its master is that of a link in the pod.
#[test]
fn check_is_not_content_with_a_link_that_the_pod_has_put_in_its_place() {
    for config in [macvlan(1), rail(1)] {
        let world = world();
        let (hostile, nested) = (pod(&world, "a"), pod(&world, "nested"));
        let network = Network::of(&world, &hostile, "cid", "net1", config);
        let result = network.add();
        let (own, master) = (hostile.ifindex("net1"), world.host().ifindex("rail1"));
        let mac = result["interfaces"][0]["mac"].as_str().expect("a MAC");
        hostile.ip_do("link set net1 netns nested");
        hostile.ip_do(&format!("link add v0 index {master} type veth peer name v1 index 77\nlink set v0 mtu 9000 up\nlink set v1 mtu 9000 up"));
        let index = if own == master { String::new() } else { format!("index {own}") };
        hostile.ip_do(&format!(
            "link add link v0 name net1 {index} address {mac} type macvlan mode bridge\n\
             link set net1 up\naddr add 172.16.1.10/24 brd + dev net1"
        ));
        let checked = with(network.config.clone(), &json!({ "prevResult": result }));
        let error = network.link.check(&checked).error();
        assert!(error.msg.contains("on a link of another namespace"), "{error:?}");
        network.del();
        assert!(!nested.has_link("net1") && leases(&world).is_empty());
    }
}
