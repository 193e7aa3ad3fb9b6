//! Whose a VF is when namespaces, paths, inodes, container IDs, indexes and names come again: the same for every way to
//! attach one.

use std::fmt::Debug;
use std::path::Path;
use std::process::{Child, Command};

use serde_json::json;
use testkit::torture;
use vm::lab::{Pod, Vf, run, vf};

use crate::attachment::{Attachment, Way, address};
use crate::eth::sriov::slow_ipam::install;
use crate::eth::sriov::state::{State, assert_no_file};

/// The tests of all this, for the ways of one boot; `rarely` where another boot says nearly the same.
macro_rules! identity {
    (rarely $ways:expr) => {
        $crate::identity::identity! { @all [#[ignore = "a minute in a guest: make vm-test"]] $ways }
    };
    ($ways:expr) => {
        $crate::identity::identity! { @all [] $ways }
    };
    (@all $attributes:tt $ways:expr) => {
        $crate::identity::identity! { @each $attributes $ways;
            a_late_del_leaves_a_later_pod_with_the_same_path_and_inode_alone
            a_del_that_comes_again_leaves_the_next_owner_in_the_namespace_alone
            what_comes_again_after_the_ipam_failed_leaves_the_vfs_next_pod_alone
            what_the_pod_puts_in_the_place_of_its_vf_is_not_taken_for_it
            an_address_is_given_to_nobody_else_while_its_vf_is_away
            a_vf_that_the_pod_takes_away_during_its_add_keeps_its_attributes_until_it_is_home
            an_id_that_comes_again_in_another_namespace_takes_nothing_from_the_pod_that_has_it
            an_add_that_is_killed_before_the_pod_renames_the_interface_is_undone
            rdma_devices_that_have_swapped_their_names_come_home_with_their_vfs
            an_address_that_the_pod_has_put_on_other_links_is_taken_off_them_before_others_get_it
        }
    };
    (@each $attributes:tt $ways:expr; $($name:ident)*) => {
        $($crate::identity::identity! { @one $attributes $ways; $name })*
    };
    (@one [$(#[$attribute:meta])*] $ways:expr; $name:ident) => {
        #[test]
        $(#[$attribute])*
        fn $name() {
            $crate::identity::$name(&$ways);
        }
    };
}

pub(crate) use identity;

/// What a pod has of its VF, on both sides.
#[track_caller]
pub(crate) fn inside(vf: &Vf, pod: &Pod) -> impl Debug + PartialEq + use<> {
    let net1 = pod.link("net1");
    let addresses: Vec<_> =
        net1["addr_info"].as_array().into_iter().flatten().map(|one| one["local"].clone()).collect();
    (vf.attributes(), net1["address"].clone(), addresses, pod.links(), pod.rdma_devices())
}

#[track_caller]
fn assert_all_untouched(vfs: &[&Vf], before: &[State], said: &str) {
    for (vf, before) in vfs.iter().zip(before) {
        assert_eq!(State::of(vf), *before, "{said}");
    }
    assert_no_file();
}

fn states(vfs: &[&Vf]) -> Vec<State> {
    vfs.iter().map(|vf| State::of(vf)).collect()
}

pub(crate) fn a_late_del_leaves_a_later_pod_with_the_same_path_and_inode_alone(ways: &[Way]) {
    for (name, way) in ways {
        for number in [0, 1] {
            let vfs = [&vf(1, 0), &vf(1, number)];
            let before = states(&vfs);
            let pod = Pod::new();
            let mut first = way(vfs[0], &pod, "first");
            let given = first.add();
            let pod = pod.replaced();
            let mut second = way(vfs[1], &pod, "second");
            let got = second.add();
            let had = inside(vfs[1], &pod);
            first.del();
            assert_eq!(inside(vfs[1], &pod), had, "{name}, VF {number}");
            second.check();
            assert_ne!(address(&given), address(&got), "the first may answer: its DEL had not come");
            second.del();
            assert_all_untouched(&vfs, &before, name);
        }
    }
}

pub(crate) fn a_del_that_comes_again_leaves_the_next_owner_in_the_namespace_alone(ways: &[Way]) {
    for (name, way) in ways {
        let (vf, pod) = (&vf(1, 1), Pod::new());
        let before = states(&[vf]);
        let mut first = way(vf, &pod, "first");
        first.add();
        first.del();
        let mut second = way(vf, &pod, "second");
        second.add();
        let had = inside(vf, &pod);
        first.del();
        assert_eq!(inside(vf, &pod), had, "{name}");
        second.check();
        second.del();
        assert_all_untouched(&[vf], &before, name);
    }
}

/// An IPAM plugin that gives one address, and takes it back unless it is down.
const AILING: &str = r#"#!/bin/sh
cat >/dev/null
case $CNI_COMMAND in
ADD) echo '{"cniVersion":"1.0.0","ips":[{"address":"10.76.0.5/24"}]}' ;;
DEL | GC) [ ! -e /run/ipam/down ] || { echo '{"cniVersion":"1.0.0","code":999,"msg":"the IPAM is down"}'; exit 1; } ;;
esac
"#;

/// Its DEL has brought the VF home, and its record stays for the IPAM's sake.
#[track_caller]
fn half_detached(vf: &Vf, attachment: &mut Attachment, before: &State) {
    run(&["rm", "-f", "/run/ipam/down"]);
    let call = attachment.calls[0].clone().with(&json!({ "ipam": { "type": "ailing" } }));
    attachment.calls[0] = call.plugins_in("/run/ipam");
    attachment.add();
    run(&["touch", "/run/ipam/down"]);
    let said = json!(attachment.try_del()).to_string();
    assert!(said.contains("the IPAM is down"), "{said}");
    assert_eq!(State::of(vf), *before, "it is home");
}

pub(crate) fn what_comes_again_after_the_ipam_failed_leaves_the_vfs_next_pod_alone(ways: &[Way]) {
    install("ailing", AILING);
    let turns = [(false, false), (true, false), (false, true)];
    for ((name, way), (same_namespace, by_gc)) in ways.iter().flat_map(|way| turns.map(|turn| (way, turn))) {
        let what = format!("{name}, in the same namespace: {same_namespace}, by GC: {by_gc}");
        let (vf, pod, other) = (&vf(2, 3), Pod::new(), Pod::new());
        let before = states(&[vf]);
        let mut first = way(vf, &pod, "first");
        half_detached(vf, &mut first, &before[0]);
        let next = if same_namespace { &pod } else { &other };
        let mut second = way(vf, next, "second");
        second.add();
        let had = inside(vf, next);
        for is_down in [true, false] {
            if !is_down {
                run(&["rm", "/run/ipam/down"]);
            }
            let failed = if by_gc { first.try_gc("second") } else { first.try_del() };
            assert_eq!(inside(vf, next), had, "{what}, the IPAM is down: {is_down}");
            assert_eq!(failed.is_empty(), !is_down, "{what}, the IPAM is down: {is_down}: {failed:?}");
        }
        second.check();
        second.del();
        assert_all_untouched(&[vf], &before, &what);
    }
}

/// The kernel says of a VF's interface whose it is: no other link is taken for it, whatever index and name that has.
pub(crate) fn what_the_pod_puts_in_the_place_of_its_vf_is_not_taken_for_it(ways: &[Way]) {
    for (name, way) in ways {
        let (vf, pod, nested) = (&vf(1, 3), Pod::new(), Pod::new());
        let before = states(&[vf]);
        let mut attachment = way(vf, &pod, "first");
        attachment.add();
        let (had, index) = (vf.attributes(), pod.link("net1")["ifindex"].clone());
        pod.ip(&format!("link set dev net1 netns {}", nested.name()));
        pod.ip(&format!("link add name net1 index {index} type dummy"));
        assert!(attachment.calls[0].try_run("CHECK").is_err(), "{name}: CHECK takes it for the VF");
        let failed = attachment.try_del();
        assert!(failed.iter().any(|error| error.to_string().contains(vf.bdf())), "{name}: {failed:?}");
        assert_eq!((vf.attributes(), pod.links()), (had, vec!["net1".to_owned()]), "{name}");
        let home = Path::new("/sys/class/net").join(before[0].name());
        assert!(!home.exists(), "{name}: the pod's link came to the host, as {}", home.display());
        drop(nested);
        attachment.del();
        assert_all_untouched(&[vf], &before, name);
    }
}

pub(crate) fn an_address_is_given_to_nobody_else_while_its_vf_is_away(ways: &[Way]) {
    for (name, way) in ways {
        let (vfs, pod, nested, other) = ([&vf(2, 0), &vf(2, 1)], Pod::new(), Pod::new(), Pod::new());
        let before = states(&vfs);
        let mut first = way(vfs[0], &pod, "first");
        let given = first.add();
        let had = vfs[0].attributes();
        pod.ip(&format!("link set dev net1 netns {}", nested.name()));
        assert!(!first.try_del().is_empty(), "{name}");
        assert_eq!((vfs[0].attributes(), nested.links()), (had, vec!["net1".to_owned()]), "{name}");
        let mut second = way(vfs[1], &other, "second");
        assert_ne!(address(&second.add()), address(&given), "{name}");
        drop(nested);
        first.del();
        second.del();
        assert_all_untouched(&vfs, &before, name);
    }
}

/// Moves `net1` on as soon as it is there.
fn thief(pod: &Pod, nested: &Pod) -> Child {
    let theft = format!("ip -n {} link set dev net1 netns {}", pod.name(), nested.name());
    let line = format!("until {theft}; do :; done 2>/dev/null");
    Command::new("sh").args(["-c", &line]).spawn().expect("run sh")
}

pub(crate) fn a_vf_that_the_pod_takes_away_during_its_add_keeps_its_attributes_until_it_is_home(
    ways: &[Way],
) {
    for (name, way) in ways {
        let (vf, pod, nested, other) = (&vf(2, 2), Pod::new(), Pod::new(), Pod::new());
        let before = states(&[vf]);
        let mut first = way(vf, &pod, "first");
        first.calls.truncate(1);
        first.calls[0] = first.calls[0].clone().slowly();
        let mut thief = thief(&pod, &nested);
        let failed = first.try_add();
        thief.wait().expect("it has it");
        assert!(failed.is_err(), "{name}: {failed:?}");
        let stolen = vf.attributes();
        assert!(stolen != *before[0].attributes() && nested.links() == ["net1"], "{name}: {stolen:?}");
        let mut third = way(vf, &other, "third");
        assert!(third.try_add().is_err(), "{name}");
        assert_eq!(vf.attributes(), stolen, "{name}");
        drop(nested);
        way(vf, &pod, "first").del();
        third.del();
        assert_all_untouched(&[vf], &before, name);
    }
}

pub(crate) fn an_id_that_comes_again_in_another_namespace_takes_nothing_from_the_pod_that_has_it(
    ways: &[Way],
) {
    for (turn, (name, way)) in ways.iter().enumerate() {
        // Of another one, or the one that the pod has.
        let number = turn % 2;
        let (vfs, pods) = ([&vf(3, 0), &vf(3, number)], [Pod::new(), Pod::new()]);
        let before = states(&vfs);
        let mut first = way(vfs[0], &pods[0], "same");
        first.add();
        let had = inside(vfs[0], &pods[0]);
        let mut again = way(vfs[1], &pods[1], "same");
        assert!(again.try_add().is_err(), "{name}, VF {number}");
        again.del();
        assert_eq!((inside(vfs[0], &pods[0]), pods[1].links().len()), (had, 0), "{name}, VF {number}");
        first.check();
        first.del();
        assert_all_untouched(&vfs, &before, name);
    }
}

pub(crate) fn an_add_that_is_killed_before_the_pod_renames_the_interface_is_undone(ways: &[Way]) {
    for (name, way) in ways {
        let (vf, pod) = (&vf(3, 1), Pod::new());
        let before = states(&[vf]);
        let mut renamed = 0;
        for nth in (4..).step_by(if torture() { 1 } else { 3 }) {
            let killed = way(vf, &pod, "first").calls[0].clone().killed_at(nth);
            let done = killed.output("ADD").status.success();
            if pod.links() == ["net1"] {
                pod.ip_do("link set dev net1 down\nlink set dev net1 name mine\n");
                renamed += 1;
            }
            way(vf, &pod, "first").del();
            assert!(
                pod.links().is_empty() && pod.rdma_devices().is_empty(),
                "{name}, killed at message {nth}"
            );
            assert_all_untouched(&[vf], &before, name);
            if done {
                break;
            }
        }
        assert!(renamed > 0, "{name}: it was in the pod {renamed} times only: is strace counting?");
    }
}

/// The pod may give them the names of each other.
pub(crate) fn rdma_devices_that_have_swapped_their_names_come_home_with_their_vfs(ways: &[Way]) {
    let mut moved = 0;
    for (name, way) in ways {
        let (vfs, pod) = ([&vf(3, 2), &vf(3, 3)], Pod::new());
        let (before, devices) = (states(&vfs), [vfs[0].rdma(), vfs[1].rdma()]);
        let mut attachments = [way(vfs[0], &pod, "first"), way(vfs[1], &pod, "first").ifname("net2")];
        for attachment in &mut attachments {
            attachment.add();
        }
        if pod.rdma_devices().len() == 2 {
            moved += 1;
            let [one, other] = devices.each_ref().map(|names| names[0].as_str());
            for [from, to] in [[one, "spare"], [other, one], ["spare", other]] {
                pod.run(&["rdma", "dev", "set", from, "name", to]);
            }
            attachments[0].del();
            let here = [vfs[0].rdma().len(), vfs[1].rdma().len(), pod.rdma_devices().len()];
            assert_eq!(here, [1, 0, 1], "{name}: each VF has its own");
            attachments[1].del();
        } else {
            for attachment in &attachments {
                attachment.del();
            }
        }
        assert_all_untouched(&vfs, &before, name);
    }
    assert!(moved > 0, "no way moves a device");
}

/// They stay, and lose what was not given to them.
pub(crate) fn an_address_that_the_pod_has_put_on_other_links_is_taken_off_them_before_others_get_it(
    ways: &[Way],
) {
    for (name, way) in ways {
        let (vf, pod) = (&vf(1, 2), Pod::new());
        let before = states(&[vf]);
        let mut attachment = way(vf, &pod, "first");
        let given = address(&attachment.add());
        pod.ip_do(&format!(
            "link add beside type dummy\naddr add {given} dev beside\naddr add {given} dev lo\n"
        ));
        attachment.del();
        let (left, ip) = (pod.ip("-4 addr"), given.trim_end_matches("/24"));
        assert!(!left.contains(ip), "{name}: {left}");
        assert_eq!(pod.links(), ["beside"], "{name}");
        assert_all_untouched(&[vf], &before, name);
    }
}
