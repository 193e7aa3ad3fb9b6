//! `railctl doctor` beside links of the kernel; RDMA devices of a real core are in the VM lab, each check by itself in `src/host`.

#![expect(clippy::unwrap_used, reason = "the functions between the tests are tests too")]
#![expect(clippy::disallowed_methods, reason = "nobody reads a test's own file while it is written")]

use std::fs;
use std::process::{Command, Output};

use serde_json::Value;
use testkit::{World, assert_same, binary};

fn doctor(world: &World, args: &[&str]) -> (Option<i32>, String, String) {
    let mut command = Command::new(binary("railctl"));
    let Output { status, stdout, stderr } =
        command.arg("doctor").args(args).env("NO_COLOR", "1").envs(world.dirs().env()).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (status.code(), text(stdout), text(stderr))
}

/// One RoCE device whose interface is `rail1` of the world, with the GID of 172.16.1.10 at index 3.
fn with_device(world: &World) -> String {
    let root = world.dirs().scratch.join("root");
    let port = "sys/class/infiniband/mlx5_0/ports/1";
    for (path, content) in [
        ("sys/class/infiniband/mlx5_0/node_guid".to_owned(), "0002:c903:0028:7a1c"),
        (format!("{port}/state"), "4: ACTIVE"),
        (format!("{port}/phys_state"), "5: LinkUp"),
        (format!("{port}/link_layer"), "Ethernet"),
        (format!("{port}/gids/3"), "0000:0000:0000:0000:0000:ffff:ac10:010a"),
        (format!("{port}/gid_attrs/types/3"), "RoCE v2"),
        (format!("{port}/gid_attrs/ndevs/3"), "rail1"),
    ] {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    root.display().to_string()
}

fn finding(world: &World, root: &str, check: &str) -> Value {
    let (_, printed, said) = doctor(world, &["--root", root, "-o", "json"]);
    let report: Value =
        serde_json::from_str(&printed).unwrap_or_else(|error| panic!("{error}: {printed}{said}"));
    let of = |finding: &&Value| finding["check"] == check;
    report["findings"].as_array().unwrap().iter().find(of).cloned().unwrap_or_default()
}

#[test]
fn a_machine_without_rdma_is_told_in_one_line() {
    let world = World::new();
    let pod = world.bare_pod("a");
    let before = world.snapshot();
    let netns = pod.path().display().to_string();
    let empty = world.dirs().scratch.display().to_string();
    for args in [vec!["--root", empty.as_str()], vec![netns.as_str()], vec!["--pod", "a"]] {
        let (code, printed, _) = doctor(&world, &args);
        assert_eq!((code, printed.lines().count()), (Some(4), 1), "{args:?}: {printed}");
        let (code, printed, _) = doctor(&world, &[&args[..], &["--allow-none"]].concat());
        assert_eq!(code, Some(0), "{printed}");
        assert!(printed.starts_with("no RDMA device in "), "{printed}");
        let (code, printed, said) = doctor(&world, &[&args[..], &["-o", "json"]].concat());
        assert_eq!(code, Some(4), "{said}");
        assert!(said.contains("no RDMA device in "), "{said}");
        let report: Value =
            serde_json::from_str(&printed).unwrap_or_else(|error| panic!("{error}: {printed}"));
        assert_eq!(report["findings"], Value::Array(Vec::new()), "{printed}");
    }
    assert_same(&before, &world.snapshot());
}

#[test]
fn a_device_is_judged_by_its_interface_in_the_kernel() {
    let world = World::new();
    world.rail(1);
    let root = with_device(&world);
    world.host().ip_do("address add 172.16.1.10/24 dev rail1");
    let gid = finding(&world, &root, "gid");
    assert_eq!((&gid["level"], &gid["value"]), (&"good".into(), &"RoCE v2 GID index 3".into()), "{gid}");
    assert_eq!(finding(&world, &root, "mtu")["value"], "9000");
    world.host().ip_do("link set rail1 mtu 1500\naddress delete 172.16.1.10/24 dev rail1\naddress add 172.16.1.11/24 dev rail1");
    let gid = finding(&world, &root, "gid");
    assert_eq!((&gid["level"], &gid["value"]), (&"error".into(), &"no RoCE v2 GID".into()), "{gid}");
    assert_eq!(finding(&world, &root, "mtu")["level"], "warning");
    let (code, printed, _) = doctor(&world, &["--root", &root]);
    assert_eq!(code, Some(3), "{printed}");
    for said in ["✗ gid", "wanted: an entry for 172.16.1.11", "cure:   ip link set rail1 down", "! mtu"] {
        assert!(printed.contains(said), "{said:?} is not in\n{printed}");
    }
}

#[test]
fn the_nodes_file_is_compared_too() {
    let world = World::new();
    world.rail(1);
    let root = with_device(&world);
    fs::write(world.dirs().config.join("host.yaml"), "nics: [{name: rail1, mtu: 4200}]").unwrap();
    let found = finding(&world, &root, "hostFile");
    assert_eq!(
        (&found["level"], &found["value"]),
        (&"error".into(), &"rail1: mtu is 9000, wanted is 4200".into())
    );
    world.host().ip_do("link set rail1 mtu 4200");
    assert_eq!(finding(&world, &root, "hostFile"), Value::Null);
    fs::write(world.dirs().config.join("host.yaml"), "nics: [{nam: rail1}]").unwrap();
    let (code, _, said) = doctor(&world, &["--root", &root]);
    assert_eq!(code, Some(1));
    assert!(said.contains("nics[0].nam: means nothing here; write \"name\""), "{said}");
}

#[test]
fn a_pod_that_nobody_knows_is_refused() {
    let world = World::new();
    let (code, _, said) = doctor(&world, &["--pod", "ml/worker-0"]);
    assert_eq!(code, Some(1));
    assert!(said.contains("nothing is on record for \"ml/worker-0\""), "{said}");
}
