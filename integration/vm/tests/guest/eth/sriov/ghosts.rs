//! Claims and caches that outlive what they speak of: up- and downgrades between the peer and ours, in any order.

use std::fs;

use serde_json::{Value, json};
use vm::lab::{Pod, Vf, ip, run, vf};

use super::call::{Call, sriov};
use super::state::{State, assert_no_file, assert_untouched, files, returned};
use super::upgrade::{attached_by_the_peer, detached_by_the_peer, write};

fn ours(vf: &Vf, pod: &Pod) -> Call {
    let call = sriov(vf, pod, &json!({ "vlan": 50, "mac": "02:00:5e:10:00:08" }));
    call.run("ADD");
    call
}

fn gc(call: &Call, valid: &[&Pod]) {
    let valid: Vec<Value> =
        valid.iter().map(|pod| json!({ "containerID": pod.name(), "ifname": "net1" })).collect();
    call.clone().with(&json!({ "cni.dev/valid-attachments": valid })).run("GC");
}

/// ADD a by us, DEL a by the peer, ADD b by the peer.
fn b_after_a(vf: &Vf, a: &Pod, b: &Pod, before: &State) -> (Call, Call) {
    let first = ours(vf, a);
    detached_by_the_peer(vf, a, before);
    attached_by_the_peer(vf, b);
    (first, sriov(vf, b, &json!({})))
}

#[test]
fn a_claim_whose_pod_the_peer_has_detached_counts_for_nothing() {
    for a_dies in [false, true] {
        let (vf, a, b) = (vf(2, 0), Pod::new(), Pod::new());
        let before = State::of(&vf);
        let (first, second) = b_after_a(&vf, &a, &b, &before);
        let a = (!a_dies).then_some(a);
        second.run("DEL");
        assert_eq!((State::of(&vf), b.links().len()), (before.clone(), 0));
        first.run("DEL");
        assert_untouched(&vf, &before);
        drop(a);
    }
}

#[test]
fn late_words_about_the_pod_before_leave_that_of_the_peer_alone() {
    for verb in ["DEL", "GC"] {
        let (vf, a, b) = (vf(2, 1), Pod::new(), Pod::new());
        let before = State::of(&vf);
        let (first, second) = b_after_a(&vf, &a, &b, &before);
        let cache = format!("/var/lib/cni/sriov/{}-net1", b.name());
        match verb {
            "GC" => gc(&first, &[&b]),
            _ => drop(first.run(verb)),
        }
        assert_eq!((vf.attributes().vlan, b.links()), (100, vec!["net1".to_owned()]), "{verb}");
        assert!(fs::exists(&cache).expect("look"), "the cache of b went with {verb} of a");
        gc(&second, &[]);
        assert_eq!(State::of(&vf), before, "and then GC releases b");
        assert_no_file();
    }
}

#[test]
fn a_pod_that_lives_without_what_the_peer_took_from_it_refuses_nobody() {
    let (vf, a, c) = (vf(2, 2), Pod::new(), Pod::new());
    let before = State::of(&vf);
    let first = ours(&vf, &a);
    detached_by_the_peer(&vf, &a, &before);
    let third = ours(&vf, &c);
    first.run("DEL");
    assert_eq!((vf.attributes().vlan, c.links()), (50, vec!["net1".to_owned()]));
    third.run("DEL");
    assert_untouched(&vf, &before);
}

/// What b found, a had left: put back in the order of their ADDs, the VF would be b's idea of what it was.
#[test]
fn of_several_dead_pods_the_last_is_put_back_first() {
    for first_is_ours in [true, false] {
        let (vf, a) = (vf(2, 3), Pod::new());
        let before = State::of(&vf);
        if first_is_ours {
            ours(&vf, &a);
        } else {
            attached_by_the_peer(&vf, &a);
        }
        drop(a);
        returned(&vf);
        let b = Pod::new();
        attached_by_the_peer(&vf, &b);
        drop(b);
        returned(&vf);
        let c = Pod::new();
        let call = ours(&vf, &c);
        call.run("DEL");
        assert_eq!(State::of(&vf), before, "first by us: {first_is_ours}");
        assert_eq!(files("/var/lib/cni".as_ref()), Vec::<String>::new());
        let caches = run(&["find", "/run/railcni/devices", "-type", "f"]);
        assert_eq!(caches, "");
    }
}

