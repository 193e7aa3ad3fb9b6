//! `ifacer` on a kernel that has VLANs and bonds. N00001 and so on are the cases of Spiderpool's own end-to-end tests.

use std::thread;

use serde_json::{Value, json};
use testkit::{Ping, Plugin, Scope, Space, World, assert_same, figure, torture};

/// Pods that come at once; a bounded run has a quarter of them.
const CROWD: usize = 256;

fn config(more: &Value) -> Value {
    let mut config =
        json!({ "cniVersion": "1.1.0", "name": "storage", "type": "ifacer", "interfaces": ["rail1"] });
    config.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    config
}

fn vlan(more: &Value) -> Value {
    let mut conf = config(&json!({ "vlanID": 100 }));
    conf.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    conf
}

fn bonded(more: &Value) -> Value {
    let bond = json!({ "name": "bond0", "mode": "active-backup", "options": "miimon=50; primary=rail2" });
    let mut conf =
        config(&json!({ "interfaces": ["rail1", "rail2"], "bond": bond, "vlanID": 100, "cleanup": true }));
    conf.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    conf
}

fn world() -> World {
    let world = World::new();
    world.let_take_whole(&["rail1", "rail2"]);
    for number in [1, 2, 3] {
        world.rail(number);
    }
    world
}

fn ifacer(world: &World, container: &str) -> Plugin {
    world.plugin("ifacer").container(container).env("CNI_NETNS", world.switch().path())
}

fn link(space: &Space, name: &str) -> Value {
    space.ip(&["-d", "link", "show", name])[0].clone()
}

fn is_up(link: &Value) -> bool {
    link["flags"].as_array().is_some_and(|flags| flags.contains(&json!("UP")))
}

/// N00001
#[test]
fn a_vlan_is_made_used_by_macvlan_and_stays_without_cleanup() {
    let world = world();
    let pod = world.bare_pod("a");
    world.switch().ip_do("link add vlan100 link port1 type vlan id 100\naddr add 10.100.0.1/24 dev vlan100\nlink set vlan100 up");
    let result = ifacer(&world, "a").add(&vlan(&json!({}))).success();
    assert_eq!(result, json!({ "cniVersion": "1.1.0" }));
    let made = link(world.host(), "rail1.100");
    assert_eq!((&made["linkinfo"]["info_data"]["id"], &made["mtu"]), (&json!(100), &json!(9000)));
    assert!(is_up(&made));
    let macvlan = json!({
        "cniVersion": "1.1.0", "name": "storage", "type": "macvlan", "master": "rail1.100", "prevResult": result,
    });
    world.plugin("macvlan").container("a").netns(pod.path()).add(&macvlan).success();
    pod.ip_do("addr add 10.100.0.2/24 dev net1");
    pod.assert_ping(&Ping::to(std::net::Ipv4Addr::new(10, 100, 0, 1)));
    let mut check = vlan(&json!({}));
    check["prevResult"] = result;
    ifacer(&world, "a").check(&check).success();
    ifacer(&world, "a").del(&vlan(&json!({}))).success();
    ifacer(&world, "a").del(&vlan(&json!({}))).success();
    assert!(world.host().has_link("rail1.100"));
}

/// N00002, N00003, N00005
#[test]
fn what_was_there_before_is_used_and_never_deleted() {
    let world = world();
    world.host().ip_do("link add rail1.100 link rail1 type vlan id 100\nlink set rail1 down");
    let (before, conf) = (steady(&world), vlan(&json!({ "cleanup": true })));
    ifacer(&world, "a").add(&conf).success();
    assert!(is_up(&link(world.host(), "rail1")), "a parent that is down is brought up");
    assert!(is_up(&link(world.host(), "rail1.100")), "a VLAN that is down is brought up");
    ifacer(&world, "a").del(&conf).success();
    assert!(world.host().has_link("rail1.100"));
    assert_same(&before, &steady(&world));
}

/// What is brought up for pods is theirs to use, and down again when the last of them goes, in whatever order VLANs share a NIC.
#[test]
fn what_was_down_is_down_again_after_its_last_user() {
    let world = world();
    world.host().ip_do("link set rail1 down");
    let is_up = |name: &str| is_up(&link(world.host(), name));
    let conf = |id: u16| vlan(&json!({ "vlanID": id, "cleanup": true }));
    let before = steady(&world);
    for order in [[100, 200], [200, 100]] {
        for (id, container) in [(100, "a"), (200, "b")] {
            ifacer(&world, container).add(&conf(id)).success();
        }
        let by = |id: u16| ifacer(&world, if id == 100 { "a" } else { "b" });
        by(order[0]).del(&conf(order[0])).success();
        assert!(is_up("rail1"), "the other VLAN has it");
        by(order[1]).del(&conf(order[1])).success();
        assert_same(&before, &steady(&world));
    }
}

