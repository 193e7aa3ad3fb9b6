//! The files in conf-examples/shared-masters.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use testkit::{Space, World};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../conf-examples")
}

fn world() -> World {
    let world = World::new();
    world.let_take_whole(&["enp11s0f0np0", "enp12s0f0np0"]);
    for rail in [1, 2] {
        let master = format!("enp1{rail}s0f0np0");
        world.host().ip_do(&format!(
            "link add {master} type veth peer name rail{rail} netns switch\nlink set {master} up"
        ));
        world.switch().ip_do(&format!("link set rail{rail} up"));
    }
    let pools = world.dirs().config.join("pools.d");
    fs::create_dir_all(&pools).expect("a folder");
    fs::copy(folder().join("pools/rails-shared-subnet.yaml"), pools.join("pools.yaml")).expect("the pools");
    world
}

/// Each plugin's verb in turn, and the last result; backwards for DEL.
fn chain(world: &World, pod: &Space, file: &str, verb: &str) -> Value {
    let text = fs::read_to_string(folder().join("shared-masters").join(file)).expect("the example");
    let list: Value = serde_json::from_str(&text).expect("JSON");
    let mut plugins = list["plugins"].as_array().expect("plugins").clone();
    if verb == "DEL" {
        plugins.reverse();
    }
    let mut result = Value::Null;
    for mut conf in plugins {
        for (key, value) in
            [("cniVersion", &list["cniVersion"]), ("name", &list["name"]), ("prevResult", &result)]
        {
            conf[key] = value.clone();
        }
        let name = conf["type"].as_str().expect("a type").to_owned();
        let plugin = world.plugin(&name).netns(pod.path()).container(pod.name());
        result = plugin.run(verb, &conf).success();
    }
    result
}

#[test]
fn each_is_attached_and_detached() {
    let world = world();
    for (file, made) in [
        ("ipvlan-rail1.conflist", None),
        ("vlan-macvlan.conflist", Some("rail1.100")),
        ("bond-macvlan.conflist", Some("bond0.100")),
    ] {
        let pod = world.pod(file.split('-').next().expect("a word"));
        let result = chain(&world, &pod, file, "ADD");
        assert!(
            result["ips"][0]["address"].as_str().is_some_and(|ip| ip.starts_with("172.16.11.")),
            "{file}: {result}"
        );
        assert!(made.is_none_or(|link| world.host().has_link(link)), "{file}");
        chain(&world, &pod, file, "DEL");
        assert!(!pod.has_link("net1"), "{file}");
        assert!(made.is_none_or(|link| !world.host().has_link(link)), "{file}");
    }
}

#[test]
fn every_file_has_its_test() {
    let files = fs::read_dir(folder().join("shared-masters")).expect("the folder").flatten();
    let mut names: Vec<_> = files.filter_map(|file| file.file_name().into_string().ok()).collect();
    names.sort();
    assert_eq!(
        json!(names),
        json!(["bond-macvlan.conflist", "ipvlan-rail1.conflist", "vlan-macvlan.conflist"])
    );
}
