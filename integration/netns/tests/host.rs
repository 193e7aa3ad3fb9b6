//! `railctl host` on links of the kernel: what it makes of a file, what it leaves alone, and that nothing stays of it.

#![expect(clippy::unwrap_used, reason = "the functions between the tests are tests too")]

#[path = "host/killed.rs"]
mod killed;
#[path = "host/node.rs"]
mod node;
#[path = "host/persisted.rs"]
mod persisted;
#[path = "host/undone.rs"]
mod undone;

use std::path::Path;
use std::process::Command;

use testkit::assert_same;

use node::{GUIDE, Node, TWO_FAMILIES};

#[test]
fn the_guides_outputs_come_out_for_their_inputs() {
    let node = Node::new();
    node.apply(GUIDE);
    let ip = |args: &str| node.ip(args);
    for (args, line) in [
        ("rule", "32762:\tnot from all to 172.16.0.0/16 lookup main proto 211"),
        ("rule", "32763:\tfrom 172.16.0.10 lookup 152 proto 211"),
        ("route show table 152", "default via 172.16.0.1 dev eno3np2 proto 211"),
        ("route show table 152", "172.16.0.0/24 dev eno3np2 proto 211 scope link"),
        ("route", "172.16.0.0/16 via 172.16.0.1 dev eno3np2 proto 211"),
        ("address show eno3np2", "inet 172.16.0.10/24 brd 172.16.0.255 scope global eno3np2"),
    ] {
        // Newer releases of iproute2 print an address's protocol.
        let text = ip(args).replace(" proto 0xd3", "");
        assert!(text.lines().any(|printed| printed.trim().starts_with(line)), "{line:?} is not in\n{text}");
    }
    assert!(ip("link show eno3np2").contains("UP,LOWER_UP> mtu 4200"), "{}", ip("link show eno3np2"));
    let modprobe = node.root_file("etc/modprobe.d/railcni-rdma.conf");
    assert!(modprobe.ends_with("options ib_core netns_mode=0\n"), "{modprobe}");
}

#[test]
fn a_second_apply_changes_nothing_and_an_undo_restores_everything() {
    let node = Node::new();
    let before = node.snapshot();
    for file in [GUIDE, TWO_FAMILIES] {
        node.apply(file);
        let applied = node.snapshot();
        assert!(!before.diff(&applied).is_empty());
        let said = node.apply(file);
        assert!(said.contains("nothing to change"), "{said}");
        assert_same(&applied, &node.snapshot());
        assert!(node.railctl(&["check"], file).success(), "check sees what apply made");
        let said = node.undo();
        assert!(said.contains("changes"), "{said}");
        for deleted in [".10 lookup 152  (RTM_DELRULE)", "(RTM_DELROUTE)", "(RTM_DELADDR)"] {
            assert!(said.contains(deleted) && !said.contains("RTM_NEWRULE"), "{deleted:?} is not in\n{said}");
        }
        assert_same(&before, &node.snapshot());
        assert!(node.undo().contains("nothing to change: nothing is on record in "));
    }
}

#[test]
fn what_differs_comes_as_json_too() {
    let node = Node::new();
    for verb in ["plan", "check"] {
        let said = node.railctl(&[verb, "-o", "json"], GUIDE);
        assert_eq!(said.success(), verb == "plan", "{said}");
        let told: serde_json::Value = serde_json::from_str(&said.stdout()).expect("JSON");
        let wanted =
            serde_json::json!({ "key": "eno3np2: mtu", "is": "1500", "wanted": "4200", "by": "RTM_SETLINK" });
        assert!(told["differences"].as_array().expect("a list").contains(&wanted), "{told}");
    }
    node.apply(GUIDE);
    let said = node.railctl(&["check", "-o", "json"], GUIDE);
    assert!(said.success(), "{said}");
    let told: serde_json::Value = serde_json::from_str(&said.stdout()).expect("JSON");
    assert_eq!(told["differences"], serde_json::json!([]));
    node.undo();
}