/// Of a network that has no ifacer, whose pods are nobody's users.
#[test]
fn a_vlan_that_a_pod_of_another_network_is_on_stays() {
    let world = world();
    let pod = world.bare_pod("a");
    let conf = vlan(&json!({ "cleanup": true }));
    ifacer(&world, "a").add(&conf).success();
    world.host().ip_do("link add link rail1.100 name net1 netns a type macvlan");
    ifacer(&world, "a").del(&conf).success();
    assert!(pod.has_link("net1") && world.host().has_link("rail1.100"));
    pod.ip_do("link del net1");
    ifacer(&world, "b").add(&conf).success();
    ifacer(&world, "b").del(&conf).success();
    assert!(!world.host().has_link("rail1.100"), "the next last user takes it away");
}

#[test]
fn what_was_down_stays_up_while_anything_else_uses_it() {
    let world = world();
    let pod = world.bare_pod("a");
    let conf = vlan(&json!({ "cleanup": true }));
    for (use_it, let_go) in [
        ("link add link rail1 name used netns a type macvlan", ""),
        ("addr add 10.9.9.1/24 dev rail1", "addr del 10.9.9.1/24 dev rail1"),
        ("link add used link rail1 type vlan id 7\nlink set used up", "link del used"),
    ] {
        world.host().ip_do("link set rail1 down");
        ifacer(&world, "a").add(&conf).success();
        world.host().ip_do(use_it);
        ifacer(&world, "a").del(&conf).success();
        assert!(is_up(&link(world.host(), "rail1")), "{use_it}");
        world.host().ip_do(let_go);
        if pod.has_link("used") {
            pod.ip_do("link del used");
        }
    }
}

/// N00004
#[test]
fn a_vlan_under_another_name_is_refused_on_one_nic_and_fine_on_another() {
    let world = world();
    world.host().ip_do("link add storage link rail1 type vlan id 100");
    let before = world.snapshot().without("file ");
    let error = ifacer(&world, "a").add(&vlan(&json!({}))).error();
    assert!(
        error.code == 7 && error.msg.contains("as storage") && error.msg.contains("vlanName"),
        "{error:?}"
    );
    assert_same(&before, &world.snapshot().without("file "));
    ifacer(&world, "a").add(&vlan(&json!({ "vlanName": "storage" }))).success();
    ifacer(&world, "b").add(&vlan(&json!({ "interfaces": ["rail2"] }))).success();
    assert!(world.host().has_link("rail2.100"));
    let other =
        ifacer(&world, "c").add(&vlan(&json!({ "interfaces": ["rail3"], "vlanName": "storage" }))).error();
    assert!(other.msg.contains("storage is there already and is VLAN 100"), "{other:?}");
}

#[test]
fn the_last_of_a_crowd_of_pods_at_once_removes_it() {
    let (world, crowd) = (world(), if torture() { CROWD } else { CROWD / 4 });
    let before = world.snapshot().without("file ");
    let conf = vlan(&json!({ "cleanup": true, "mtu": 4200 }));
    let plugins: Vec<_> = (0..crowd).map(|number| ifacer(&world, &format!("pod{number}"))).collect();
    let every = |verb: &str| {
        thread::scope(|scope| {
            let runs: Vec<_> = plugins.iter().map(|plugin| scope.spawn(|| plugin.run(verb, &conf))).collect();
            for run in runs {
                run.join().expect("no panic").success();
            }
        });
    };
    every("ADD");
    figure("concurrent ADDs", "one VLAN master", crowd, CROWD);
    assert_eq!(link(world.host(), "rail1.100")["mtu"], 4200);
    let (last, others) = plugins.split_last().expect("a crowd");
    for plugin in &others[..crowd - 4] {
        plugin.del(&conf).success();
    }
    assert!(world.host().has_link("rail1.100"));
    every("DEL");
    last.del(&conf).success();
    assert_same(&before, &world.snapshot().without("file "));
}

