//! `rail` does what the chain of single plugins does, for one rail or eight, and leaves nothing.

use serde_json::{Value, json};
use testkit::{Plugin, Pod, Snapshot, World, assert_same};

const RAILS: u8 = 8;

/// A host with eight rails, and a pod.
struct Scene {
    world: World,
    pod: Pod,
    rail: Plugin,
}

impl Scene {
    fn new() -> Self {
        let world = World::new();
        (1..=RAILS).for_each(|number| drop(world.rail(number)));
        let pod = world.pod("a");
        let rail = world.plugin("rail").netns(pod.path());
        Self { world, pod, rail }
    }

    /// Kernel objects alone: records and leases are each plugin's own.
    fn kernel(&self) -> Snapshot {
        self.world.snapshot().without("file ").without("lease ")
    }

    /// The reference: macvlan with rail-ipam, then coordinator, one rail after another.
    fn add_by_chain(&self, number: u8) -> [Value; 2] {
        let ifname = format!("net{number}");
        let plugin = |name: &str| self.world.plugin(name).netns(self.pod.path()).ifname(&ifname);
        let mut macvlan = header("macvlan", &format!("chain{number}"));
        merge(&mut macvlan, &rail(number));
        let result = plugin("macvlan").add(&macvlan).success();
        let mut coordinator = header("coordinator", &format!("chain{number}"));
        coordinator["prevResult"] = result;
        let result = plugin("coordinator").add(&coordinator).success();
        coordinator["prevResult"] = result.clone();
        macvlan["prevResult"] = result;
        [coordinator, macvlan]
    }

    fn del_by_chain(&self, number: u8, configs: &[Value; 2]) {
        for config in configs {
            let name = config["type"].as_str().expect("a type");
            let plugin = self.world.plugin(name).netns(self.pod.path()).ifname(&format!("net{number}"));
            plugin.del(config).success();
        }
    }
}

fn header(kind: &str, name: &str) -> Value {
    json!({ "cniVersion": "1.1.0", "name": name, "type": kind })
}

fn merge(config: &mut Value, more: &Value) {
    for (key, value) in more.as_object().into_iter().flatten() {
        config[key] = value.clone();
    }
}

/// Both families, and a MAC that is the same in every run.
fn rail(number: u8) -> Value {
    json!({
        "master": format!("rail{number}"),
        "mac": format!("02:00:5e:00:00:{number:02x}"),
        "ipam": { "type": "rail-ipam", "ranges": [
            [{ "subnet": format!("172.16.{number}.0/24"), "rangeStart": format!("172.16.{number}.10"),
               "rangeEnd": format!("172.16.{number}.11"), "gateway": format!("172.16.{number}.254") }],
            [{ "subnet": format!("fd00:16:{number}::/64"), "rangeStart": format!("fd00:16:{number}::10"),
               "rangeEnd": format!("fd00:16:{number}::11"), "gateway": format!("fd00:16:{number}::fe") }],
        ], "routes": [{ "dst": "0.0.0.0/0" }, { "dst": format!("172.{}.0.0/16", 20 + number) }] },
    })
}

fn config(rails: u8) -> Value {
    let mut config = header("rail", "rails");
    config["rails"] = (1..=rails).map(rail).collect();
    config
}

/// The names of the result's interfaces, in their order.
fn names(result: &Value) -> Vec<&str> {
    result["interfaces"].as_array().into_iter().flatten().filter_map(|one| one["name"].as_str()).collect()
}

/// What the chain leaves in the kernel, in a world of its own: addresses rest after their release.
fn by_chain(rails: u8) -> Snapshot {
    let scene = Scene::new();
    let bare = scene.kernel();
    let chain: Vec<_> = (1..=rails).map(|number| scene.add_by_chain(number)).collect();
    let made = scene.kernel();
    (1..=rails).zip(&chain).for_each(|(number, configs)| scene.del_by_chain(number, configs));
    assert_same(&bare, &scene.kernel());
    made
}

fn by_rail(rails: u8) -> Snapshot {
    let scene = Scene::new();
    let bare = scene.kernel();
    scene.rail.add(&config(rails)).success();
    let made = scene.kernel();
    scene.rail.del(&config(rails)).success();
    assert_same(&bare, &scene.kernel());
    made
}

#[test]
fn the_end_state_of_one_rail_is_that_of_the_chain() {
    assert_same(&by_chain(1), &by_rail(1));
}

#[test]
fn the_end_state_of_eight_rails_is_that_of_the_chain() {
    assert_same(&by_chain(RAILS), &by_rail(RAILS));
}

