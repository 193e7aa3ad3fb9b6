//! `railctl gc` with what lost pods had of VFs and RDMA devices, without any runtime's help.

use std::process::Command;

use serde_json::json;
use testkit::binary;
use vm::lab::{Pod, Vf, vf};

use super::call::{Call, ipam, sriov};
use super::state::{State, assert_no_file, returned};

fn railctl_gc(mode: &str) -> String {
    let program = binary("railctl");
    let mut command = Command::new(&program);
    // Each test has a PID namespace of its own: the whole node of its story is in it.
    let output = command
        .args(["gc", mode, "--whole-node"])
        .env("CNI_PATH", program.parent().expect("a folder"))
        .output();
    let output = output.expect("run railctl");
    let text =
        [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).join("\n");
    assert!(output.status.success(), "{text}");
    text
}

/// `sriov` and `rdma`.
pub(super) fn chain(vf: &Vf, pod: &Pod) -> Vec<Call> {
    let first = sriov(vf, pod, &json!({ "vlan": 50, "ipam": ipam("10.69.0.0/24") }));
    let result = first.run("ADD");
    let second = first.then("rdma", &json!({ "prevResult": result, "vlan": null }));
    second.run("ADD");
    vec![first, second]
}

pub(super) fn rail(vf: &Vf, pod: &Pod) -> Vec<Call> {
    let more = json!({ "link": "sriov", "rdma": "exclusive", "vlan": 60, "ipam": ipam("10.69.0.0/24") });
    let call = sriov(vf, pod, &json!({})).then("rail", &more);
    call.run("ADD");
    vec![call]
}

#[test]
fn vfs_and_rdma_devices_of_lost_pods_are_put_back_and_those_of_the_living_stay() {
    let vfs = [vf(0, 3), vf(1, 3), vf(2, 3)];
    let before = vfs.each_ref().map(State::of);
    let (alive, pods) = (Pod::new(), [Pod::new(), Pod::new()]);
    let living = chain(&vfs[0], &alive);
    chain(&vfs[1], &pods[0]);
    rail(&vfs[2], &pods[1]);
    drop(pods);
    vfs[1..].iter().for_each(returned);
    let text = railctl_gc("--dry-run");
    assert!(text.contains("2 left over, 1 alive, 0 unclear"), "{text}");
    assert_eq!(vfs[1].attributes().vlan, 50, "a dry run changes nothing");
    let text = railctl_gc("--apply");
    assert!(text.contains("(sriov, rdma) is released") && text.contains("(rail) is released"), "{text}");
    assert_eq!([State::of(&vfs[1]), State::of(&vfs[2])], before[1..]);
    assert_eq!((alive.links(), alive.rdma_devices().len()), (vec!["net1".to_owned()], 1));
    for call in living.iter().rev() {
        call.run("DEL");
    }
    assert_eq!(State::of(&vfs[0]), before[0]);
    assert_no_file();
}
