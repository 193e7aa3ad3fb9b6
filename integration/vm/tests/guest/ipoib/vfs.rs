//! `ib-sriov` on VFs whose interfaces are `ib_ipoib`'s: a rebind, and a move of the RDMA device, make new ones.

use std::path::Path;
use std::time::Duration;

use serde_json::json;
use vm::lab::{Pod, Vf, ip, until, vf};

use super::has_carrier;
use crate::eth::sriov::call::{Call, call};

const RAILS: usize = 8;

fn guid(rail: usize, vf: usize) -> String {
    format!("11:22:33:44:55:66:{vf:02x}:{rail:02x}")
}

/// The VF as the host sees it: name, GUIDs and link state, RDMA device.
fn picture(vf: &Vf) -> (String, String, Vec<String>) {
    (vf.ifname(), format!("{:?}", vf.attributes()), vf.rdma())
}

fn pictures(vfs: &[Vf]) -> Vec<(String, String, Vec<String>)> {
    vfs.iter().map(picture).collect()
}

/// `ib-sriov` of one rail, with an address in the rail's subnet.
fn attachment(vf: &Vf, rail: usize, pod: &Pod) -> Call {
    let address = format!("10.{}.0.{}", 90 + rail, vf.index() + 10);
    let range =
        json!({ "subnet": format!("10.{}.0.0/24", 90 + rail), "rangeStart": address, "rangeEnd": address });
    let config = json!({
        "cniVersion": "1.1.0", "name": format!("ib{rail}"), "type": "ib-sriov", "deviceID": vf.bdf(),
        "guid": guid(rail, vf.index()), "link_state": "enable", "rdmaIsolation": true,
        "ipam": { "type": "rail-ipam", "ranges": [[range]] },
    });
    call("ib-sriov", pod, config).ifname(&format!("net{}", rail + 1))
}

fn rails(index: usize) -> Vec<Vf> {
    (0..RAILS).map(|rail| vf(rail, index)).collect()
}

fn attach(vfs: &[Vf], pod: &Pod) -> Vec<Call> {
    let calls: Vec<_> = vfs.iter().enumerate().map(|(rail, vf)| attachment(vf, rail, pod)).collect();
    for call in &calls {
        call.run("ADD");
    }
    calls
}

#[test]
fn eight_rails_of_two_pods_ping_with_their_guids_and_rdma_devices_and_all_comes_back() {
    let (left, right) = (rails(0), rails(1));
    let before = (pictures(&left), pictures(&right));
    let pods = [Pod::new(), Pod::new()];
    let calls = [attach(&left, &pods[0]), attach(&right, &pods[1])];
    for (pod, before) in pods.iter().zip([&before.0, &before.1]) {
        let mut devices: Vec<_> = before.iter().flat_map(|picture| picture.2.clone()).collect();
        devices.sort();
        assert_eq!((pod.links().len(), pod.rdma_devices()), (RAILS, devices));
    }
    for (rail, vf) in right.iter().enumerate() {
        let link = pods[1].link(&format!("net{}", rail + 1));
        let mac = link["address"].as_str().expect("a hardware address");
        assert!(mac.ends_with(&guid(rail, 1)), "{mac}");
        assert_eq!(vf.attributes().port_guid, Some(guid(rail, 1)));
        until(Duration::from_secs(10), "carrier", || {
            pods.iter().all(|pod| has_carrier(&pod.link(&format!("net{}", rail + 1))))
        });
        assert!(pods[0].pings(&format!("10.{}.0.11", 90 + rail)), "rail {rail}");
    }
    for call in calls.iter().flatten() {
        call.run("DEL");
    }
    assert!(pods.iter().all(|pod| pod.links().is_empty() && pod.rdma_devices().is_empty()));
    assert_eq!((pictures(&left), pictures(&right)), before);
}

#[test]
fn eight_rails_are_put_back_after_the_namespace_has_died() {
    let vfs = rails(0);
    let before = pictures(&vfs);
    let pod = Pod::new();
    let calls = attach(&vfs, &pod);
    drop(pod);
    for call in &calls {
        call.run("DEL");
    }
    assert_eq!(pictures(&vfs), before);
}

/// The last rail fails at each of its steps; the runtime then deletes all eight.
#[test]
fn eight_rails_are_put_back_after_the_last_one_failed() {
    let vfs = rails(0);
    let before = pictures(&vfs);
    for more in [json!({ "deviceID": "0000:ff:1f.7" }), json!({ "ipam": { "type": "rail-ipam" } })] {
        let pod = Pod::new();
        let mut calls = attach(&vfs[..RAILS - 1], &pod);
        let last = attachment(&vfs[RAILS - 1], RAILS - 1, &pod).with(&more);
        assert!(!last.fails("ADD").is_empty());
        assert_eq!(picture(&vfs[RAILS - 1]), before[RAILS - 1], "it has undone itself: {more}");
        calls.push(last);
        for call in &calls {
            call.run("DEL");
        }
        assert_eq!(pictures(&vfs), before, "{more}");
    }
}