#[test]
fn eight_rails_are_checked_and_each_difference_is_named() {
    let scene = Scene::new();
    let mut checked = config(RAILS);
    let result = scene.rail.add(&checked).success();
    assert_eq!(names(&result), ["net1", "net2", "net3", "net4", "net5", "net6", "net7", "net8"]);
    assert_eq!(result["ips"].as_array().map_or(0, Vec::len), 16);
    assert_eq!(result["ips"][3]["interface"], 1);
    checked["prevResult"] = result;
    scene.rail.check(&checked).success();
    scene
        .pod
        .ip_do("link set net2 down\nrule del from 172.16.5.10 table 105\naddr del 172.16.7.10/24 dev net7");
    let msg = scene.rail.check(&checked).error().msg;
    for words in ["net2: it is down", "net5: rule 10105", "net7: address 172.16.7.10/24 is missing"] {
        assert!(msg.contains(words), "{words:?} is not in {msg}");
    }
    assert!(!msg.contains("net3:") && !msg.contains("net8:"), "{msg}");
    scene.rail.del(&config(RAILS)).success();
}

#[test]
fn what_arrives_on_a_rail_leaves_on_it() {
    let scene = Scene::new();
    scene.rail.add(&config(2)).success();
    for number in [1, 2] {
        let source = format!("172.16.{number}.10");
        let route = scene.pod.ip(&["route", "get", "198.51.100.1", "from", &source])[0].clone();
        assert_eq!(route["dev"], format!("net{number}"));
    }
    assert_eq!(scene.pod.ip(&["route", "get", "198.51.100.1"])[0]["dev"], "eth0");
    scene.rail.del(&config(2)).success();
}

#[test]
fn all_or_nothing() {
    let scene = Scene::new();
    let bare = scene.kernel();
    let mut missing = config(4);
    missing["rails"][2]["master"] = json!("absent");
    let error = scene.rail.add(&missing).error();
    assert!(error.msg.contains("absent"), "{error:?}");
    // The fourth rail's address is of no range, which its IPAM says when the others have theirs.
    let mut exhausted = config(4);
    exhausted["rails"][3]["ipam"]["ranges"] =
        json!([[{ "subnet": "172.16.4.0/24", "rangeStart": "172.16.9.1" }]]);
    scene.rail.add(&exhausted).error();
    // A name of the pod.
    let mut taken = config(4);
    taken["rails"][1]["ifname"] = json!("eth0");
    scene.rail.add(&taken).error();
    assert_same(&bare, &scene.kernel());
    scene.rail.add(&config(4)).success();
    scene.rail.del(&config(4)).success();
    assert_same(&bare, &scene.kernel());
}

#[test]
fn del_needs_the_record_only() {
    let scene = Scene::new();
    let bare = scene.kernel();
    scene.rail.add(&config(3)).success();
    scene.world.host().ip_do("link set rail2 down");
    let nothing_left = header("rail", "rails");
    scene.rail.clone().without_env("CNI_NETNS").del(&nothing_left).success();
    scene.rail.del(&nothing_left).success();
    scene.world.host().ip_do("link set rail2 up");
    assert!(!scene.pod.has_link("net1") && !scene.pod.has_link("net3"));
    assert_same(&bare.without("host "), &scene.kernel().without("host "));
    // Every range has two addresses: they can all be had again.
    for container in ["x", "y"] {
        let other = scene.rail.clone().container(container);
        other.add(&config(3)).success();
        other.del(&config(3)).success();
    }
}

#[test]
fn gc_keeps_every_interface_of_a_valid_attachment() {
    let scene = Scene::new();
    let bare = scene.kernel();
    let mut checked = config(3);
    checked["prevResult"] = scene.rail.add(&checked).success();
    let mut gc = config(3);
    gc["cni.dev/valid-attachments"] = json!([{ "containerID": "cid", "ifname": "net1" }]);
    scene.rail.gc(&gc).success();
    scene.rail.check(&checked).success();
    gc["cni.dev/valid-attachments"] = json!([]);
    scene.rail.gc(&gc).success();
    assert_same(&bare, &scene.kernel());
}

#[test]
fn status_says_which_master_cannot_serve() {
    let scene = Scene::new();
    scene.rail.status(&config(3)).success();
    scene.world.host().ip_do("link set rail3 down");
    let error = scene.rail.status(&config(3)).error();
    assert!(error.code == 50 && error.msg.contains("rail3"), "{error:?}");
}

#[test]
fn eight_links_go_within_one_grace_period() {
    let scene = Scene::new();
    scene.rail.add(&config(RAILS)).success();
    let trace = scene.rail.trace("DEL", &config(RAILS), "sendto,sendmsg", testkit::Scope::Plugin);
    trace.outcome.success();
    assert!(!scene.pod.has_link("net8"));
    // Eight look-ups, one batch that forms the group, one deletion, and the dumps of the pod's routing.
    assert!(trace.calls.len() < 30, "{} requests", trace.calls.len());
}
