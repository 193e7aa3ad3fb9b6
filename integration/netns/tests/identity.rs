//! Whose it is: by the cookie of a namespace, by its record, and by one lock for each attachment.

#[path = "identity/disk.rs"]
mod disk;
#[path = "identity/elsewhere.rs"]
mod elsewhere;
#[path = "identity/half_made.rs"]
mod half_made;
#[path = "identity/later.rs"]
mod later;
#[path = "identity/lost.rs"]
mod lost;
#[path = "identity/turns.rs"]
mod turns;

use std::path::Path;
use std::time::Duration;

use ipam::{JournalStore, Store};
use netns_tests::suite::{Binary, with};
use serde_json::{Value, json};
use state::Dirs;
use testkit::{Outcome, Plugin, Space, World, assert_same, binary};

/// A host with rails 1 and 2.
fn world() -> World {
    let world = World::new();
    drop((world.rail(1), world.rail(2)));
    world.host().set_sysctl("net/ipv6/conf/default/accept_dad", "0");
    world
}

fn pod(world: &World, name: &str) -> Space {
    let pod = world.bare_pod(name);
    pod.set_sysctl("net/ipv6/conf/default/accept_dad", "0");
    pod
}

/// `macvlan` on a rail, with a pool of its own.
fn macvlan(rail: u8) -> Value {
    let subnet = format!("172.16.{rail}.0/24");
    let range = json!({ "subnet": subnet, "rangeStart": format!("172.16.{rail}.10"), "rangeEnd": format!("172.16.{rail}.20"),
                        "gateway": format!("172.16.{rail}.254") });
    json!({ "cniVersion": "1.1.0", "name": format!("rail{rail}"), "type": "macvlan", "master": format!("rail{rail}"),
            "ipam": { "type": "rail-ipam", "ranges": [[range]] } })
}

fn rail(number: u8) -> Value {
    with(macvlan(number), &json!({ "type": "rail" }))
}

fn coordinator(rail: u8) -> Value {
    with(Binary::named("coordinator").config(), &json!({ "name": format!("rail{rail}") }))
}

/// One network of a pod: a link, and perhaps a coordinator after it.
#[derive(Clone)]
struct Network {
    link: Plugin,
    config: Value,
    routing: Option<(Plugin, Value)>,
}

impl Network {
    fn of(world: &World, pod: &Space, container: &str, ifname: &str, config: Value) -> Self {
        let name = config["type"].as_str().unwrap_or_default().to_owned();
        let link = world.plugin(&name).netns(pod.path()).container(container).ifname(ifname);
        Self { link, config, routing: None }
    }

    fn coordinated(self, world: &World, pod: &Space, container: &str, ifname: &str, rail: u8) -> Self {
        let plugin = world.plugin("coordinator").netns(pod.path()).container(container).ifname(ifname);
        Self { routing: Some((plugin, coordinator(rail))), ..self }
    }

    #[track_caller]
    fn add(&self) -> Value {
        let result = self.link.add(&self.config).success();
        let Some((plugin, config)) = &self.routing else { return result };
        plugin.add(&with(config.clone(), &json!({ "prevResult": result }))).success()
    }

    #[track_caller]
    fn check(&self, result: &Value) {
        if let Some((plugin, config)) = &self.routing {
            plugin.check(&with(config.clone(), &json!({ "prevResult": result }))).success();
        }
        self.link.check(&with(self.config.clone(), &json!({ "prevResult": result }))).success();
    }

    #[track_caller]
    fn del(&self) {
        if let Some((plugin, config)) = &self.routing {
            plugin.del(config).success();
        }
        self.link.del(&self.config).success();
    }
}

/// The three ways to attach that this kernel has all of.
fn networks(world: &World, pod: &Space, container: &str) -> [Network; 3] {
    let of = |config| Network::of(world, pod, container, "net1", config);
    [of(macvlan(1)), of(macvlan(1)).coordinated(world, pod, container, "net1", 1), of(rail(1))]
}

/// A pod with what `first` attaches, ended without a DEL, and another at its path that the kernel has given its inode. The
/// tests beside this one make namespaces, too, and may get it first.
fn with_the_same_inode<T>(first: impl Fn(&World, &Space) -> T) -> (World, Space, T) {
    for _ in 0..10 {
        let world = world();
        let old = pod(&world, "a");
        let (id, made) = (old.id(), first(&world, &old));
        world.remove_pod("a");
        drop(old);
        for _ in 0..300 {
            let new = pod(&world, "a");
            if new.id() == id {
                return (world, new, made);
            }
            world.remove_pod("a");
        }
    }
    panic!("the kernel gives no inode out again");
}

#[test]
fn a_late_del_leaves_a_later_pod_with_the_same_inode_alone() {
    for way in 0..3 {
        let (world, new, first) = with_the_same_inode(|world, old| {
            let first = networks(world, old, "first")[way].clone();
            first.add();
            first
        });
        let second = networks(&world, &new, "second")[way].clone();
        let result = second.add();
        let kernel = || world.snapshot().without("file ").without("lease ");
        let before = kernel();
        first.del();
        assert_same(&before, &kernel());
        assert_eq!(leases(&world), ["second"]);
        second.check(&result);
        second.del();
        assert!(!new.has_link("net1"));
    }
}

