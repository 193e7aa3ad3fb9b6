//! What `--persist` leaves on the node's disk, and for how long.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use testkit::assert_same;

use super::node::{GUIDE, Node};

#[test]
fn persistence_is_a_unit_that_stays_until_the_undo() {
    let node = Node::new();
    let before = node.snapshot();
    let applied = node.railctl(&["apply", "--persist"], GUIDE);
    assert!(applied.success(), "{applied}");
    assert!(applied.stderr().contains("systemctl daemon-reload"), "{applied}");
    let unit = node.root_file("etc/systemd/system/railcni-host.service");
    assert!(
        unit.contains("railctl\" host apply --persist=systemd --present \"/run/world/scratch/host.yaml\"\n"),
        "{unit}"
    );
    let again = node.apply(GUIDE);
    assert!(again.contains("nothing to change"), "an apply by hand leaves it: {again}");
    assert!(
        node.root_file("etc/systemd/system/multi-user.target.wants/railcni-host.service").contains("[Unit]")
    );
    node.undo();
    assert_same(&before, &node.snapshot());
}

/// Each has its file, as long as it is asked for.
#[test]
fn what_configures_links_here_has_their_part_too() {
    let node = Node::new();
    for folder in ["etc/systemd/network", "etc/netplan", "etc/NetworkManager/system-connections"] {
        fs::create_dir_all(node.root().join(folder)).unwrap();
    }
    let before = node.snapshot();
    for (by, path, mode, line) in [
        ("networkd", "etc/systemd/network/10-railcni-eno3np2.network", 0o644, "\nAddress=172.16.0.10/24\n"),
        ("netplan", "etc/netplan/90-railcni.yaml", 0o600, "addresses: [\"172.16.0.10/24\"]\n"),
        (
            "network-manager",
            "etc/NetworkManager/system-connections/railcni-eno3np2.nmconnection",
            0o600,
            "\naddress1=172.16.0.10/24\n",
        ),
    ] {
        let applied = node.railctl(&["apply", &format!("--persist={by}")], GUIDE);
        assert!(applied.success() && applied.stderr().contains("the new files are read by"), "{applied}");
        let text = node.root_file(path);
        assert!(text.contains(line), "{line:?} is not in\n{text}");
        assert_eq!(
            fs::metadata(node.root().join(path)).unwrap().permissions().mode() & 0o777,
            mode,
            "{path}"
        );
        let unit = node.root_file("etc/systemd/system/railcni-host.service");
        assert!(unit.contains(&format!(" host apply --persist={by} --present ")), "{unit}");
        let again = node.apply(GUIDE);
        assert!(again.contains("nothing to change"), "an apply by hand leaves it: {again}");
        state::file::replace(&node.root().join(path), b"drifted").unwrap();
        assert!(node.railctl(&["check"], GUIDE).stdout().contains(path));
        node.apply(GUIDE);
        assert_eq!(node.root_file(path), text);
    }
    assert!(!node.root().join("etc/netplan/90-railcni.yaml").exists(), "the last one is the only one");
    node.undo();
    assert_same(&before, &node.snapshot());
}

/// At boot, before a NIC has come: its file stays, or it would never get its addresses.
#[test]
fn what_is_still_to_come_keeps_its_file() {
    let node = Node::new();
    let file = "nics: [{name: eno3np2, mtu: 4200}, {name: eno9np9, addresses: [10.9.0.2/24]}]";
    let applied = node.railctl(&["apply", "--persist=networkd", "--present"], file);
    assert!(applied.success() && applied.stderr().contains("eno9np9: no such link here"), "{applied}");
    let text = node.root_file("etc/systemd/network/10-railcni-eno9np9.network");
    assert!(text.contains("Name=eno9np9\n") && text.contains("Address=10.9.0.2/24\n"), "{text}");
    node.undo();
}