#[test]
fn a_claim_that_cannot_be_read_is_said_and_gives_nobody_a_living_pods_vf() {
    let (vf, a, b) = (vf(3, 0), Pod::new(), Pod::new());
    let before = State::of(&vf);
    let first = ours(&vf, &a);
    let claim = format!("/run/railcni/devices/{}", vf.bdf());
    let allocation = format!("/var/lib/cni/sriov/pci/{}", vf.bdf());
    for without in [None, Some(&allocation)] {
        write(&claim, "{\"plugin\":");
        if let Some(path) = without {
            fs::remove_file(path).expect("the allocation");
        }
        let second = sriov(&vf, &b, &json!({ "vlan": 60 }));
        let output = second.output("ADD");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && said.contains(&claim), "{said}");
        assert_eq!((vf.attributes().vlan, a.links()), (50, vec!["net1".to_owned()]));
        second.run("DEL");
        assert_eq!((vf.attributes().vlan, a.links()), (50, vec!["net1".to_owned()]));
    }
    first.run("DEL");
    assert_untouched(&vf, &before);
}

/// As rdma-cni does after sriov-cni.
pub(super) fn rdma_by_the_peer(vf: &Vf, pod: &Pod) -> (String, Call) {
    let device = vf.rdma().remove(0);
    run(&["rdma", "dev", "set", &device, "netns", pod.name()]);
    run(&["mkdir", "-p", "/var/lib/cni/rdma"]);
    let cache = json!({
        "version": "1.0", "deviceID": vf.bdf(), "sandboxRdmaDevName": device, "containerRdmaDevName": device,
    });
    write(&format!("/var/lib/cni/rdma/rail1-{}-net1", pod.name()), &cache.to_string());
    (device, sriov(vf, pod, &json!({})).then("rdma", &json!({})))
}

#[test]
fn rdmas_gc_before_sriovs_takes_the_device_out_of_the_peers_pod() {
    let (vf, pod) = (vf(3, 1), Pod::new());
    let before = State::of(&vf);
    attached_by_the_peer(&vf, &pod);
    let (device, rdma) = rdma_by_the_peer(&vf, &pod);
    gc(&rdma, &[]);
    assert_eq!((vf.rdma(), pod.rdma_devices().len()), (vec![device], 0));
    gc(&sriov(&vf, &pod, &json!({})), &[]);
    assert_untouched(&vf, &before);
}

#[test]
fn rdmas_del_without_cni_netns_keeps_the_cache_of_a_living_pod() {
    let (vf, pod) = (vf(3, 2), Pod::new());
    let before = State::of(&vf);
    attached_by_the_peer(&vf, &pod);
    let (device, rdma) = rdma_by_the_peer(&vf, &pod);
    let said = rdma.clone().without_netns().fails("DEL");
    assert!(said.contains("CNI_NETNS is empty"), "{said}");
    assert_eq!(pod.rdma_devices(), [device]);
    rdma.run("DEL");
    sriov(&vf, &pod, &json!({})).run("DEL");
    assert_untouched(&vf, &before);
}

#[test]
fn a_torn_cache_of_rdma_leaves_no_device_in_a_living_pod() {
    let (vf, pod) = (vf(3, 3), Pod::new());
    let before = State::of(&vf);
    attached_by_the_peer(&vf, &pod);
    let (_, rdma) = rdma_by_the_peer(&vf, &pod);
    write(&format!("/var/lib/cni/rdma/rail1-{}-net1", pod.name()), "{");
    rdma.run("DEL");
    sriov(&vf, &pod, &json!({})).run("DEL");
    assert_untouched(&vf, &before);
}

