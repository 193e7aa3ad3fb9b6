//! `rail` on VFs: refusals, undo, and which VF is which rail's. That it leaves what the chain leaves: `eight_rails`.

use std::fs;

use serde_json::{Value, json};
use testkit::torture;
use vm::lab::{Mode, Pod, Vf, ip, pf, set_rdma_mode, vf};

use super::call::{Call, pod, sriov};
use super::state::{State, assert_untouched};

/// One address, so that every attachment gets the same.
fn ipam(rail: usize) -> Value {
    let (address, gateway) = (format!("10.{}.0.10", 80 + rail), format!("10.{}.0.1", 80 + rail));
    json!({ "type": "rail-ipam", "routes": [{ "dst": "0.0.0.0/0" }], "ranges": [[{
        "subnet": format!("10.{}.0.0/24", 80 + rail), "rangeStart": address, "rangeEnd": address, "gateway": gateway,
    }]] })
}

fn vfs(count: usize) -> Vec<Vf> {
    (0..count).map(|rail| vf(rail, 0)).collect()
}

fn states(vfs: &[Vf]) -> Vec<State> {
    vfs.iter().map(State::of).collect()
}

/// The rails of a pod in one network.
fn rail(vfs: &[Vf], pod: &Pod) -> Call {
    let rails: Vec<_> = vfs
        .iter()
        .enumerate()
        .map(|(rail, vf)| json!({ "deviceID": vf.bdf(), "ipam": ipam(rail) }))
        .collect();
    let config = json!({ "name": "rails", "deviceID": null, "link": "sriov", "rdma": "exclusive", "vlan": 100, "rails": rails });
    sriov(&vfs[0], pod, &json!({})).then("rail", &config)
}

#[track_caller]
fn assert_all_untouched(vfs: &[Vf], before: &[State]) {
    vfs.iter().zip(before).for_each(|(vf, before)| assert_untouched(vf, before));
}

#[test]
fn eight_rails_are_checked_and_each_difference_is_named() {
    let (vfs, pod) = (vfs(8), pod());
    let before = states(&vfs);
    let call = rail(&vfs, &pod);
    let call = call.clone().with(&json!({ "prevResult": call.run("ADD") }));
    call.run("CHECK");
    vfs[2].set("vlan 7");
    pod.ip("link set dev net4 mtu 1400 down");
    let device = pod.rdma_devices().remove(0);
    pod.run(&["rdma", "dev", "set", &device, "name", "renamed"]);
    let said = call.fails("CHECK");
    for named in ["net3: ", "vlan", "net4: it is down", "renamed"] {
        assert!(said.contains(named), "{named}: {said}");
    }
    call.run("DEL");
    assert_all_untouched(&vfs, &before);
}

#[test]
fn eight_rails_come_back_after_the_namespace_went() {
    let (vfs, pod) = (vfs(8), pod());
    let before = states(&vfs);
    let call = rail(&vfs, &pod);
    call.run("ADD");
    drop(pod);
    call.without_netns().with(&json!({ "rails": null })).run("DEL");
    assert_all_untouched(&vfs, &before);
}

#[test]
fn a_refusal_on_the_last_rail_undoes_the_others() {
    let (vfs, pod) = (vfs(3), pod());
    let before = states(&vfs);
    pf(2).knob("vlan_errno").write(5);
    let said = rail(&vfs, &pod).fails("ADD");
    assert!(said.contains("vlan") && said.contains(&pf(2).ifname()), "{said}");
    pf(2).knob("vlan_errno").write(0);
    assert!(pod.rdma_devices().is_empty() && pod.links().iter().all(|link| !link.starts_with("net")));
    assert_all_untouched(&vfs, &before);
}

#[test]
fn without_an_address_no_device_is_touched() {
    let (vfs, first, second) = (vfs(2), pod(), pod());
    let before = states(&vfs);
    let holder = rail(&vfs[..1], &first).with(&json!({ "link": "macvlan", "rdma": "none", "vlan": null,
        "rails": [{ "master": pf(5).ifname(), "ipam": ipam(1) }] }));
    ip(&format!("link set dev {} up", pf(5).ifname()));
    holder.run("ADD");
    let said = rail(&vfs, &second).fails("ADD");
    assert!(said.contains("10.81.0.10") || said.contains("no address"), "{said}");
    holder.run("DEL");
    assert_all_untouched(&vfs, &before);
}

#[test]
fn the_next_pod_gets_a_vf_of_a_dead_one_and_keeps_it() {
    let (vfs, dead) = (vfs(3), pod());
    let before = states(&vfs);
    let old = rail(&vfs, &dead);
    old.run("ADD");
    drop(dead);
    let next = Pod::new();
    let new = sriov(&vfs[1], &next, &json!({ "vlan": 7 }));
    new.run("ADD");
    let inside = (vfs[1].attributes(), next.link("net1"));
    old.run("DEL");
    assert_eq!((vfs[1].attributes(), next.link("net1")), inside);
    new.run("DEL");
    assert_all_untouched(&vfs, &before);
}

/// The name is put back when the second rail needs it: after devices have been listed for the first.
#[test]
fn the_next_pod_gets_all_rails_of_a_dead_one_that_renamed_a_device() {
    let (vfs, dead) = (vfs(3), pod());
    let (before, name) = (states(&vfs), vfs[1].rdma().remove(0));
    let old = rail(&vfs, &dead);
    old.run("ADD");
    dead.run(&["rdma", "dev", "set", &name, "name", "renamed"]);
    drop(dead);
    let next = Pod::new();
    let rails: Vec<_> = vfs.iter().map(|vf| json!({ "deviceID": vf.bdf() })).collect();
    let new = rail(&vfs, &next).with(&json!({ "rails": rails }));
    new.run("ADD");
    let inside = next.rdma_devices();
    assert!(inside.len() == 3 && inside.contains(&name), "{inside:?}");
    old.run("DEL");
    new.run("DEL");
    assert_all_untouched(&vfs, &before);
}

