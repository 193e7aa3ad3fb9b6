//! A bond, and the VLAN on it.

use serde_json::json;
use testkit::{Scope, assert_same};

use super::{bonded, ifacer, is_up, link, settled, steady, world};

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

/// The kernel refuses such a port only once that is down, and all pods on it have lost carrier.
#[test]
fn a_nic_that_pods_are_on_becomes_no_port_and_never_goes_down() {
    let world = world();
    let pod = world.bare_pod("a");
    world.host().ip_do("link add rail2.7 link rail2 type vlan id 7\nlink set rail2.7 up");
    for (master, kind) in
        [("rail2", "macvlan mode bridge"), ("rail2", "ipvlan"), ("rail2.7", "macvlan mode bridge")]
    {
        world.host().ip_do(&format!("link add net1 link {master} netns a type {kind}"));
        pod.ip_do("link set net1 up");
        let before = steady(&world);
        let file = "/sys/class/net/rail2/carrier_changes";
        let changes = || world.host().run_with_sysfs(|| std::fs::read_to_string(file)).expect("changes");
        let carrier = changes();
        let error = ifacer(&world, "a").add(&bonded(&json!({}))).error();
        assert!(
            error.code == 7 && error.msg.contains("rail2") && error.msg.contains("a link in a pod"),
            "{error:?}"
        );
        assert_same(&before, &steady(&world));
        assert_eq!(changes(), carrier, "{kind} on {master}: the NIC has been down");
        pod.ip_do("link del net1");
    }
    world.host().ip_do("link del rail2.7");
    ifacer(&world, "a").add(&bonded(&json!({}))).success();
    ifacer(&world, "a").del(&bonded(&json!({}))).success();
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
