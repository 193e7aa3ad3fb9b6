//! The state directory emptied under living pods: nobody gets what they have, and nothing of them stays when they go.

use std::fs;
use std::path::Path;

use netlink::{Address, Rtnetlink};
use netns_tests::suite::with;
use serde_json::{Value, json};
use testkit::{CHANGES, Call, Scope, Space, World};

use super::{Network, coordinator, leases, macvlan, networks, pod, rail, world};

/// As `rail-ipam` says it.
const TAKEN: u64 = 101;

fn lose_the_state(world: &World) {
    let state = &world.dirs().state;
    fs::remove_dir_all(state).and_then(|()| fs::create_dir(state)).expect("an empty state directory");
}

/// For the address that the first pod has.
fn asking() -> Value {
    with(macvlan(1), &json!({ "args": { "cni": { "ips": ["172.16.1.10"] } } }))
}

#[track_caller]
fn address(result: &Value) -> &str {
    result["ips"][0]["address"].as_str().expect("an address")
}

#[test]
fn an_address_that_answers_on_a_pod_of_this_node_is_given_to_no_other() {
    for way in 0..3 {
        let world = world();
        let (old, new) = (pod(&world, "a"), pod(&world, "b"));
        assert_eq!(address(&networks(&world, &old, "old")[way].add()), "172.16.1.10/24");
        lose_the_state(&world);
        assert_eq!(address(&networks(&world, &new, "new")[way].add()), "172.16.1.11/24");
        // Neither the next one, when the store is new no more, nor one that asks for it.
        let (third, asked) = (pod(&world, "c"), asking());
        let refused = Network::of(&world, &third, "third", "net1", asked.clone()).link.add(&asked);
        assert_eq!(refused.error().code, TAKEN);
        assert_eq!(address(&networks(&world, &third, "third")[way].add()), "172.16.1.12/24");
        // It is free again with its pod.
        world.remove_pod("a");
        drop(old);
        let fourth = pod(&world, "d");
        let network = Network::of(&world, &fourth, "fourth", "net1", asking());
        assert_eq!(address(&network.add()), "172.16.1.10/24");
    }
}

/// Addresses of the pool with our mark, as root in the pod can write it.
fn forge(pod: &Space, link: &str, hosts: std::ops::RangeInclusive<u8>) {
    pod.run(|| {
        let mut route = Rtnetlink::open().expect("rtnetlink");
        let index = route.link_by_name(link).expect("links").expect("the link").index;
        for host in hosts {
            let net = format!("172.16.1.{host}/32").parse().expect("an address");
            let forged = Address { protocol: Some(211), ..Address::new(index, net) };
            route.add_address(&forged).expect("added");
        }
    });
}

#[test]
fn marks_that_a_pod_makes_on_a_link_of_its_own_take_no_address_from_others() {
    for link in ["lo", "own", "child", "eth0"] {
        let world = world();
        let (hostile, victim) = (pod(&world, "a"), pod(&world, "b"));
        hostile.ip_do("link add own type veth peer name other\nlink add child link own type macvlan");
        world.host().ip_do("link add cali1 type veth peer name eth0 netns a");
        forge(&hostile, link, 10..=20);
        let given = networks(&world, &victim, "victim")[0].add();
        assert_eq!(address(&given), "172.16.1.10/24", "marked on {link}");
        let kept = world.dirs().state.join("ipam/unleased");
        assert!(!kept.exists(), "later ADDs look again: {link}");
    }
}

#[test]
fn a_pod_on_a_rail_keeps_eight_addresses_of_it_from_others_and_is_named() {
    let world = world();
    let hostile = pod(&world, "a");
    networks(&world, &hostile, "old")[0].add();
    lose_the_state(&world);
    forge(&hostile, "net1", 11..=19);
    let pods: Vec<_> = ["b", "c", "d", "e"].map(|name| (name, pod(&world, name))).into();
    let of = |(name, pod): &(&str, Space)| networks(&world, pod, name)[0].clone();
    for (pod, expected) in pods.iter().zip(["172.16.1.18/24", "172.16.1.19/24", "172.16.1.20/24"]) {
        assert_eq!(address(&of(pod).add()), expected);
        // What is marked once somebody has begun to give addresses again counts no more.
        if expected.starts_with("172.16.1.18") {
            forge(&hostile, "net1", 20..=20);
        }
    }
    let last = of(&pods[3]);
    let error = last.link.add(&last.config).error();
    let path = hostile.path().display().to_string();
    assert!(error.code == 100 && error.msg.contains("8 addresses") && error.msg.contains(&path), "{error:?}");
    // And they are free with it.
    world.remove_pod("a");
    drop(hostile);
    assert_eq!(address(&last.add()), "172.16.1.10/24");
}