#[test]
fn an_add_of_the_same_id_in_a_later_namespace_with_the_same_inode_attaches() {
    for way in 0..3 {
        let (world, new, _) = with_the_same_inode(|world, old| networks(world, old, "cid")[way].add());
        let network = networks(&world, &new, "cid")[way].clone();
        let result = network.add();
        network.check(&result);
        network.del();
    }
}

#[test]
fn gc_releases_an_earlier_pod_whose_inode_a_living_one_has() {
    let add = |world: &World, pod: &Space, container: &str| {
        Network::of(world, pod, container, "net1", macvlan(1)).add();
    };
    let (world, new, ()) = with_the_same_inode(|world, old| add(world, old, "first"));
    add(&world, &new, "second");
    // This may run in a container, and has all pods in it.
    let said = railctl(&world, &["gc", "--apply", "--whole-node"]);
    assert!(said.contains("rail1/first/net1") && said.contains("1 left over, 1 alive"), "{said}");
    assert!(new.has_link("net1"));
}

fn railctl(world: &World, args: &[&str]) -> String {
    let program = binary("railctl");
    let mut command = std::process::Command::new(&program);
    command.args(args).envs(world.dirs().env()).env("CNI_PATH", program.parent().unwrap_or(Path::new("/")));
    let output = command.output().expect("run railctl");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    said
}

/// Multus' hot plug has an ID of its own.
#[test]
fn interfaces_that_two_container_ids_attach_to_one_namespace_share_what_a_pod_shares() {
    let world = world();
    let pod = world.pod("a");
    pod.set_sysctl("net/ipv6/conf/default/accept_dad", "0");
    let node = json!({ "hijackCIDR": ["10.96.0.0/12"] });
    let of = |container: &str, ifname: &str, rail: u8| {
        let network = Network::of(&world, &pod, container, ifname, macvlan(rail));
        let mut network = network.coordinated(&world, &pod, container, ifname, rail);
        if let Some((_, config)) = &mut network.routing {
            *config = with(config.clone(), &node);
        }
        network
    };
    let before = world.snapshot().without("file ");
    let (one, two) = (of("sandbox1", "net1", 1), of("container7", "net2", 2));
    let result = one.add();
    let alone = world.snapshot().without("file ");
    two.add();
    let rules_of_eth0 = pod.ip(&["rule", "show"]).as_array().expect("rules").clone();
    let to_100 = rules_of_eth0.iter().filter(|rule| rule["table"] == "100").count();
    assert_eq!(to_100, 1, "eth0 has one table: {rules_of_eth0:?}");
    two.del();
    assert_same(&alone, &world.snapshot().without("file "));
    one.check(&result);
    one.del();
    assert_same(&before, &world.snapshot().without("file "));
    let left: Vec<_> = world
        .snapshot()
        .to_string()
        .lines()
        .filter(|line| line.contains("/pods/"))
        .map(str::to_owned)
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

/// The version before counted by container ID, and had no cookies.
#[test]
fn a_pod_whose_record_an_older_version_wrote_keeps_what_its_interfaces_share() {
    let world = world();
    let pod = world.pod("a");
    pod.set_sysctl("net/ipv6/conf/default/accept_dad", "0");
    let of = |ifname: &str, rail: u8| {
        Network::of(&world, &pod, "cid", ifname, macvlan(rail)).coordinated(&world, &pod, "cid", ifname, rail)
    };
    let before = world.snapshot().without("file ");
    let (one, two) = (of("net1", 1), of("net2", 2));
    let result = one.add();
    let alone = world.snapshot().without("file ");
    disk::as_an_older_version_left_it(&world, "cid");
    two.add();
    one.check(&result);
    two.del();
    assert_same(&alone, &world.snapshot().without("file "));
    one.del();
    assert_same(&before, &world.snapshot().without("file "));
}

#[test]
fn a_del_that_comes_again_leaves_the_next_pod_at_the_path_alone() {
    for (way, kind) in [(0, "macvlan"), (1, "coordinator"), (2, "rail")] {
        let world = world();
        let old = pod(&world, "a");
        let first = networks(&world, &old, "first")[way].clone();
        first.add();
        first.del();
        world.remove_pod("a");
        drop(old);
        let new = pod(&world, "a");
        let second = networks(&world, &new, "second")[way].clone();
        let result = second.add();
        first.del();
        assert!(new.has_link("net1"), "{kind}");
        second.check(&result);
    }
}

/// Within one namespace: a macvlan of another attachment, made after its master came anew.
#[test]
fn a_del_without_a_record_leaves_an_interface_alone_that_another_attachment_owns() {
    let world = world();
    let pod = pod(&world, "a");
    let of = |container: &str, config: Value| Network::of(&world, &pod, container, "net1", config);
    let first = of("first", macvlan(1));
    first.add();
    first.del();
    let second = of("second", rail(2));
    let result = second.add();
    first.del();
    of("first", rail(2)).del();
    second.check(&result);
    // By another network of the same container, too.
    of("second", macvlan(1)).del();
    second.check(&result);
}

/// The containers that hold leases.
fn leases(world: &World) -> Vec<String> {
    let dirs = Dirs::under(world.dirs().state.parent().unwrap_or(Path::new("/")));
    let mut keys = Vec::new();
    let look = &mut |leases: &dyn ipam::Leases| {
        keys.extend(leases.all()?.into_iter().map(|lease| lease.key.container_id));
        Ok(())
    };
    JournalStore::new(&dirs, Duration::ZERO).expect("a store").view(look).expect("leases");
    keys
}

fn said(outcome: &Outcome) -> String {
    format!("{outcome}")
}