#[test]
fn a_bond_has_its_ports_options_and_mtu_and_all_is_put_back() {
    let world = world();
    let before = steady(&world);
    let conf = bonded(&json!({}));
    for container in ["a", "b"] {
        ifacer(&world, container).add(&conf).success();
    }
    let bond = link(world.host(), "bond0");
    let data = &bond["linkinfo"]["info_data"];
    assert_eq!((&data["mode"], &data["miimon"]), (&json!("active-backup"), &json!(50)));
    assert_eq!(
        (&data["primary"], &bond["mtu"]),
        (&json!("rail2"), &json!(9000)),
        "the MTU of its ports is theirs still"
    );
    assert_eq!(link(world.host(), "bond0.100")["mtu"], 9000);
    assert_eq!(link(world.host(), "rail1")["master"], "bond0");
    let mut check = conf.clone();
    check["prevResult"] = json!({ "cniVersion": "1.1.0" });
    ifacer(&world, "a").check(&check).success();
    ifacer(&world, "a").del(&conf).success();
    assert!(world.host().has_link("bond0.100"));
    ifacer(&world, "b").del(&conf).success();
    assert_same(&before, &settled(&world));
}

/// Whoever is on a tenant's VLAN could else give the node a default route, by one advertisement.
#[test]
fn what_is_made_on_the_host_hears_no_router() {
    let world = world();
    world.host().set_sysctl("net/ipv6/conf/default/accept_ra", "1");
    ifacer(&world, "a").add(&bonded(&json!({}))).success();
    for name in ["bond0", "bond0.100"] {
        for (family, setting) in
            [("ipv6", "accept_ra"), ("ipv6", "accept_redirects"), ("ipv4", "accept_redirects")]
        {
            assert_eq!(
                world.host().sysctl(&format!("net/{family}/conf/{name}/{setting}")),
                "0",
                "{name}: {setting}"
            );
        }
        assert!(is_up(&link(world.host(), name)), "{name}");
    }
}

/// A port is down for a moment, and with it the VLAN on it, and whatever leads there.
#[test]
fn a_nic_that_carries_the_nodes_address_by_a_vlan_becomes_no_port() {
    let world = world();
    world.host().ip_do("link add nic2 type dummy\nlink set nic2 up\nlink add nic2.7 link nic2 type vlan id 7\nlink set nic2.7 up\naddr add 198.51.100.7/24 dev nic2.7");
    let before = steady(&world);
    let error = ifacer(&world, "a")
        .add(&bonded(&json!({ "interfaces": ["rail1", "nic2"], "bond": { "mode": 1 } })))
        .error();
    assert!(error.code == 7 && error.msg.contains("198.51.100.7/24 on nic2.7"), "{error:?}");
    assert_same(&before, &steady(&world));
}

/// A port that comes up again gets carrier, and with it routes, in the kernel's own time.
fn settled(world: &World) -> testkit::Snapshot {
    let ready = || {
        let up = |name: &str| link(world.host(), name)["operstate"] == "UP";
        (up("rail1") && up("rail2")).then_some(())
    };
    testkit::eventually(std::time::Duration::from_secs(10), ready).expect("the ports come up again");
    steady(world)
}

/// Without what IPv6 does in its own time when a link comes up.
fn steady(world: &World) -> testkit::Snapshot {
    world.snapshot().without("file ").without("host addr6").without("host route6")
}

#[test]
fn another_bond_of_that_name_is_refused_with_what_it_is() {
    let world = world();
    ifacer(&world, "a").add(&bonded(&json!({}))).success();
    let bond =
        |mode: &str, options: &str| json!({ "bond": { "name": "bond0", "mode": mode, "options": options } });
    for (more, found) in [
        (bond("802.3ad", ""), "has mode"),
        (bond("active-backup", "miimon=100"), "another value"),
        (json!({ "interfaces": ["rail2", "rail3"] }), "has the ports [rail1, rail2]"),
        (json!({ "mtu": 9001 }), "9000 of bond0"),
    ] {
        let before = steady(&world);
        let error = ifacer(&world, "b").add(&bonded(&more)).error();
        assert!(error.code == 7 && error.msg.contains(found), "{found}: {error:?}");
        assert_same(&before, &steady(&world));
    }
}

#[test]
fn check_names_each_difference() {
    let world = world();
    let mut conf = bonded(&json!({ "mtu": 4200 }));
    ifacer(&world, "a").add(&conf).success();
    conf["prevResult"] = json!({ "cniVersion": "1.1.0" });
    ifacer(&world, "a").check(&conf).success();
    let msg = ifacer(&world, "b").check(&conf).error().msg;
    assert!(msg.contains("not kept for this attachment"), "{msg}");
    for (change, named) in [
        ("link set bond0.100 mtu 1500", "bond0.100 has MTU 1500"),
        ("link set rail2 nomaster", "has the ports [rail1]"),
        ("link set bond0.100 down", "bond0.100 is down"),
        ("link del bond0.100", "bond0.100 is missing"),
    ] {
        world.host().ip_do(change);
        let msg = ifacer(&world, "a").check(&conf).error().msg;
        assert!(msg.contains(named), "after {change}: {msg}");
    }
}

