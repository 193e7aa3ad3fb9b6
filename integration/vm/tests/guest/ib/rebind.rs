//! A new GUID needs a new bind of the driver, after which nothing is where it was.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use vm::lab::{Pod, Vf, ip, run, try_run, until, vf};

use crate::eth::sriov::call::{Call, call};
use crate::eth::sriov::userspace::DriverOverride;

const GUID: &str = "11:22:33:44:55:66:aa:01";

fn ib_sriov(vf: &Vf, pod: &Pod, more: &Value) -> Call {
    let config = json!({ "cniVersion": "1.1.0", "name": "ib", "type": "ib-sriov", "deviceID": vf.bdf(), "guid": GUID });
    call("ib-sriov", pod, config).with(more)
}

/// Name, attributes, RDMA device and its character device.
fn picture(vf: &Vf) -> (String, String, Vec<String>, String) {
    (vf.ifname(), format!("{:?}", vf.attributes()), vf.rdma(), verbs(vf))
}

fn verbs(vf: &Vf) -> String {
    let entries = fs::read_dir(vf.sysfs().join("infiniband_verbs")).expect("character devices");
    entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

#[test]
fn an_interface_that_comes_back_late_is_waited_for() {
    let (vf, pod) = (vf(0, 3), Pod::new());
    let before = picture(&vf);
    vf.pf().knob("netdev_delay_ms").write(1500);
    let call = ib_sriov(&vf, &pod, &json!({}));
    let result = call.run("ADD");
    let mac = result["interfaces"][0]["mac"].as_str().expect("a hardware address");
    assert!(mac.ends_with(GUID) && pod.links() == ["net1"], "{result}");
    call.run("DEL");
    assert_eq!(picture(&vf), before);
}

#[test]
fn an_interface_whose_name_was_taken_meanwhile_gets_it_back_when_it_is_free() {
    let (vf, pod) = (vf(0, 3), Pod::new());
    let before = picture(&vf);
    vf.pf().knob("netdev_delay_ms").write(2000);
    let call = ib_sriov(&vf, &pod, &json!({}));
    thread::scope(|scope| {
        let adding = scope.spawn(|| call.run("ADD"));
        until(Duration::from_secs(20), "the interface goes", || vf.netdev().is_none());
        ip(&format!("link add {} type bridge", before.0));
        adding.join().expect("no panic");
    });
    assert_eq!(pod.links(), ["net1"]);
    ip(&format!("link del {}", before.0));
    vf.pf().knob("netdev_delay_ms").write(0);
    call.run("DEL");
    assert_eq!(picture(&vf), before);
}

/// As udev does: at any moment after the interface has come back, or not before it has left again.
#[test]
fn an_interface_that_is_renamed_as_soon_as_it_is_back_is_attached_all_the_same() {
    let (vf, pod) = (vf(0, 2), Pod::new());
    let before = picture(&vf);
    vf.pf().knob("netdev_delay_ms").write(700);
    let call = ib_sriov(&vf, &pod, &json!({}));
    thread::scope(|scope| {
        let adding = scope.spawn(|| call.run("ADD"));
        until(Duration::from_secs(20), "the interface goes", || vf.netdev().is_none());
        until(Duration::from_secs(20), "it is back", || vf.netdev().is_some() || !pod.links().is_empty());
        let name = vf.netdev().unwrap_or_default();
        let _ = try_run(&["ip", "link", "set", "dev", &name, "name", "udev0"]);
        adding.join().expect("no panic");
    });
    assert_eq!(pod.links(), ["net1"]);
    vf.pf().knob("netdev_delay_ms").write(0);
    call.run("DEL");
    assert_eq!(picture(&vf), before);
}

#[test]
fn an_rdma_device_with_a_name_of_its_own_keeps_it_and_its_number() {
    let (vf, pod) = (vf(1, 3), Pod::new());
    run(&["rdma", "dev", "set", &vf.rdma()[0], "name", "rail_b"]);
    let before = picture(&vf);
    let call = ib_sriov(&vf, &pod, &json!({ "rdmaIsolation": true }));
    call.run("ADD");
    assert_eq!(pod.rdma_devices(), ["rail_b"]);
    call.run("DEL");
    assert_eq!(picture(&vf), before);
}

/// It would not come back: a driver that is rebound takes the GUID that the PF has.
#[test]
fn a_del_whose_guid_is_refused_does_not_wait_for_it_and_is_finished_by_the_next() {
    let (vf, pod) = (vf(2, 3), Pod::new());
    let before = picture(&vf);
    let call = ib_sriov(&vf, &pod, &json!({ "rdmaIsolation": true }));
    call.run("ADD");
    vf.pf().knob("port_guid_errno").write(95);
    let began = Instant::now();
    assert!(call.fails("DEL").contains("not supported"));
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    assert_eq!((vf.ifname(), vf.rdma()), (before.0.clone(), before.2.clone()));
    vf.pf().knob("port_guid_errno").write(0);
    call.run("DEL");
    assert_eq!(picture(&vf), before);
}

#[test]
fn the_guid_of_the_runtime_wins_over_the_pods_and_that_over_the_configs() {
    let (vf, pod) = (vf(3, 3), Pod::new());
    let of = |last: u8| GUID.replace(":01", &format!(":{last:02}"));
    let mut more = json!({ "guid": of(1), "args": { "cni": { "guid": of(2) } }, "runtimeConfig": { "infinibandGUID": of(3) } });
    for (last, take_away) in [(3, "runtimeConfig"), (2, "args"), (1, "none")] {
        let call = ib_sriov(&vf, &pod, &more);
        call.run("ADD");
        let attributes = vf.attributes();
        assert_eq!((attributes.node_guid, attributes.port_guid), (Some(of(last)), Some(of(last))));
        call.run("DEL");
        more.as_object_mut().expect("an object").remove(take_away);
    }
}

#[test]
fn a_vf_with_a_guid_of_its_own_needs_none_and_one_of_all_ones_does() {
    let (vf, pod) = (vf(4, 3), Pod::new());
    let set = |guid: &str| {
        vf.set(&format!("node_guid {guid}"));
        vf.set(&format!("port_guid {guid}"));
        vf.rebind();
    };
    set("ff:ff:ff:ff:ff:ff:ff:ff");
    let call = ib_sriov(&vf, &pod, &json!({ "guid": null }));
    assert!(call.fails("ADD").contains("ff:ff:ff:ff:ff:ff:ff:ff, which no port may have"));
    set(GUID);
    let result = call.run("ADD");
    assert!(result["interfaces"][0]["mac"].as_str().is_some_and(|mac| mac.ends_with(GUID)), "{result}");
    call.run("DEL");
    assert_eq!(vf.attributes().port_guid.as_deref(), Some(GUID), "it is the VF's own");
}

#[test]
fn a_record_that_was_torn_is_named_and_leaves_the_cache() {
    let (vf, pod) = (vf(4, 2), Pod::new());
    let before = picture(&vf);
    let call = ib_sriov(&vf, &pod, &json!({ "link_state": "enable", "rdmaIsolation": true }));
    let check = call.clone().with(&json!({ "prevResult": call.run("ADD") }));
    check.run("CHECK");
    let record = format!("/run/railcni/attachments/ib/{},ib-sriov,net1", pod.name());
    let file = fs::File::options().write(true).open(&record).expect("the record");
    file.set_len(40).expect("tear it");
    let said = check.fails("CHECK");
    assert!(said.contains("the record is damaged"), "{said}");
    call.run("DEL");
    assert_eq!((picture(&vf).0, picture(&vf).2), (before.0, before.2));
    assert!(pod.links().is_empty() && pod.rdma_devices().is_empty());
}

#[test]
fn del_needs_no_netns_and_no_valid_config() {
    let (vf, pod) = (vf(5, 3), Pod::new());
    let before = picture(&vf);
    let call = ib_sriov(&vf, &pod, &json!({ "rdmaIsolation": true }));
    call.run("ADD");
    call.without_netns().with(&json!({ "deviceID": null, "guid": "broken" })).run("DEL");
    assert_eq!(picture(&vf), before);
}

#[test]
fn gc_puts_back_what_is_not_valid_any_more() {
    let (vfs, pods) = ([vf(5, 1), vf(5, 2)], [Pod::new(), Pod::new()]);
    let before = picture(&vfs[0]);
    let guids = [GUID.to_owned(), GUID.replace(":01", ":02")];
    let calls = [0, 1].map(|n| ib_sriov(&vfs[n], &pods[n], &json!({ "guid": guids[n] })));
    for call in &calls {
        call.run("ADD");
    }
    let valid = json!([{ "containerID": pods[1].name(), "ifname": "net1" }]);
    calls[0].clone().with(&json!({ "cni.dev/valid-attachments": valid })).run("GC");
    assert_eq!((picture(&vfs[0]), pods[1].links().len()), (before, 1));
    calls[1].run("DEL");
}
#[test]
fn a_guid_that_the_driver_refuses_leaves_the_other_and_the_link_state_as_they_were() {
    let (vf, pod) = (vf(2, 3), Pod::new());
    let before = picture(&vf);
    for (knob, named) in [("node_guid_errno", "node_guid"), ("port_guid_errno", "port_guid")] {
        vf.pf().knob(knob).write(95);
        let said = ib_sriov(&vf, &pod, &json!({ "link_state": "enable" })).fails("ADD");
        assert!(said.contains(named) && said.contains("lab_hca"), "{said}");
        vf.pf().knob(knob).write(0);
        assert_eq!((picture(&vf), pod.links().len()), (before.clone(), 0), "{named}");
    }
}

/// As when the firmware has stopped to answer: the undo cannot bind it either, and DEL finishes it later.
#[test]
fn a_driver_that_does_not_come_back_is_an_error_and_del_finishes_the_undo() {
    let (vf, pod) = (vf(2, 2), Pod::new());
    let before = picture(&vf);
    let call = ib_sriov(&vf, &pod, &json!({ "link_state": "disable", "rdmaIsolation": true }));
    vf.pf().knob("probe_errno").write(5);
    let said = call.fails("ADD");
    assert!(said.contains(vf.bdf()) && said.contains("has lost its driver: lab_hca"), "{said}");
    assert_eq!(vf.driver(), None);
    assert!(call.fails("DEL").contains("lab_hca/bind"), "and it says so again");
    vf.pf().knob("probe_errno").write(0);
    call.run("DEL");
    call.run("DEL");
    assert_eq!((picture(&vf), vf.driver().as_deref()), (before, Some("lab_hca")));
}

/// What an administrator wrote there is not ours to take away, and not in the way either.
#[test]
fn an_override_that_names_another_driver_is_as_it_was_afterwards() {
    let (vf, pod) = (vf(2, 1), Pod::new());
    let before = picture(&vf);
    let only = DriverOverride::of(&vf);
    only.name("another");
    let call = ib_sriov(&vf, &pod, &json!({}));
    call.run("ADD");
    assert_eq!(only.read(), "another");
    call.run("DEL");
    assert_eq!((only.read().as_str(), picture(&vf)), ("another", before));
}

/// A rebind with an override in the way is three writes more: none of them leaves it when the process is killed there.
#[test]
fn an_add_that_is_killed_at_any_write_leaves_no_override_and_no_vf_without_a_driver() {
    let (vf, pod) = (vf(2, 0), Pod::new());
    let before = picture(&vf);
    let only = DriverOverride::of(&vf);
    only.name("another");
    for nth in 1.. {
        let call = ib_sriov(&vf, &pod, &json!({ "rdmaIsolation": true }));
        let done = call.clone().killed_at_write(nth).output("ADD").status.success();
        call.run("DEL");
        let now = (only.read(), vf.driver(), picture(&vf));
        assert_eq!(
            now,
            ("another".to_owned(), Some("lab_hca".to_owned()), before.clone()),
            "killed at {nth}"
        );
        if done {
            assert!(nth > 6, "only {nth} writes were seen: is strace counting?");
            break;
        }
    }
}
