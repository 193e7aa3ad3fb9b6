//! `ifacer` on a kernel that has VLANs and bonds. N00001 and so on are the cases of Spiderpool's own end-to-end tests.

mod bond;
mod disk;
mod vlan;

use serde_json::{Value, json};
use testkit::{Plugin, Space, World};

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
