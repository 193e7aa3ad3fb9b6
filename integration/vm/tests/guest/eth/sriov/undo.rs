//! Undo without the pod, after a kill, and for another owner.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use vm::lab::{Pod, ip, run, try_run, vf};

use super::call::{ipam, sriov};
use super::state::{State, assert_untouched, returned};

fn changes() -> Value {
    json!({ "mac": "02:00:5e:10:00:02", "vlan": 100, "max_tx_rate": 100, "spoofchk": "on", "trust": "on" })
}

#[test]
fn the_pods_namespace_went_before_del() {
    let (vf, pod) = (vf(0, 0), Pod::new());
    let before = State::of(&vf);
    let call = sriov(&vf, &pod, &changes());
    call.run("ADD");
    drop(pod);
    call.run("DEL");
    assert_untouched(&vf, &before);
}

#[test]
fn del_needs_no_netns_and_no_valid_config() {
    let (vf, pod) = (vf(0, 0), Pod::new());
    let before = State::of(&vf);
    let call = sriov(&vf, &pod, &changes());
    call.run("ADD");
    call.without_netns().with(&json!({ "deviceID": null, "vlan": "broken" })).run("DEL");
    assert_untouched(&vf, &before);
}

#[test]
fn a_path_that_is_no_namespace_any_more_is_gone() {
    let (vf, pod) = (vf(0, 0), Pod::new());
    let before = State::of(&vf);
    let call = sriov(&vf, &pod, &changes());
    call.run("ADD");
    run(&["umount", pod.path().to_str().expect("a path")]);
    assert!(pod.path().is_file(), "as after a broken bind mount");
    returned(&vf);
    call.run("DEL");
    assert_untouched(&vf, &before);
}

#[test]
fn a_vf_that_vanished_has_nothing_to_put_back() {
    let (vf, pod) = (vf(5, 3), Pod::new());
    let before = State::of(&vf);
    let call = sriov(&vf, &pod, &changes());
    call.run("ADD");
    vf.pf().set_numvfs(0).expect("disable the VFs");
    call.run("DEL");
    vf.pf().set_numvfs(4).expect("enable the VFs");
    assert_untouched(&vf, &before);
}

#[test]
fn a_pf_may_be_renamed_meanwhile() {
    let (vf, pod) = (vf(0, 0), Pod::new());
    let before = State::of(&vf);
    let call = sriov(&vf, &pod, &changes());
    call.run("ADD");
    let pf = vf.pf().ifname();
    ip(&format!("link set dev {pf} name fabric"));
    call.run("DEL");
    ip(&format!("link set dev fabric name {pf}"));
    assert_untouched(&vf, &before);
}

#[test]
fn a_record_that_was_torn_leaves_the_cache() {
    let (vf, pod) = (vf(0, 0), Pod::new());
    let before = State::of(&vf);
    let call = sriov(&vf, &pod, &changes());
    call.run("ADD");
    let record = format!("/run/railcni/attachments/rail1/{},sriov,net1", pod.name());
    let file = fs::File::options().write(true).open(&record).expect("the record");
    file.set_len(40).expect("tear it");
    call.run("DEL");
    assert_untouched(&vf, &before);
}

#[test]
fn a_late_del_of_the_previous_owner_leaves_the_vf_alone() {
    let (vf, first) = (vf(0, 2), Pod::new());
    let before = State::of(&vf);
    let old =
        sriov(&vf, &first, &json!({ "vlan": 50, "mac": "02:00:5e:10:00:03", "ipam": ipam("10.65.0.0/30") }));
    old.run("ADD");
    drop(first);
    let second = Pod::new();
    let new = sriov(&vf, &second, &json!({ "vlan": 100, "mac": "02:00:5e:10:00:04" }));
    new.run("ADD");
    // Not the whole link: its state and its address become ready in their own time.
    let own = || second.link("net1")["address"].clone();
    let (attributes, address) = (vf.attributes(), own());
    old.run("DEL");
    assert_eq!((vf.attributes(), own(), second.links()), (attributes, address, vec!["net1".to_owned()]));
    new.run("DEL");
    assert_untouched(&vf, &before);
}

