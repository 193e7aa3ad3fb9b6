//! A pod whose namespace something holds without a path: its VF stays what it is until it comes home.

use std::net::UdpSocket;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::json;
use vm::lab::{Pod, Vf, until, vf};

use super::call::{Call, sriov};
use super::reconcile::rail;
use super::state::{State, assert_no_file, assert_untouched};
use super::upgrade::attached_by_the_peer;

/// A process in a namespace that has lost its path.
struct Process(Child);

impl Process {
    /// The pod's path goes; the pod lives.
    fn of(pod: Pod) -> Self {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", pod.name(), "sh", "-c", "echo; exec cat"]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("run ip");
        let mut ready = [0];
        std::io::Read::read_exact(child.stdout.as_mut().expect("a pipe"), &mut ready).expect("it is inside");
        drop(pod);
        Self(child)
    }

    fn ends(mut self) {
        drop(self.0.stdin.take());
        self.0.wait().expect("its end");
    }
}

/// A socket of a namespace that has lost its path, in a process elsewhere: nothing in /proc tells of it.
fn socket_of(pod: Pod) -> UdpSocket {
    let netns = netns::NetNs::open(&pod.path()).expect("a namespace");
    let socket = netns.run(|| UdpSocket::bind("127.0.0.1:0")).expect("in it").expect("a socket");
    drop(pod);
    socket
}

fn by_us(vf: &Vf, pod: &Pod) -> Vec<Call> {
    let call = sriov(vf, pod, &json!({ "vlan": 100, "mac": "02:00:5e:10:00:0b" }));
    call.run("ADD");
    vec![call]
}

fn by_the_peer(vf: &Vf, pod: &Pod) -> Vec<Call> {
    attached_by_the_peer(vf, pod);
    vec![sriov(vf, pod, &json!({}))]
}

#[test]
fn nothing_is_told_to_the_pf_before_the_vf_is_home() {
    for (number, attach) in [by_us, by_the_peer, rail].into_iter().enumerate() {
        let (vf, pod) = (vf(5, number), Pod::new());
        let before = State::of(&vf);
        let calls = attach(&vf, &pod);
        let attributes = vf.attributes();
        let holder = socket_of(pod);
        let other = Pod::new();
        let said = calls[0].fails("DEL");
        assert!(said.contains("has not come back") && said.contains(vf.bdf()), "{said}");
        assert_eq!(vf.attributes(), attributes, "after DEL of {number}");
        let next = sriov(&vf, &other, &json!({ "vlan": 7 }));
        next.fails("ADD");
        assert_eq!((vf.attributes(), other.links().len()), (attributes, 0), "after ADD of the next pod");
        drop(holder);
        until(Duration::from_secs(10), "the VF comes home", || vf.netdev().is_some());
        calls[0].run("DEL");
        next.run("DEL");
        assert_eq!(State::of(&vf), before);
    }
    assert_no_file();
}

/// What /proc tells of is as good as a path.
#[test]
fn a_vf_is_taken_out_of_a_namespace_that_only_a_process_is_in() {
    for (number, attach) in [by_us, rail].into_iter().enumerate() {
        let (vf, pod) = (vf(5, number), Pod::new());
        let before = State::of(&vf);
        let calls = attach(&vf, &pod);
        let process = Process::of(pod);
        calls[0].run("DEL");
        assert_eq!(State::of(&vf), before, "after DEL of {number}");
        process.ends();
    }
    assert_no_file();
}

/// `net1` in a namespace within the pod's: its DEL sees the pod, and not the VF.
#[test]
fn a_vf_that_the_pod_has_moved_on_keeps_its_vlan_until_it_comes_home() {
    let (vf, pod, nested) = (vf(5, 3), Pod::new(), Pod::new());
    let before = State::of(&vf);
    let call = by_us(&vf, &pod).remove(0);
    let attributes = vf.attributes();
    pod.ip(&format!("link set dev net1 netns {}", nested.name()));
    call.fails("DEL");
    assert_eq!(vf.attributes(), attributes);
    drop(nested);
    call.run("DEL");
    assert_untouched(&vf, &before);
}