/// What tells later ADDs to go on looking is there before the first new lease is.
#[test]
fn an_address_that_answers_stays_taken_wherever_the_add_that_finds_the_leases_lost_ends() {
    const ERRORS: [&str; 4] = ["EROFS", "EACCES", "ENOSPC", "EIO"];
    let world = world();
    let pods = ["a", "b", "c"].map(|name| pod(&world, name));
    let [old, cut, next] = ["old", "cut", "next"];
    networks(&world, &pods[0], old)[0].add();
    let [cut, next] =
        [(&pods[1], cut), (&pods[2], next)].map(|(pod, id)| networks(&world, pod, id)[0].clone());
    lose_the_state(&world);
    let trace = cut.link.trace("ADD", &cut.config, CHANGES, Scope::Plugin);
    let points: Vec<Call> = trace.points().into_iter().filter(|point| !point.reads).collect();
    trace.outcome.success();
    cut.del();
    assert!(points.len() > 20, "only {} points: is strace counting?", points.len());
    for (turn, point) in points.iter().enumerate() {
        lose_the_state(&world);
        let (errno, config) = (ERRORS[turn / 2 % ERRORS.len()], &cut.config);
        let ended = match turn % 2 {
            0 => cut.link.kill_at("ADD", config, Scope::Plugin, point),
            _ => cut.link.fail_at("ADD", config, Scope::Plugin, point, errno),
        };
        assert!(!ended.outcome.stdout.contains("\"172.16.1.10/"), "{point}, {errno}: {}", ended.outcome);
        for network in [&next, &cut] {
            // An ADD that stands is not repeated.
            cut.del();
            assert_ne!(address(&network.add()), "172.16.1.10/24", "after {point}, {errno}");
        }
        next.del();
        cut.del();
    }
}

#[test]
fn a_pod_that_no_record_knows_leaves_nothing_and_can_be_attached_again() {
    for way in 0..3 {
        let world = world();
        let pod = pod(&world, "a");
        let kernel = || world.snapshot().without("file ").without("lease ");
        let before = kernel();
        let network = networks(&world, &pod, "cid")[way].clone();
        let result = network.add();
        lose_the_state(&world);
        let told = json!({ "prevResult": result });
        if let Some((plugin, _)) = &network.routing {
            plugin.del(&with(coordinator(1), &told)).success();
        }
        network.link.del(&with(network.config.clone(), &told)).success();
        testkit::assert_same(&before, &kernel());
        let again = network.add();
        network.check(&again);
        assert_eq!(leases(&world), ["cid"]);
    }
}

/// Records without leases are one thing; here the leases are there, and nobody knows of the link.
#[test]
fn a_lease_whose_link_no_record_knows_ends_when_nothing_in_the_pod_has_the_address() {
    let removed = |path: &Path| fs::remove_file(path).expect("removed");
    let damaged = |path: &Path| {
        let file = fs::File::options().write(true).open(path);
        file.and_then(|file| file.set_len(20)).expect("cut off");
    };
    for spoil in [removed as fn(&Path), damaged] {
        for ifname in ["net1", "net9"] {
            for way in 0..3 {
                let world = world();
                let pod = pod(&world, "a");
                let network = networks(&world, &pod, "cid")[way].clone();
                network.add();
                let records = world.dirs().state.join("attachments/rail1");
                for record in fs::read_dir(records).expect("the records") {
                    spoil(&record.expect("a record").path());
                }
                pod.ip_do(&format!("link set net1 down\nlink set net1 name {ifname}\nlink set {ifname} up"));
                network.del();
                let left = pod.ip(&["addr"]).to_string();
                assert!(!left.contains("172.16.1.10"), "the pod answers for it yet: {left}");
                assert!(!pod.has_link("net1") && leases(&world).is_empty(), "{left}");
            }
        }
    }
}

/// As the README has it: one plugin in the place of a chain, while pods of the chain run.
#[test]
fn del_by_another_type_takes_away_what_the_type_before_attached() {
    for way in 0..2 {
        let world = world();
        let pod = pod(&world, "a");
        let (kernel, rails) = (|| world.snapshot().without("file ").without("lease "), rail(1));
        let before = kernel();
        networks(&world, &pod, "cid")[way].add();
        pod.ip_do("link set net1 down\nlink set net1 name net9\nlink set net9 up");
        Network::of(&world, &pod, "cid", "net1", rails).del();
        testkit::assert_same(&before, &kernel());
        assert!(leases(&world).is_empty());
        let left = world.snapshot().to_string();
        assert!(!left.contains("file state/attachments/"), "{left}");
    }
}

#[test]
fn del_by_another_type_that_cannot_read_the_record_names_it_and_keeps_the_lease() {
    let world = world();
    let pod = pod(&world, "a");
    let rails = Network::of(&world, &pod, "cid", "net1", rail(1));
    rails.add();
    let error = Network::of(&world, &pod, "cid", "net1", macvlan(1)).link.del(&macvlan(1)).error();
    assert!(error.msg.contains("was attached by plugin rail"), "{error:?}");
    assert_eq!((pod.has_link("net1"), leases(&world)), (true, vec!["cid".to_owned()]));
    rails.del();
    assert!(!pod.has_link("net1") && leases(&world).is_empty());
}
