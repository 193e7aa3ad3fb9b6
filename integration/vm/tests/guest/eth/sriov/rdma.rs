//! `rdma` after `sriov`.

use serde_json::{Value, json};
use vm::lab::{Mode, Pod, Vf, rdma_devices, run, set_rdma_mode, vf};

use super::call::{Call, sriov};
use super::state::{State, assert_untouched};

/// `sriov`'s ADD, and `rdma` with its result.
fn chain(vf: &Vf, pod: &Pod, more: &Value) -> (Call, Call) {
    let first = sriov(vf, pod, &json!({}));
    let result = first.run("ADD");
    let second = first.then("rdma", &json!({ "prevResult": result })).with(more);
    (first, second)
}

#[test]
fn the_device_follows_the_interface_and_comes_back() {
    let (vf, pod) = (vf(0, 0), Pod::new());
    let before = State::of(&vf);
    let device = vf.rdma();
    let (first, second) = chain(&vf, &pod, &json!({}));
    assert_eq!(second.run("ADD"), second.config["prevResult"], "the result is passed on as it is");
    assert_eq!(pod.rdma_devices(), device);
    assert!(!rdma_devices().contains(&device[0]));
    second.run("CHECK");
    second.run("DEL");
    first.run("DEL");
    assert_untouched(&vf, &before);
    second.run("DEL");
}

#[test]
fn eight_pods_see_their_own_devices_only() {
    let pods: Vec<_> = (0..8).map(|rail| (vf(rail, 0), Pod::new())).collect();
    for (vf, pod) in &pods {
        let expected = vf.rdma();
        chain(vf, pod, &json!({})).1.run("ADD");
        assert_eq!(pod.rdma_devices(), expected);
    }
    let all: std::collections::BTreeSet<_> = pods.iter().flat_map(|(_, pod)| pod.rdma_devices()).collect();
    assert_eq!(all.len(), 8);
}

#[test]
fn the_device_is_found_without_a_device_id() {
    let (vf, pod) = (vf(1, 1), Pod::new());
    let expected = vf.rdma();
    let (_, second) = chain(&vf, &pod, &json!({ "deviceID": null }));
    second.run("ADD");
    assert_eq!(pod.rdma_devices(), expected);
}

#[test]
fn it_does_not_run_alone() {
    let pod = Pod::new();
    let said = sriov(&vf(0, 0), &pod, &json!({})).then("rdma", &json!({})).fails("ADD");
    assert!(said.contains("prevResult"), "{said}");
}

#[test]
fn shared_mode_is_an_error_that_says_how_to_leave_it_or_a_warning() {
    set_rdma_mode(Mode::Shared);
    let (vf, pod) = (vf(0, 0), Pod::new());
    let (_, second) = chain(&vf, &pod, &json!({}));
    let said = second.fails("ADD");
    assert!(
        said.contains("rdma system set netns exclusive") && said.contains("\"mode\": \"auto\""),
        "{said}"
    );
    let auto = second.with(&json!({ "mode": "auto" }));
    assert_eq!(auto.run("ADD"), auto.config["prevResult"]);
    auto.run("DEL");
    drop(pod);
    set_rdma_mode(Mode::Exclusive);
}

#[test]
fn none_and_several_devices_are_refused() {
    for (count, said) in [(0, "has no RDMA device"), (2, "has 2 RDMA devices")] {
        let (vf, pod) = (vf(2, 0), Pod::new());
        vf.pf().knob("rdma_devices").write(count);
        vf.rebind();
        let (_, second) = chain(&vf, &pod, &json!({}));
        let error = second.fails("ADD");
        assert!(error.contains(said) && error.contains(vf.bdf()), "{error}");
        assert!(pod.rdma_devices().is_empty());
    }
}

#[test]
fn a_driver_that_cannot_move_its_device_is_named() {
    let (vf, pod) = (vf(2, 1), Pod::new());
    vf.pf().knob("rdma_no_netns").write(1);
    vf.rebind();
    let before = State::of(&vf);
    let (first, second) = chain(&vf, &pod, &json!({}));
    let said = second.fails("ADD");
    assert!(said.contains(&vf.rdma()[0]) && said.contains("cannot be given to a pod"), "{said}");
    first.run("DEL");
    assert_untouched(&vf, &before);
}

#[test]
fn a_name_of_its_own_in_the_pod_ends_with_the_pod() {
    for kill_pod in [false, true] {
        let (vf, pod) = (vf(3, 0), Pod::new());
        let before = State::of(&vf);
        let (first, second) = chain(&vf, &pod, &json!({ "rdmaDeviceName": "fabric0" }));
        second.run("ADD");
        assert_eq!(pod.rdma_devices(), ["fabric0"]);
        let pod = (!kill_pod).then_some(pod);
        second.run("DEL");
        first.run("DEL");
        assert_untouched(&vf, &before);
        drop(pod);
    }
}

#[test]
fn a_device_that_the_workload_renamed_comes_back() {
    let (vf, pod) = (vf(3, 1), Pod::new());
    let before = State::of(&vf);
    let (first, second) = chain(&vf, &pod, &json!({}));
    second.run("ADD");
    pod.run(&["rdma", "dev", "set", &pod.rdma_devices()[0], "name", "mine"]);
    assert!(second.fails("CHECK").contains("mine"));
    second.run("DEL");
    first.run("DEL");
    assert_untouched(&vf, &before);
}

#[test]
fn a_device_that_is_back_already_is_no_failure() {
    let (vf, pod) = (vf(3, 2), Pod::new());
    let before = State::of(&vf);
    let (first, second) = chain(&vf, &pod, &json!({}));
    second.run("ADD");
    let device = pod.rdma_devices().remove(0);
    let pid = std::process::id().to_string();
    run(&["ip", "netns", "attach", "home", &pid]);
    pod.run(&["rdma", "dev", "set", &device, "netns", "home"]);
    run(&["ip", "netns", "del", "home"]);
    assert!(second.fails("CHECK").contains(&device));
    second.clone().without_netns().run("DEL");
    first.without_netns().run("DEL");
    assert_untouched(&vf, &before);
}

#[test]
fn a_cache_that_cannot_be_written_leaves_the_device_on_the_host() {
    let (vf, pod) = (vf(3, 3), Pod::new());
    let device = vf.rdma();
    let (_, second) = chain(&vf, &pod, &json!({}));
    vm::lab::run(&["touch", "/var/lib/cni/rdma"]);
    second.fails("ADD");
    assert_eq!((vf.rdma(), pod.rdma_devices().len()), (device, 0));
}

#[test]
fn the_device_information_file_names_the_device() {
    let (vf, pod) = (vf(1, 0), Pod::new());
    let device = vf.rdma();
    let path = "/run/k8s.cni.cncf.io/devinfo/cni/rail1";
    let (_, second) = chain(&vf, &pod, &json!({ "runtimeConfig": { "CNIDeviceInfoFile": path } }));
    second.run("ADD");
    let text = std::fs::read_to_string(path).expect("the file");
    let value: Value = serde_json::from_str(&text).expect("JSON");
    let pci = json!({ "pci-address": vf.bdf(), "rdma-device": device[0], "pf-pci-address": vf.pf().bdf() });
    assert_eq!(value, json!({ "type": "pci", "version": "1.1.0", "pci": pci }));
    second.run("DEL");
    assert!(!std::path::Path::new(path).exists());
}
