//! VFs of one PF take turns, within limits.

use std::fs::{self, File};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use vm::lab::{Pod, Vf, run, until, vf};

use crate::eth::sriov::call::{Call, call};

fn ib_sriov(vf: &Vf, pod: &Pod) -> Call {
    let guid = format!("11:22:33:44:55:66:bb:{:02x}", vf.index());
    let config = json!({ "cniVersion": "1.1.0", "name": "ib", "type": "ib-sriov", "deviceID": vf.bdf(), "guid": guid });
    call("ib-sriov", pod, config)
}

fn state(vfs: &[Vf]) -> Vec<Value> {
    vfs.iter().map(|vf| json!([vf.ifname(), format!("{:?}", vf.attributes())])).collect()
}

#[test]
fn a_process_that_was_terminated_holds_nobody_up() {
    let (vfs, pods) = ([vf(6, 2), vf(6, 3)], [Pod::new(), Pod::new()]);
    let before = state(&vfs);
    vfs[0].pf().knob("netdev_delay_ms").write(3000);
    let first = ib_sriov(&vfs[0], &pods[0]);
    let mut child = first.spawn("ADD");
    // The kernel binds the VF in this process, in a write: a signal there ends its own allocations, and it warns.
    let call = format!("/proc/{}/syscall", child.id());
    until(Duration::from_secs(30), "it holds the lock and waits", || {
        let is_bound = vfs[0].netdev().is_none() && !vfs[0].rdma().is_empty();
        let call = fs::read_to_string(&call).expect("its system call");
        is_bound && !call.starts_with("1 ") && !call.starts_with("running")
    });
    let pid = Pid::from_raw(child.id().try_into().expect("a process ID"));
    kill(pid, Signal::SIGTERM).expect("terminate it");
    child.wait().expect("its end");
    vfs[0].pf().knob("netdev_delay_ms").write(0);
    let second = ib_sriov(&vfs[1], &pods[1]);
    second.run("ADD");
    first.run("DEL");
    second.run("DEL");
    assert_eq!(state(&vfs), before);
}

/// What lies in the way is named as what it is: a directory.
#[test]
fn a_directory_of_the_lock_that_cannot_be_made_is_named() {
    let (vfs, pod) = ([vf(6, 1)], Pod::new());
    let before = state(&vfs);
    File::create("/var/run/cni").expect("a file in the place of the directory");
    let said = ib_sriov(&vfs[0], &pod).fails("ADD");
    assert!(said.contains("create directory /var/run/cni/ib-sriov"), "{said}");
    assert!(!said.contains("sysctl"), "{said}");
    assert_eq!(state(&vfs), before);
}

/// The peer's process that hangs in its IPAM holds the one lock of the node.
#[test]
fn a_lock_that_is_not_given_up_is_named_after_a_minute() {
    let (vfs, pod) = ([vf(6, 1)], Pod::new());
    let before = state(&vfs);
    run(&["mkdir", "-p", "/var/run/cni/ib-sriov"]);
    let peer = File::create("/var/run/cni/ib-sriov/cni.lock").expect("the lock's file");
    peer.lock().expect("the lock");
    let said = ib_sriov(&vfs[0], &pod).out_of_time("/run/wait").fails("ADD");
    assert!(said.contains("cni.lock"), "{said}");
    let wait = fs::read_to_string("/run/wait").expect("its first wait");
    assert!(wait.starts_with("ppoll(") && wait.contains("{tv_sec=59,"), "{wait}");
    peer.unlock().expect("unlock");
    assert_eq!(state(&vfs), before);
}