#[test]
fn a_plan_says_each_change_with_its_message_or_file_and_makes_none() {
    let node = Node::new();
    let before = node.snapshot();
    let said = node.railctl(&["plan"], GUIDE).stdout();
    for line in [
        "~ eno3np2: mtu: 1500 -> 4200  (RTM_SETLINK)",
        "+ eno3np2: up  (RTM_SETLINK)",
        "+ eno3np2: address 172.16.0.10/24  (RTM_NEWADDR)",
        "+ eno3np2: route default via 172.16.0.1 table 152  (RTM_NEWROUTE)",
        "+ rule 32763: from 172.16.0.10 lookup 152  (RTM_NEWRULE)",
        "/etc/modprobe.d/railcni-rdma.conf",
    ] {
        assert!(said.contains(line), "{line:?} is not in\n{said}");
    }
    assert_same(&before, &node.snapshot());
}

#[test]
fn every_drift_is_named_and_mended() {
    let node = Node::new();
    node.apply(GUIDE);
    let applied = node.snapshot();
    for (drift, said) in [
        ("link set eno3np2 mtu 1400", "eno3np2: mtu is 1400, wanted is 4200"),
        ("address delete 172.16.0.10/24 dev eno3np2", "eno3np2: address 172.16.0.10/24 is missing"),
        ("rule delete priority 32763", "rule 32763: from 172.16.0.10 lookup 152 is missing"),
        ("rule delete priority 32762", "rule 32762: not to 172.16.0.0/16 lookup main is missing"),
        ("route delete default table 152", "eno3np2: route default via 172.16.0.1 table 152 is missing"),
        ("route delete 172.16.0.0/16", "eno3np2: route 172.16.0.0/16 via 172.16.0.1 is missing"),
        ("link set eno3np2 down", "eno3np2: up is missing"),
    ] {
        node.host_do(drift);
        let check = node.railctl(&["check"], GUIDE);
        assert!(!check.success(), "{drift}");
        assert!(check.stdout().contains(said), "{drift}: {said:?} is not in\n{check}");
        node.apply(GUIDE);
        assert_same(&applied, &node.snapshot());
    }
}

#[test]
fn another_file_takes_away_what_the_first_one_made() {
    let node = Node::new();
    let before = node.snapshot();
    node.apply(GUIDE);
    let other = "nics: [{name: eno3np2, addresses: [10.8.0.2/24], gateways: [10.8.0.1], table: 160}]";
    node.apply(other);
    let rules = node.ip("rule");
    assert!(rules.contains("from 10.8.0.2 lookup 160") && !rules.contains("172.16"), "{rules}");
    assert!(node.ip("link show eno3np2").contains("mtu 1500"), "the MTU that nobody wants any more");
    assert!(node.ip("route").lines().all(|line| line.starts_with("10.8.0.0/24 ")), "{}", node.ip("route"));
    node.undo();
    assert_same(&before, &node.snapshot());
}

#[test]
fn what_stands_in_the_way_is_told_at_once_and_nothing_is_changed() {
    let node = Node::new();
    node.host_do("link set eno4np3 up\naddress add 10.9.0.2/24 dev eno4np3\nroute add default via 10.9.0.1 dev eno4np3 table 152");
    let before = node.snapshot();
    let file =
        GUIDE.replace("nics:", "nics:\n- {name: eno9, vfs: 4}\n- {name: eno4np3, vfs: 4, mtu: 65520}\n");
    for verb in ["plan", "apply", "check"] {
        let refused = node.railctl(&[verb], &file);
        assert!(!refused.success(), "{verb}");
        // That a look changes nothing goes without saying.
        assert_eq!(refused.stderr().contains("nothing was changed"), verb == "apply", "{refused}");
        for said in [
            "eno9: no such link here",
            "eno4np3: vfs: it has no sriov_totalvfs, so it is no PF",
            "eno3np2: table 152 is in use: it has `eno4np3: route default via 10.9.0.1 table 152`",
        ] {
            assert!(refused.stderr().contains(said), "{verb}: {said:?} is not in\n{refused}");
        }
        assert_same(&before, &node.snapshot());
    }
}