#[test]
fn another_interface_has_taken_the_name_meanwhile() {
    let (vf, pod) = (vf(2, 0), Pod::new());
    let before = picture(&vf);
    let call = attachment(&vf, 2, &pod);
    call.run("ADD");
    ip(&format!("link add {} type bridge", before.0));
    call.run("DEL");
    assert_ne!(vf.ifname(), before.0);
    assert_eq!((format!("{:?}", vf.attributes()), vf.rdma()), (before.1.clone(), before.2.clone()));
    ip(&format!("link del {}", before.0));
    ip(&format!("link set dev {} name {}", vf.ifname(), before.0));
    assert_eq!(picture(&vf), before);
}

/// As when a namespace gives back one after another: what has the name gives it up, and the next to arrive has it.
#[test]
fn another_one_that_comes_home_takes_the_name_that_was_made_free() {
    let vfs: Vec<_> = (5..RAILS).map(|rail| vf(rail, 0)).collect();
    let before = pictures(&vfs);
    let pod = Pod::new();
    let calls = attach(&vfs, &pod);
    drop(pod);
    let rename = |from: &str, to: &str| ip(&format!("link set dev {from} name {to}"));
    for vf in &vfs {
        rename(&vf.ifname(), &vf.bdf().replace(':', "."));
    }
    let wanted = &before[0].0;
    rename(&vfs[1].ifname(), wanted);
    let mut del = calls[0].clone().slowly().spawn("DEL");
    let is_free = || !Path::new("/sys/class/net").join(wanted).exists();
    until(Duration::from_secs(30), "the name is made free", is_free);
    rename(&vfs[2].ifname(), wanted);
    assert!(del.wait().expect("wait for DEL").success());
    assert_eq!(vfs[0].ifname(), *wanted);
    for call in &calls[1..] {
        call.run("DEL");
    }
    assert_eq!(pictures(&vfs), before);
}

#[test]
fn an_add_that_fails_at_any_message_has_put_everything_back() {
    put_back_at_each(None, 10, Call::failing_at);
}

#[test]
fn an_add_that_is_killed_at_any_message_is_undone_by_del() {
    put_back_at_each(Some("DEL"), 10, Call::killed_at);
}

/// Of a file, and of the driver's `unbind` and `bind`.
#[test]
fn an_add_that_is_killed_at_any_write_is_undone_by_del() {
    put_back_at_each(Some("DEL"), 4, Call::killed_at_write);
}

#[test]
fn a_del_that_is_killed_at_any_message_is_finished_by_the_next() {
    finished_after_each(8, Call::killed_at);
}

#[test]
fn a_del_that_is_killed_at_any_write_is_finished_by_the_next() {
    finished_after_each(2, Call::killed_at_write);
}

/// Ends ADD at one point after another, and compares the VF with what it was; `then` is the verb that has to help.
fn put_back_at_each(then: Option<&str>, least: usize, end: impl Fn(Call, usize) -> Call) {
    let (vf, pod) = (vf(3, 0), Pod::new());
    let before = picture(&vf);
    let call = attachment(&vf, 3, &pod);
    for nth in 1.. {
        let done = end(call.clone(), nth).output("ADD").status.success();
        if let Some(verb) = then.or(done.then_some("DEL")) {
            call.run(verb);
        }
        assert_put_back(&vf, &pod, &before, nth);
        if done {
            assert!(nth > least, "only {nth} points were seen: is strace counting?");
            return;
        }
    }
}

/// Ends DEL at one point after another; the next DEL has to finish it.
fn finished_after_each(least: usize, end: impl Fn(Call, usize) -> Call) {
    let (vf, pod) = (vf(4, 0), Pod::new());
    let before = picture(&vf);
    let call = attachment(&vf, 4, &pod);
    for nth in 1.. {
        call.run("ADD");
        let done = end(call.clone(), nth).output("DEL").status.success();
        call.run("DEL");
        assert_put_back(&vf, &pod, &before, nth);
        if done {
            assert!(nth > least, "only {nth} points were seen: is strace counting?");
            return;
        }
    }
}

#[track_caller]
fn assert_put_back(vf: &Vf, pod: &Pod, before: &(String, String, Vec<String>), nth: usize) {
    assert_eq!(picture(vf), *before, "ended at point {nth}");
    assert!(pod.links().is_empty() && pod.rdma_devices().is_empty(), "ended at point {nth}");
}