#[test]
fn a_failure_of_the_vlan_takes_the_new_bond_away() {
    let world = world();
    let before = steady(&world);
    // No link has it, and the kernel gives it to none: `net.ipv4.conf.all` is for all of them.
    let error = ifacer(&world, "a").add(&bonded(&json!({ "vlanName": "all", "cleanup": false }))).error();
    assert!(error.msg.contains("all") && error.msg.contains("EINVAL"), "{error:?}");
    assert!(!world.host().has_link("bond0"));
    assert_same(&before, &settled(&world));
}

#[test]
fn gc_releases_the_users_of_this_network() {
    let world = world();
    let conf = vlan(&json!({ "cleanup": true }));
    for container in ["a", "b"] {
        ifacer(&world, container).add(&conf).success();
    }
    let gc = |name: &str, valid: Value| {
        let call = vlan(&json!({ "name": name, "cni.dev/valid-attachments": valid }));
        world.plugin("ifacer").gc(&call).success();
        world.host().has_link("rail1.100")
    };
    assert!(gc("other", json!([])));
    assert!(gc("storage", json!([{ "containerID": "b", "ifname": "net1" }])));
    assert!(!gc("storage", json!([])));
}

#[test]
fn killed_at_any_message_to_the_kernel_the_next_pod_gets_it_whole_and_the_last_removes_it() {
    let world = world();
    let conf = bonded(&json!({}));
    let plugin = ifacer(&world, "a");
    let whole = plugin.trace("ADD", &conf, "sendto,sendmsg", Scope::Plugin);
    plugin.del(&conf).success();
    // Every third point: the time of one test does not suffice for all, which the next test goes through.
    for point in whole.points().iter().step_by(3) {
        plugin.kill_at("ADD", &conf, Scope::Plugin, point);
        ifacer(&world, "b").add(&conf).success();
        for name in ["bond0", "bond0.100"] {
            assert!(is_up(&link(world.host(), name)), "{name} after {point}");
        }
        for port in ["rail1", "rail2"] {
            assert_eq!(link(world.host(), port)["master"], "bond0", "{port} after {point}");
        }
        plugin.del(&conf).success();
        assert!(world.host().has_link("bond0.100"), "b has it still, after {point}");
        ifacer(&world, "b").del(&conf).success();
        for name in ["bond0", "bond0.100"] {
            assert!(!world.host().has_link(name), "{name} after {point}");
        }
        assert!(is_up(&link(world.host(), "rail1")), "after {point}");
    }
}

#[test]
fn a_kill_between_bond_and_vlan_is_undone_by_del() {
    let world = world();
    let conf = bonded(&json!({}));
    let plugin = ifacer(&world, "a");
    let points = plugin.trace("ADD", &conf, "sendto,sendmsg", Scope::Plugin).points();
    plugin.del(&conf).success();
    let mut between = 0;
    for point in points {
        plugin.kill_at("ADD", &conf, Scope::Plugin, &point);
        between += u32::from(world.host().has_link("bond0") && !world.host().has_link("bond0.100"));
        plugin.del(&conf).success();
        assert!(!world.host().has_link("bond0") && !world.host().has_link("bond0.100"), "after {point}");
        assert!(is_up(&link(world.host(), "rail1")) && is_up(&link(world.host(), "rail2")), "after {point}");
    }
    assert!(between > 0, "no point lies between bond and VLAN");
}

/// N00006
#[test]
fn after_a_reboot_it_is_made_again() {
    for conf in [vlan(&json!({ "cleanup": true })), bonded(&json!({}))] {
        let world = world();
        let made = if conf["bond"].is_null() { vec!["rail1.100"] } else { vec!["bond0.100", "bond0"] };
        ifacer(&world, "a").add(&conf).success();
        // What a reboot takes: the links, and the state on tmpfs.
        for name in &made {
            world.host().ip_do(&format!("link del {name}"));
        }
        std::fs::remove_dir_all(world.dirs().state.join("masters")).expect("the ledgers");
        ifacer(&world, "a").add(&conf).success();
        assert!(made.iter().all(|name| is_up(&link(world.host(), name))), "{made:?}");
        ifacer(&world, "a").del(&conf).success();
        assert!(made.iter().all(|name| !world.host().has_link(name)), "{made:?}");
    }
}
