//! What an undo puts back, and what it leaves to others.

use std::path::Path;
use std::process::Command;

use testkit::assert_same;

use super::node::{GUIDE, Node, TWO_FAMILIES};

#[test]
fn what_was_there_before_is_not_ours_to_undo() {
    let node = Node::new();
    node.host_do("link set eno3np2 up mtu 4200\naddress add 172.16.0.10/24 brd + dev eno3np2\nroute add default via 172.16.0.1 dev eno3np2 table 152 proto static");
    let before = node.snapshot();
    let said = node.apply(GUIDE);
    assert!(
        !said.contains("address") && !said.contains("default"),
        "the scripts of the guides have done it: {said}"
    );
    node.undo();
    assert_same(&before, &node.snapshot());
}

#[test]
fn what_somebody_else_has_changed_since_stays_and_is_told() {
    let node = Node::new();
    node.apply(GUIDE);
    node.host_do("link set eno3np2 mtu 1400");
    let undo = node.railctl(&["undo"], GUIDE);
    assert!(undo.success(), "{undo}");
    assert!(
        undo.stderr().contains("eno3np2: mtu is 1400, not the 4200 that was set here: it stays"),
        "{undo}"
    );
    assert!(node.ip("link show eno3np2").contains("mtu 1400"));
}

#[test]
fn a_link_that_went_and_came_back_is_prepared_again_and_undone() {
    let node = Node::new();
    let before = node.snapshot();
    node.apply(GUIDE);
    node.host_do("link delete eno3np2");
    node.add_nic("eno3np2");
    node.apply(GUIDE);
    assert!(node.railctl(&["check"], GUIDE).success());
    node.undo();
    assert_same(&before, &node.snapshot());
}

/// Same name, another index: whoever made it has given it what ours had, too.
#[test]
fn an_undo_leaves_a_link_alone_that_others_made_anew_under_its_name() {
    let node = Node::new();
    node.apply(GUIDE);
    node.host_do("link delete eno3np2");
    node.add_nic("eno3np2");
    node.host_do(
        "link set eno3np2 up mtu 4200\naddress add 172.16.0.10/24 dev eno3np2\n\
         route add default via 172.16.0.1 dev eno3np2 table 152",
    );
    let show =
        || ["link show eno3np2", "address show eno3np2", "route show table 152"].map(|args| node.ip(args));
    let theirs = show();
    let undo = node.railctl(&["undo"], "");
    assert!(undo.success() && undo.stderr().contains("eno3np2 is another link than the one"), "{undo}");
    assert_eq!(show(), theirs);
    assert!(!node.ip("rule").contains("172.16"), "what goes with no link is undone: {}", node.ip("rule"));
}

/// On the same NIC, by somebody who makes it himself after he has taken ours away.
#[test]
fn an_undo_leaves_alone_what_others_made_anew() {
    let node = Node::new();
    node.apply(GUIDE);
    node.host_do(
        "rule delete priority 32763\nrule add priority 32763 from 172.16.0.10 lookup 152\n\
         route delete default table 152\nroute add default via 172.16.0.1 dev eno3np2 table 152\n\
         address delete 172.16.0.10/24 dev eno3np2\naddress add 172.16.0.10/24 dev eno3np2",
    );
    let undo = node.railctl(&["undo"], "");
    assert!(undo.success(), "{undo}");
    for what in ["rule 32763: from 172.16.0.10 lookup 152", "eno3np2: address 172.16.0.10/24"] {
        let said = format!("{what} has been made anew by somebody else: it stays");
        assert!(undo.stderr().contains(&said), "{said:?} is not in\n{undo}");
    }
    assert!(node.ip("rule").contains("from 172.16.0.10 lookup 152"), "{}", node.ip("rule"));
    assert!(node.ip("address show eno3np2").contains("172.16.0.10/24"));
}

/// As with everything below /run/railcni that somebody clears.
#[test]
fn what_is_on_no_record_any_more_is_told_by_undo_and_taken_on_record_by_apply() {
    let node = Node::new();
    let before = node.snapshot();
    node.apply(GUIDE);
    std::fs::remove_file(node.world.dirs().state.join("host/record.json")).unwrap();
    let undo = node.railctl(&["undo"], "");
    for what in [
        "eno3np2: address 172.16.0.10/24",
        "eno3np2: route default via 172.16.0.1 table 152",
        "rule 32763: from 172.16.0.10 lookup 152",
        "rule 32762: not to 172.16.0.0/16 lookup main",
    ] {
        let said = format!("{what} carries protocol 211 and is on no record");
        assert!(undo.stderr().contains(&said), "{said:?} is not in\n{undo}");
    }
    node.apply(GUIDE);
    node.undo();
    // Of what carries no number, nobody knows what it was before.
    node.host_do("link set eno3np2 mtu 1500 down");
    assert_same(&before, &node.snapshot());
}

#[test]
fn the_undo_needs_neither_the_file_nor_the_link() {
    let node = Node::new();
    node.apply(GUIDE);
    node.host_do("link delete eno3np2");
    let said = node.undo();
    assert!(said.contains("- rule 32763"), "{said}");
    assert!(!node.ip("rule").contains("172.16"), "{}", node.ip("rule"));
    assert!(node.undo().contains("nothing to change"));
}

#[test]
fn a_nic_that_is_not_there_holds_nobody_up_at_boot() {
    let node = Node::new();
    let before = node.snapshot();
    node.apply(TWO_FAMILIES);
    node.host_do("link delete eno4np3");
    assert!(!node.railctl(&["apply"], TWO_FAMILIES).success(), "a person is told that it is not there");
    let applied = node.railctl(&["apply", "--present"], TWO_FAMILIES);
    assert!(applied.success() && applied.stderr().contains("eno4np3: no such link here"), "{applied}");
    let rules = node.ip("rule");
    assert!(rules.contains("from 172.16.0.10") && !rules.contains("from 172.16.1.10"), "{rules}");
    node.add_nic("eno4np3");
    node.apply(TWO_FAMILIES);
    assert!(node.ip("rule").contains("from 172.16.1.10"), "{}", node.ip("rule"));
    node.undo();
    assert_same(&before, &node.snapshot());
}

/// The file for the next boot cannot be removed while something is mounted on it.
#[test]
fn an_undo_goes_on_after_what_it_cannot_restore_and_keeps_it_on_record() {
    let node = Node::new();
    let before = node.snapshot();
    node.apply(GUIDE);
    let path = node.root().join("etc/modprobe.d/railcni-rdma.conf");
    let mount =
        |program: &str, args: &[&Path]| assert!(Command::new(program).args(args).status().unwrap().success());
    mount("mount", &[Path::new("--bind"), &path, &path]);
    let undo = node.railctl(&["undo"], "");
    mount("umount", &[&path]);
    assert!(!undo.success() && undo.stderr().contains("stay on record"), "{undo}");
    assert!(!node.ip("rule").contains("172.16"), "{}", node.ip("rule"));
    node.undo();
    assert_same(&before, &node.snapshot());
}
