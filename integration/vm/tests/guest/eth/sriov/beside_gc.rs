//! GC beside an ADD that ends while GC is at its work: the list of valid attachments cannot have it.

use std::fs;
use std::time::Duration;

use serde_json::{Value, json};
use vm::lab::{Pod, until, vf};

use super::call::{Call, sriov};
use super::ghosts::sriov_result;
use super::state::{State, assert_untouched};

/// Lets `add` begin and end after `gc` has read which attachments have a record, and before it looks for caches below `folder`.
fn around(gc: &Call, folder: &str, add: &Call) -> Value {
    let log = format!("/tmp/gc-of-{}", gc.config["type"].as_str().expect("a type"));
    let held = gc.clone().with(&json!({ "cni.dev/valid-attachments": [] })).held_at(folder, &log);
    let child = held.spawn("GC");
    until(Duration::from_secs(4), "GC to come to the caches", || {
        fs::metadata(&log).is_ok_and(|log| log.len() > 0)
    });
    let result = add.run("ADD");
    let output = child.wait_with_output().expect("wait for GC");
    assert!(output.status.success(), "{output:?}");
    fs::remove_file(&log).expect("the log");
    result
}

#[test]
fn a_vf_of_an_add_that_ends_during_gc_stays_in_its_pod() {
    let (vf, pod, other) = (vf(5, 0), Pod::new(), Pod::new());
    let before = State::of(&vf);
    let add = sriov(&vf, &pod, &json!({ "vlan": 50 }));
    fs::create_dir_all("/var/lib/cni/sriov").expect("a folder");
    let result = around(&sriov(&vf, &other, &json!({})), "/var/lib/cni/sriov", &add);
    assert_eq!((vf.attributes().vlan, pod.links()), (50, vec!["net1".to_owned()]));
    add.clone().with(&json!({ "prevResult": result })).run("CHECK");
    add.run("DEL");
    assert_untouched(&vf, &before);
}

#[test]
fn an_rdma_device_of_an_add_that_ends_during_gc_stays_in_its_pod() {
    let (vf, pod, other) = (vf(5, 1), Pod::new(), Pod::new());
    let before = State::of(&vf);
    let first = sriov(&vf, &pod, &json!({}));
    first.run("ADD");
    let device = vf.rdma();
    let chained = json!({ "prevResult": sriov_result(&vf, &pod) });
    let add = first.then("rdma", &chained);
    fs::create_dir_all("/var/lib/cni/rdma").expect("a folder");
    around(&sriov(&vf, &other, &json!({})).then("rdma", &chained), "/var/lib/cni/rdma", &add);
    assert_eq!(pod.rdma_devices().len(), device.len());
    add.run("DEL");
    first.run("DEL");
    assert_untouched(&vf, &before);
}

/// The runtime's list has the first interface of such a pod, and each of its VFs has a cache.
#[test]
fn a_living_pods_other_rails_stay_with_it_after_its_network_has_become_one_of_sriov() {
    let (vfs, pod) = ([vf(5, 2), vf(6, 0)], Pod::new());
    let before = vfs.each_ref().map(State::of);
    let rails = vfs.each_ref().map(|vf| json!({ "deviceID": vf.bdf() }));
    let rail = sriov(&vfs[0], &pod, &json!({}))
        .then("rail", &json!({ "deviceID": null, "link": "sriov", "rdma": "exclusive", "rails": rails }));
    rail.run("ADD");
    let valid = json!([{ "containerID": pod.name(), "ifname": "net1" }]);
    let now = sriov(&vfs[0], &pod, &json!({ "cni.dev/valid-attachments": valid }));
    now.run("GC");
    now.then("rdma", &json!({})).run("GC");
    assert_eq!((pod.links(), pod.rdma_devices().len()), (vec!["net1".to_owned(), "net2".to_owned()], 2));
    rail.run("DEL");
    for (vf, before) in vfs.iter().zip(&before) {
        assert_untouched(vf, before);
    }
}
