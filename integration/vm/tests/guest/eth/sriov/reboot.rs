//! A node whose state lies on a disk lost its power: what is on record of VFs that have been made again counts for nothing.

use std::fs::File;
use std::io::Write;

use serde_json::json;
use vm::lab::{Pod, Vf, run, vf};

use super::call::{Call, ipam, sriov};
use super::reconcile::{chain, rail};
use super::state::{State, assert_untouched};

/// VFs come up again, namespaces are gone, and the kernel is another one; /run and /var are as they were.
fn reboot(vf: &Vf, pod: Pod) {
    drop(pod);
    super::state::returned(vf);
    vf.pf().set_numvfs(0).expect("disable the VFs");
    vf.pf().set_numvfs(4).expect("enable the VFs");
    let mut id = File::create("/run/boot_id").expect("a file");
    id.write_all(b"11111111-2222-3333-4444-555555555555\n").expect("written");
    run(&["mount", "--bind", "/run/boot_id", "/proc/sys/kernel/random/boot_id"]);
}

#[test]
fn late_dels_and_gc_leave_alone_what_the_host_has_set_since() {
    for verb in ["DEL", "GC"] {
        let (vf, pod) = (vf(7, 0), Pod::new());
        let fresh = State::of(&vf);
        let call = sriov(
            &vf,
            &pod,
            &json!({ "vlan": 50, "mac": "02:00:5e:10:00:07", "ipam": ipam("10.69.0.0/29") }),
        );
        call.run("ADD");
        reboot(&vf, pod);
        assert_eq!(State::of(&vf), fresh);
        vf.set("vlan 77");
        let hosts = State::of(&vf);
        call.clone().with(&json!({ "cni.dev/valid-attachments": [] })).run(verb);
        assert_untouched(&vf, &hosts);
        vf.set("vlan 0");
        run(&["umount", "/proc/sys/kernel/random/boot_id"]);
    }
}

#[test]
fn the_next_pod_of_the_boot_gets_the_vf_and_keeps_it() {
    let (vf, old) = (vf(7, 1), Pod::new());
    let before = State::of(&vf);
    let first = sriov(&vf, &old, &json!({ "vlan": 50, "ipam": ipam("10.69.0.0/30") }));
    first.run("ADD");
    reboot(&vf, old);
    let new = Pod::new();
    let second = sriov(&vf, &new, &json!({ "vlan": 60, "ipam": ipam("10.69.0.0/30") }));
    second.run("ADD");
    first.run("DEL");
    assert_eq!((vf.attributes().vlan, new.links()), (60, vec!["net1".to_owned()]));
    second.run("DEL");
    assert_untouched(&vf, &before);
}

/// An attachment by one or more plugins: their calls, in the order of ADD.
type Attach = fn(&Vf, &Pod) -> Vec<Call>;

#[test]
fn so_do_rdma_and_rail_whichever_the_dead_pod_had() {
    for (number, (first, next)) in [(chain as Attach, rail as Attach), (rail, chain)].into_iter().enumerate()
    {
        let (vf, dead) = (vf(7, 2 + number), Pod::new());
        let before = State::of(&vf);
        let old = first(&vf, &dead);
        reboot(&vf, dead);
        let device = vf.rdma();
        let pod = Pod::new();
        let new = next(&vf, &pod);
        let vlan = vf.attributes().vlan;
        old.iter().rev().for_each(|call| drop(call.run("DEL")));
        assert_eq!(
            (vf.attributes().vlan, pod.links(), pod.rdma_devices()),
            (vlan, vec!["net1".to_owned()], device)
        );
        new.iter().rev().for_each(|call| drop(call.run("DEL")));
        // The void record of what the rails of the dead pod shared waits for the first GC of the boot.
        let all = json!({ "cni.dev/valid-attachments": [] });
        for call in &old {
            call.clone().with(&all).run("GC");
        }
        assert_untouched(&vf, &before);
        run(&["umount", "/proc/sys/kernel/random/boot_id"]);
    }
}