#[test]
fn a_torn_cache_of_rdma_leaves_no_device_in_a_living_pod_after_gc_either() {
    let (vf, pod) = (vf(3, 3), Pod::new());
    let before = State::of(&vf);
    attached_by_the_peer(&vf, &pod);
    let (device, rdma) = rdma_by_the_peer(&vf, &pod);
    write(&format!("/var/lib/cni/rdma/rail1-{}-net1", pod.name()), "{");
    gc(&rdma, &[]);
    assert_eq!((vf.rdma(), pod.rdma_devices().len()), (vec![device], 0));
    gc(&sriov(&vf, &pod, &json!({})), &[]);
    assert_untouched(&vf, &before);
}

/// ADD a by us, DEL a by the peer, ADD b by the peer: our late word about a, and then b's DEL.
#[test]
fn a_claim_of_an_rdma_device_whose_pod_the_peer_has_detached_counts_for_nothing() {
    for verb in ["DEL", "GC"] {
        let (vf, a, b) = (vf(4, 2), Pod::new(), Pod::new());
        let before = State::of(&vf);
        let first = ours(&vf, &a);
        let rdma =
            first.then("rdma", &json!({ "prevResult": sriov_result(&vf, &a), "vlan": null, "mac": null }));
        rdma.run("ADD");
        rdma_detached_by_the_peer(&vf, &a);
        detached_by_the_peer(&vf, &a, &before);
        attached_by_the_peer(&vf, &b);
        let (device, of_b) = rdma_by_the_peer(&vf, &b);
        match verb {
            "GC" => [&rdma, &first].into_iter().for_each(|call| gc(call, &[&b])),
            _ => [&rdma, &first].into_iter().for_each(|call| drop(call.run(verb))),
        }
        assert_eq!((b.links(), b.rdma_devices()), (vec!["net1".to_owned()], vec![device]), "{verb} of a");
        assert_eq!(vf.attributes().vlan, 100, "{verb} of a");
        of_b.run("DEL");
        sriov(&vf, &b, &json!({})).run("DEL");
        assert_untouched(&vf, &before);
    }
}

/// As it is in the pod.
pub(super) fn sriov_result(vf: &Vf, pod: &Pod) -> Value {
    let interface = json!({ "name": "net1", "sandbox": pod.path(), "pciID": vf.bdf() });
    json!({ "cniVersion": "1.1.0", "interfaces": [interface] })
}

fn rdma_detached_by_the_peer(vf: &Vf, pod: &Pod) {
    let pid = std::process::id().to_string();
    run(&["ip", "netns", "attach", "home", &pid]);
    pod.run(&["rdma", "dev", "set", &pod.rdma_devices()[0], "netns", "home"]);
    run(&["ip", "netns", "del", "home"]);
    assert!(!vf.rdma().is_empty());
    fs::remove_file(format!("/var/lib/cni/rdma/rail1-{}-net1", pod.name())).expect("the cache");
}

#[test]
fn rdmas_del_waits_for_the_vfs_lock() {
    let (vf, pod) = (vf(4, 3), Pod::new());
    let before = State::of(&vf);
    let first = sriov(&vf, &pod, &json!({}));
    let rdma = first.then("rdma", &json!({ "prevResult": first.run("ADD") }));
    rdma.run("ADD");
    let lock = format!("/var/lib/cni/sriov/pci/vf_lock/{}.lock", vf.bdf());
    let held = fs::File::open(&lock).expect("the lock's file");
    held.lock().expect("the lock");
    let said = rdma.clone().out_of_time("/run/wait").fails("DEL");
    assert!(said.contains(&lock), "{said}");
    held.unlock().expect("unlock");
    for call in [rdma, first] {
        call.run("DEL");
    }
    ip(&format!("link show dev {}", before.name()));
    assert_untouched(&vf, &before);
}
