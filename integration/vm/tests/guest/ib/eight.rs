//! Eight exclusive rails of a pod, of which one after another fails at each of its steps.

use serde_json::{Value, json};
use vm::lab::{Pod, Vf, vf};

use super::ib_sriov::picture;
use crate::eth::sriov::call::{Call, call};

const RAILS: usize = 8;

/// What goes wrong, by a knob of the PF or by what is wanted, and what ADD says then.
const FAULTS: [(&str, u64, &str); 4] = [
    ("port_guid_errno", 95, "refuses port_guid"),
    ("probe_errno", 5, "has lost its driver"),
    ("rdma_no_netns", 1, "cannot be given to a pod"),
    (NO_ADDRESS, 0, "no address is left"),
];
/// Instead of a knob: the range is of one address, which another pod has.
const NO_ADDRESS: &str = "no address";

type Picture = (String, String, Vec<String>);

fn rails() -> Vec<Vf> {
    (0..RAILS).map(|rail| vf(rail, 1)).collect()
}

fn pictures(vfs: &[Vf]) -> Vec<Picture> {
    vfs.iter().map(picture).collect()
}

fn ipam(rail: usize) -> Value {
    let address = format!("10.{}.0.10", 70 + rail);
    let subnet = format!("10.{}.0.0/24", 70 + rail);
    json!({ "type": "rail-ipam", "ranges": [[{ "subnet": subnet, "rangeStart": address, "rangeEnd": address }]] })
}

fn one(rail: usize, vf: &Vf, pod: &Pod) -> Call {
    let config = json!({
        "cniVersion": "1.1.0", "name": format!("ib{rail}"), "type": "ib-sriov", "deviceID": vf.bdf(),
        "guid": format!("11:22:33:44:55:66:dd:{rail:02x}"), "link_state": "enable", "rdmaIsolation": true,
        "ipam": ipam(rail),
    });
    call("ib-sriov", pod, config).ifname(&format!("net{}", rail + 1))
}

/// The address of a rail, for another pod.
fn holder(rail: usize, pod: &Pod) -> Call {
    let config =
        json!({ "cniVersion": "1.1.0", "name": format!("ib{rail}"), "type": "ib-sriov", "ipam": ipam(rail) });
    call("rail-ipam", pod, config)
}

/// With the fault in place while `act` runs.
fn with_fault(vf: &Vf, knob: &str, value: u64, act: impl FnOnce()) {
    if knob == NO_ADDRESS {
        return act();
    }
    vf.pf().knob(knob).write(value);
    act();
    vf.pf().knob(knob).write(0);
}

#[test]
fn each_rail_that_failed_at_each_step_is_as_it_was_and_so_are_the_others() {
    let (vfs, pod, other) = (rails(), Pod::new(), Pod::new());
    let before = pictures(&vfs);
    let mut attached: Vec<Call> = Vec::new();
    for (rail, vf) in vfs.iter().enumerate() {
        let (call, holder) = (one(rail, vf, &pod), holder(rail, &other));
        for (fault, value, expected) in FAULTS {
            if fault == NO_ADDRESS {
                holder.run("ADD");
            }
            with_fault(vf, fault, value, || {
                let said = call.fails("ADD");
                assert!(said.contains(expected), "rail {rail}, {fault}: {said}");
            });
            holder.run("DEL");
            call.run("DEL");
            if fault == "rdma_no_netns" {
                // What was bound meanwhile cannot be moved.
                vf.rebind();
            }
            assert_eq!(picture(vf), before[rail], "rail {rail}, {fault}");
            assert_eq!(
                (pod.links().len(), pod.rdma_devices().len()),
                (rail, rail),
                "the rails before it stay"
            );
        }
        call.run("ADD");
        attached.push(call);
    }
    for call in attached.iter().rev() {
        call.run("DEL");
    }
    assert_eq!(pictures(&vfs), before);
    assert!(pod.links().is_empty() && pod.rdma_devices().is_empty());
}

fn all(vfs: &[Vf], pod: &Pod) -> Call {
    let rails = vfs.iter().enumerate().map(|(rail, vf)| {
        let guid = format!("11:22:33:44:55:66:dd:{rail:02x}");
        json!({ "deviceID": vf.bdf(), "guid": guid, "ipam": ipam(rail) })
    });
    let config = json!({
        "cniVersion": "1.1.0", "name": "rails", "type": "rail", "link": "ib-sriov", "rdma": "exclusive",
        "link_state": "enable", "rails": rails.collect::<Vec<_>>(),
    });
    call("rail", pod, config)
}

/// One ADD of all rails: what the rails before the failed one have got is taken back at once, and DEL has nothing left to do
/// but where the driver cannot be bound.
fn all_or_none((fault, value, expected): (&str, u64, &str)) {
    let vfs = rails();
    let before = pictures(&vfs);
    for (rail, vf) in vfs.iter().enumerate() {
        let pod = Pod::new();
        let call = all(&vfs, &pod);
        with_fault(vf, fault, value, || {
            let said = call.fails("ADD");
            assert!(said.contains(expected), "rail {rail}: {said}");
            let others = |picture: Vec<Picture>| [&picture[..rail], &picture[rail + 1..]].concat();
            let now =
                vfs.iter().map(|vf| if vf.driver().is_some() { picture(vf) } else { Picture::default() });
            assert_eq!(others(now.collect()), others(before.clone()), "rail {rail} failed");
        });
        call.run("DEL");
        if fault == "rdma_no_netns" {
            vf.rebind();
        }
        assert_eq!(pictures(&vfs), before, "rail {rail} failed");
        assert!(pod.links().is_empty() && pod.rdma_devices().is_empty());
    }
}

#[test]
fn none_of_eight_is_attached_when_a_guid_is_refused() {
    all_or_none(FAULTS[0]);
}

#[test]
fn none_of_eight_is_attached_when_a_driver_does_not_come_back() {
    all_or_none(FAULTS[1]);
}

#[test]
fn none_of_eight_is_attached_when_an_rdma_device_cannot_be_moved() {
    all_or_none(FAULTS[2]);
}
