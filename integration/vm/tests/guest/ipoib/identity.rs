//! Whose an `IPoIB` child is when namespaces, paths, inodes, container IDs, indexes and names come again.

use std::process::Command;

use serde_json::json;
use testkit::torture;
use vm::lab::{Pod, ip};

use super::{host, ipoib, parent};
use crate::attachment::address;
use crate::eth::sriov::call::Call;

pub(crate) const WAYS: [&str; 2] = ["ipoib", "rail"];

/// With an address of a pool of few, which are given in their order.
pub(crate) fn call(way: &str, master: &str, pod: &Pod, container: &str) -> Call {
    let range = json!({ "subnet": "10.67.0.0/24", "rangeStart": "10.67.0.10", "rangeEnd": "10.67.0.13" });
    let more = json!({ "ipam": { "type": "rail-ipam", "ranges": [[range]] } });
    let call = ipoib(master, pod, &more).container(container);
    if way == "rail" { call.then("rail", &more).with(&json!({ "link": "ipoib" })) } else { call }
}

fn inside(pod: &Pod) -> String {
    format!("{}{:?}", pod.ip("-4 addr show dev net1"), pod.links())
}

#[test]
fn a_late_del_leaves_a_later_pod_with_the_same_path_and_inode_alone() {
    let master = parent(0);
    let before = host();
    for way in WAYS {
        let pod = Pod::new();
        let first = call(way, &master, &pod, "first");
        first.run("ADD");
        let pod = pod.replaced();
        let second = call(way, &master, &pod, "second");
        let check = second.clone().with(&json!({ "prevResult": second.run("ADD") }));
        let had = inside(&pod);
        first.run("DEL");
        assert_eq!(inside(&pod), had, "{way}");
        check.run("CHECK");
        second.run("DEL");
        assert_eq!((pod.links(), host()), (Vec::new(), before.clone()), "{way}");
    }
}

#[test]
fn a_del_that_comes_again_leaves_the_next_owner_in_the_namespace_alone() {
    let master = parent(0);
    for way in WAYS {
        let pod = Pod::new();
        let first = call(way, &master, &pod, "first");
        first.run("ADD");
        first.run("DEL");
        let second = call(way, &master, &pod, "second");
        second.run("ADD");
        let had = inside(&pod);
        first.run("DEL");
        assert_eq!(inside(&pod), had, "{way}");
        second.run("DEL");
    }
}

#[test]
fn a_child_that_the_pod_has_moved_on_is_found_though_another_is_in_its_place() {
    let master = parent(0);
    let before = host();
    for way in WAYS {
        for decoy in [false, true] {
            let (pod, nested) = (Pod::new(), Pod::new());
            let first = call(way, &master, &pod, "first");
            let check = first.clone().with(&json!({ "prevResult": first.run("ADD") }));
            let index = pod.link("net1")["ifindex"].clone();
            pod.ip(&format!("link set dev net1 netns {} name mine", nested.name()));
            if decoy {
                pod.ip(&format!("link add name net1 index {index} type bridge"));
            }
            assert!(check.try_run("CHECK").is_err(), "{way}, decoy: {decoy}");
            first.run("DEL");
            assert!(nested.links().is_empty(), "{way}, decoy: {decoy}: {:?}", nested.links());
            assert_eq!(host(), before, "{way}, decoy: {decoy}");
        }
    }
}

#[test]
fn a_child_that_the_pod_takes_away_during_its_add_is_deleted_or_keeps_its_address() {
    let master = parent(0);
    for way in WAYS {
        let (pod, nested, other) = (Pod::new(), Pod::new(), Pod::new());
        let theft = format!("ip -n {} link set dev net1 netns {}", pod.name(), nested.name());
        let line = format!("until {theft}; do :; done 2>/dev/null");
        let mut thief = Command::new("sh").args(["-c", &line]).spawn().expect("run sh");
        let first = call(way, &master, &pod, "first");
        let failed = first.clone().slowly().try_run("ADD");
        thief.wait().expect("it has it");
        assert!(failed.is_err(), "{way}: {failed:?}");
        let second = call(way, &master, &other, "second");
        let given = address(&second.run("ADD"));
        assert!(
            nested.links().is_empty() || given == "10.67.0.11/24",
            "{way}: {:?} and {given}",
            nested.links()
        );
        first.run("DEL");
        assert!(nested.links().is_empty(), "{way}: {:?}", nested.links());
        second.run("DEL");
    }
}

#[test]
fn an_id_that_comes_again_in_another_namespace_takes_nothing_from_the_pod_that_has_it() {
    let master = parent(0);
    for way in WAYS {
        let pods = [Pod::new(), Pod::new()];
        let first = call(way, &master, &pods[0], "same");
        first.run("ADD");
        let had = inside(&pods[0]);
        let again = call(way, &master, &pods[1], "same");
        again.fails("ADD");
        again.run("DEL");
        assert_eq!((inside(&pods[0]), pods[1].links().len()), (had, 0), "{way}");
        first.run("DEL");
    }
}

#[test]
fn an_add_that_is_killed_before_the_pod_renames_the_child_is_undone() {
    let master = parent(0);
    let before = host();
    for way in WAYS {
        let (pod, mut renamed) = (Pod::new(), 0);
        for nth in (3..).step_by(if torture() { 1 } else { 3 }) {
            let first = call(way, &master, &pod, "first");
            let done = first.clone().killed_at(nth).output("ADD").status.success();
            if pod.links() == ["net1"] {
                pod.ip_do("link set dev net1 down\nlink set dev net1 name mine\n");
                renamed += 1;
            }
            first.run("DEL");
            assert!(pod.links().is_empty(), "{way}, killed at message {nth}: {:?}", pod.links());
            assert_eq!(host(), before, "{way}, killed at message {nth}");
            if done {
                break;
            }
        }
        assert!(renamed > 0, "{way}: it was in the pod {renamed} times only: is strace counting?");
    }
}

#[test]
fn an_address_that_the_pod_has_put_on_other_links_is_taken_off_them_before_others_get_it() {
    let master = parent(0);
    for way in WAYS {
        let pod = Pod::new();
        let first = call(way, &master, &pod, "first");
        let given = address(&first.run("ADD"));
        pod.ip_do(&format!(
            "link add beside type dummy\naddr add {given} dev beside\naddr add {given} dev lo\n"
        ));
        first.run("DEL");
        let (left, ip) = (pod.ip("-4 addr"), given.trim_end_matches("/24"));
        assert!(!left.contains(ip) && pod.links() == ["beside"], "{way}: {left}");
    }
}

/// The number of its queue pair tells it from all others, and a pod can give itself none.
#[test]
fn a_late_del_deletes_no_child_of_the_host_that_only_looks_like_the_pods() {
    let master = parent(0);
    for way in WAYS {
        let (pod, before) = (Pod::new(), host());
        let first = call(way, &master, &pod, "first");
        first.run("ADD");
        drop(pod);
        vm::lab::until(std::time::Duration::from_secs(10), "the kernel has given it to the host", || {
            host().0.len() > before.0.len()
        });
        let refunded: Vec<_> = host().0.into_iter().filter(|name| !before.0.contains(name)).collect();
        ip(&format!("link del {}", refunded[0]));
        ip(&format!("link add link {master} name net1 type ipoib pkey 0x7fff"));
        first.run("DEL");
        assert!(host().0.contains(&"net1".to_owned()), "{way}: the host's own net1 is gone");
        ip("link del net1");
        assert_eq!(host(), before, "{way}");
    }
}