#[test]
fn a_vf_in_use_is_refused_and_named() {
    let (vfs, first, second) = (vfs(2), pod(), pod());
    let owner = sriov(&vfs[1], &first, &json!({}));
    owner.run("ADD");
    let before = State::of(&vfs[0]);
    let said = rail(&vfs, &second).fails("ADD");
    assert!(said.contains("allocated") && said.contains(first.name()), "{said}");
    assert_eq!(State::of(&vfs[0]), before);
    owner.run("DEL");
}

#[test]
fn devices_go_to_the_rails_of_their_pfs() {
    let (vfs, pod) = (vfs(3), pod());
    let before = states(&vfs);
    let pfs: Vec<_> = vfs.iter().map(|vf| vf.pf().ifname()).collect();
    // As a device plugin lists them: in no order.
    let given: Vec<_> = [2, 0, 1].map(|rail: usize| vfs[rail].bdf()).into();
    let call = rail(&vfs, &pod).with(&json!({ "rails": pfs, "runtimeConfig": { "deviceID": given } }));
    let result = call.run("ADD");
    let devices: Vec<_> =
        result["interfaces"].as_array().expect("interfaces").iter().map(|one| one["pciID"].clone()).collect();
    assert_eq!(devices, vfs.iter().map(|vf| json!(vf.bdf())).collect::<Vec<_>>());
    call.run("DEL");
    let lonely = call.with(&json!({ "runtimeConfig": { "deviceID": [vfs[0].bdf()] } }));
    let said = lonely.fails("ADD");
    assert!(said.contains("rails[1]: no deviceID for a VF of"), "{said}");
    let lost = lonely.with(&json!({ "rails": [vfs[1].pf().ifname()] }));
    let said = lost.fails("ADD");
    assert!(said.contains("none of") && said.contains(vfs[0].bdf()), "{said}");
    assert_all_untouched(&vfs, &before);
}

#[test]
fn in_shared_mode_devices_are_shared_or_refused() {
    let (vfs, before) = (vfs(1), states(&vfs(1)));
    set_rdma_mode(Mode::Shared);
    let pod = pod();
    let call = rail(&vfs, &pod);
    assert!(call.fails("ADD").contains("rdma system set netns exclusive"));
    let shared = call.with(&json!({ "rdma": "shared" }));
    shared.run("ADD");
    assert!(pod.rdma_devices().contains(&vf(1, 0).rdma().remove(0)), "the pod sees all");
    shared.run("DEL");
    drop(pod);
    set_rdma_mode(Mode::Exclusive);
    assert_all_untouched(&vfs, &before);
    let said = rail(&vfs, &Pod::new()).with(&json!({ "rdma": "shared" })).fails("ADD");
    assert!(said.contains("exclusive"), "{said}");
}

#[test]
fn gc_puts_back_what_is_not_valid_any_more() {
    let (vfs, dead) = (vfs(2), pod());
    let before = states(&vfs);
    let call = rail(&vfs, &dead);
    call.run("ADD");
    drop(dead);
    call.with(&json!({ "cni.dev/valid-attachments": [] })).run("GC");
    assert_all_untouched(&vfs, &before);
}

#[test]
fn a_record_that_was_torn_leaves_the_caches() {
    let (vfs, pod) = (vfs(2), pod());
    let before = states(&vfs);
    let call = rail(&vfs, &pod);
    call.run("ADD");
    let record = format!("/run/railcni/attachments/rails/{},rail,net1", pod.name());
    fs::File::options().write(true).open(&record).expect("the record").set_len(40).expect("tear it");
    call.run("DEL");
    assert!(pod.rdma_devices().is_empty() && pod.links().iter().all(|link| !link.starts_with("net")));
    assert_all_untouched(&vfs, &before);
}

/// Two rails, killed at every second message to the kernel; at every fourth where the run is bounded.
fn killed(verb: &str, first: usize) {
    let (vfs, pod) = (vfs(2), pod());
    let before = states(&vfs);
    let call = rail(&vfs, &pod);
    for nth in (first..).step_by(if torture() { 2 } else { 4 }) {
        if verb == "DEL" {
            call.run("ADD");
        }
        let output = call.clone().killed_at(nth).output(verb);
        call.run("DEL");
        assert!(pod.rdma_devices().is_empty(), "{verb} killed at {nth}");
        assert_all_untouched(&vfs, &before);
        if output.status.success() {
            assert!(nth > 20, "only {nth} messages were seen: is strace counting?");
            return;
        }
    }
}

#[test]
fn an_add_that_is_killed_at_an_odd_message_is_undone_by_del() {
    killed("ADD", 1);
}

#[test]
fn an_add_that_is_killed_at_an_even_message_is_undone_by_del() {
    killed("ADD", 2);
}

#[test]
fn a_del_that_is_killed_at_an_odd_message_is_finished_by_the_next() {
    killed("DEL", 1);
}

#[test]
fn a_del_that_is_killed_at_an_even_message_is_finished_by_the_next() {
    killed("DEL", 2);
}

#[test]
fn the_mac_of_a_pod_is_for_one_rail() {
    let (vfs, pod) = (vfs(2), pod());
    let said =
        rail(&vfs, &pod).with(&json!({ "runtimeConfig": { "mac": "02:00:5e:10:00:09" } })).fails("ADD");
    assert!(said.contains("runtimeConfig.mac") && said.contains("2 rails"), "{said}");
}