#[test]
fn a_port_of_another_type_is_refused_with_the_vendors_command() {
    let node = Node::new();
    let before = node.snapshot();
    let refused = node.railctl(&["apply"], "nics: [{name: eno3np2, mtu: 4200, linkType: infiniband}]");
    let said = "eno3np2: linkType: its port is Ethernet, wanted is InfiniBand (`mlxconfig -d PCI set LINK_TYPE_P1=1`";
    assert!(!refused.success() && refused.stderr().contains(said), "{refused}");
    assert_same(&before, &node.snapshot());
}

#[test]
fn a_nic_without_priority_flow_control_refuses_lossless_classes() {
    let node = Node::new();
    let before = node.snapshot();
    let refused = node.railctl(&["apply"], "{nics: [{name: eno3np2}], roce: {preset: nvidia}}");
    assert!(refused.stderr().contains("eno3np2: roce: its driver has no priority flow control"), "{refused}");
    assert_same(&before, &node.snapshot());
}

/// The examples have the names that conf-examples/README.md tells.
fn with_names_of_this_node(example: &str) -> String {
    let names = [
        ("enp11s0f0np0", "eno3np2"),
        ("enp12s0f0np0", "eno4np3"),
        ("ibp11s0", "eno3np2"),
        ("ibp12s0", "eno4np3"),
    ];
    assert!(names.iter().all(|(_, here)| !example.contains(here)), "{example}");
    names.iter().fold(example.to_owned(), |text, (name, here)| text.replace(name, here))
}

/// Every file of `conf-examples/host/`; the VM lab has PFs for the one that needs them.
#[test]
fn every_example_is_applied_and_undone() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../conf-examples/host");
    let mut refused = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let text = with_names_of_this_node(&std::fs::read_to_string(&path).unwrap());
        let node = Node::new();
        let before = node.snapshot();
        if text.contains("vfs:") {
            let said = node.railctl(&["apply"], &text).stderr();
            assert!(said.contains("it is no PF") && said.contains("no priority flow control"), "{said}");
            refused.push(path);
        } else {
            node.apply(&text);
            assert!(node.railctl(&["check"], &text).success(), "{}", path.display());
            node.undo();
        }
        assert_same(&before, &node.snapshot());
    }
    assert_eq!(refused.len(), 1, "{refused:?}");
}

#[test]
fn whatever_lies_at_the_path_of_the_file_changes_nothing_and_keeps_nobody_waiting() {
    let node = Node::new();
    let before = node.snapshot();
    let scratch = node.world.dirs().scratch.clone();
    let fifo = scratch.join("fifo");
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    let large = node.world.file("large.yaml", format!("# {}", "x".repeat(2 << 20)));
    let binary = node.world.file("binary.yaml", [0xff, 0xfe, 0, 1]);
    let deep = node.world.file("deep.yaml", "[".repeat(100_000));
    for (path, said) in [
        (fifo, "is no regular file"),
        (scratch.clone(), "is no regular file"),
        (large, "is larger than 1 MiB"),
        (binary, "is no text in UTF-8"),
        (deep, "file: "),
        (scratch.join("missing"), "does not exist"),
    ] {
        for verb in ["plan", "apply", "check"] {
            let refused = node.railctl_on(&[verb], &path);
            assert!(!refused.success() && refused.stderr().contains(said), "{said:?}: {refused}");
        }
    }
    assert_same(&before, &node.snapshot());
}

#[test]
fn a_damaged_record_is_told_and_nothing_is_changed() {
    let node = Node::new();
    node.apply(GUIDE);
    let record = node.world.dirs().state.join("host/record.json");
    assert!(Command::new("truncate").args(["-s", "-40"]).arg(&record).status().unwrap().success());
    let before = node.snapshot();
    for verb in ["plan", "apply", "check", "undo"] {
        let refused = node.railctl(&[verb], GUIDE);
        assert!(
            !refused.success() && refused.stderr().contains("record.json cannot be used"),
            "{verb}: {refused}"
        );
    }
    assert_same(&before, &node.snapshot());
}

#[test]
fn two_at_once_take_turns() {
    let node = Node::new();
    let before = node.snapshot();
    let runs = node.at_once(6, GUIDE);
    for run in runs {
        assert!(run.success(), "{run}");
    }
    assert!(node.railctl(&["check"], GUIDE).success());
    node.undo();
    assert_same(&before, &node.snapshot());
}