#[test]
fn gc_puts_back_what_is_not_valid_any_more() {
    let (left, right) = (vf(0, 0), vf(0, 1));
    let before = State::of(&left);
    let (gone, alive) = (Pod::new(), Pod::new());
    let call = sriov(&left, &gone, &changes());
    call.run("ADD");
    sriov(&right, &alive, &json!({ "vlan": 9 })).run("ADD");
    drop(gone);
    let valid = json!([{ "containerID": alive.name(), "ifname": "net1" }]);
    call.with(&json!({ "cni.dev/valid-attachments": valid })).run("GC");
    assert_eq!(State::of(&left), before);
    assert_eq!((right.attributes().vlan, alive.links().len()), (9, 1));
}

#[test]
fn a_name_that_was_taken_meanwhile_does_not_hold_the_vf_in_the_pod() {
    for taken in ["link add {} type bridge", "link property add dev lo altname {}"] {
        let (vf, pod) = (vf(6, 0), Pod::new());
        let name = vf.ifname();
        let call = sriov(&vf, &pod, &changes());
        call.run("ADD");
        ip(&taken.replace("{}", &name));
        call.run("DEL");
        assert!(pod.links().is_empty());
        assert_ne!(vf.ifname(), name);
        assert_eq!(vf.attributes().vlan, 0, "all the rest is restored");
        let _ = try_run(&["ip", "link", "del", &name]);
        let _ = try_run(&["ip", "link", "property", "del", "dev", "lo", "altname", &name]);
        ip(&format!("link set dev {} name {name}", vf.ifname()));
    }
}

#[test]
fn alternative_names_come_back_too() {
    let (vf, pod) = (vf(0, 0), Pod::new());
    ip(&format!("link property add dev {} altname enp1s0f0v0 altname rail-a", vf.ifname()));
    let before = State::of(&vf);
    let call = sriov(&vf, &pod, &changes());
    call.run("ADD");
    call.run("DEL");
    assert_untouched(&vf, &before);
}

#[test]
fn a_driver_that_the_workload_unbound_is_bound_again() {
    let (vf, pod) = (vf(0, 1), Pod::new());
    let before = State::of(&vf);
    let call = sriov(&vf, &pod, &changes());
    call.run("ADD");
    vf.unbind();
    call.run("DEL");
    assert_untouched(&vf, &before);
}

#[test]
fn an_add_that_is_killed_at_any_message_is_undone_by_del() {
    let (vf, pod) = (vf(4, 0), Pod::new());
    let before = State::of(&vf);
    let call = sriov(&vf, &pod, &changes()).with(&json!({ "ipam": ipam("10.66.0.0/24") }));
    for nth in 1.. {
        let output = call.clone().killed_at(nth).output("ADD");
        call.run("DEL");
        assert_untouched(&vf, &before);
        if output.status.success() {
            assert!(nth > 5, "only {nth} messages were seen: is strace counting?");
            return;
        }
    }
}

#[test]
fn a_del_that_is_killed_at_any_message_is_finished_by_the_next() {
    let (vf, pod) = (vf(4, 1), Pod::new());
    let before = State::of(&vf);
    let call = sriov(&vf, &pod, &changes());
    for nth in 1.. {
        call.run("ADD");
        let output = call.clone().killed_at(nth).output("DEL");
        call.run("DEL");
        assert_untouched(&vf, &before);
        if output.status.success() {
            assert!(nth > 4, "only {nth} messages were seen: is strace counting?");
            return;
        }
    }
}

#[test]
fn the_next_add_finds_the_vf_that_a_killed_one_of_another_pod_left() {
    let (vf, first) = (vf(4, 2), Pod::new());
    let before = State::of(&vf);
    sriov(&vf, &first, &changes()).killed_at(8).output("ADD");
    drop(first);
    let second = Pod::new();
    let call = sriov(&vf, &second, &json!({}));
    call.run("ADD");
    assert_eq!(vf.attributes(), *before.attributes(), "the first pod's settings are not the second's");
    call.run("DEL");
    assert_eq!(State::of(&vf), before);
}

#[test]
fn a_failure_of_the_ipam_leaves_nothing() {
    let (vf, pod) = (vf(0, 0), Pod::new());
    let before = State::of(&vf);
    let said = sriov(&vf, &pod, &changes()).with(&json!({ "ipam": { "type": "rail-ipam" } })).fails("ADD");
    assert!(!said.is_empty());
    assert_untouched(&vf, &before);
    assert!(!Path::new("/var/lib/cni/sriov").join(format!("{}-net1", pod.name())).exists());
}
