//! Attachments of ib-sriov-cni, which keeps no list of who has a VF, and late words about others.

use std::fs;

use serde_json::{Value, json};
use vm::lab::{Pod, Vf, ip, run, until, vf};

use crate::eth::sriov::call::{Call, call};
use crate::eth::sriov::upgrade::write;

const OURS: &str = "11:22:33:44:55:66:dd:01";
const PEERS: &str = "11:22:33:44:55:66:dd:02";

fn ib_sriov(vf: &Vf, pod: &Pod, more: &Value) -> Call {
    let config = json!({ "cniVersion": "1.1.0", "name": "ib", "type": "ib-sriov", "deviceID": vf.bdf() });
    call("ib-sriov", pod, config).with(more)
}

fn ours(vf: &Vf, pod: &Pod) -> Call {
    let call = ib_sriov(vf, pod, &json!({ "guid": OURS, "link_state": "enable" }));
    call.run("ADD");
    call
}

fn picture(vf: &Vf) -> (String, String, String) {
    (vf.ifname(), super::address(vf), format!("{:?}", vf.attributes()))
}

fn guid(vf: &Vf) -> String {
    super::address(vf)[36..].to_owned()
}

fn set_guid(vf: &Vf, guid: &str) {
    vf.set(&format!("node_guid {guid}"));
    vf.set(&format!("port_guid {guid}"));
    vf.rebind();
}

fn cache(pod: &Pod) -> String {
    format!("/var/lib/cni/ib-sriov/{}-net1", pod.name())
}

/// What ib-sriov-cni leaves after an ADD with a GUID.
pub(super) fn attached_by_the_peer(vf: &Vf, pod: &Pod) -> Call {
    let (name, before) = (vf.ifname(), guid(vf));
    vf.set("state enable");
    set_guid(vf, PEERS);
    ip(&format!("link set dev {} netns {} name net1", vf.ifname(), pod.name()));
    pod.ip("link set dev net1 up");
    let text = json!({
        "cniVersion": "1.0.0", "name": "ib", "type": "ib-sriov", "ipam": {}, "Master": vf.pf().ifname(),
        "deviceID": vf.bdf(), "VFID": vf.index(), "HostIFNames": name, "HostIFGUID": before, "ContIFNames": "net1",
        "link_state": "enable", "RdmaNetState": {},
    });
    run(&["mkdir", "-p", "/var/lib/cni/ib-sriov"]);
    write(&cache(pod), &text.to_string());
    ib_sriov(vf, pod, &json!({}))
}

/// Its DEL.
fn detached_by_the_peer(vf: &Vf, pod: &Pod, before: &(String, String, String)) {
    pod.ip("link set dev net1 down");
    pod.ip(&format!("link set dev net1 netns {} name {}", std::process::id(), before.0));
    vf.set("state auto");
    set_guid(vf, &before.1[36..]);
    fs::remove_file(cache(pod)).expect("the cache");
}

fn home(vf: &Vf) {
    until(std::time::Duration::from_secs(10), "the VF comes home", || vf.netdev().is_some());
}

#[test]
fn late_words_about_the_pod_before_leave_that_of_the_peer_alone() {
    for verb in ["DEL", "GC"] {
        let (vf, a, b) = (vf(0, 0), Pod::new(), Pod::new());
        let before = picture(&vf);
        let first = ours(&vf, &a);
        detached_by_the_peer(&vf, &a, &before);
        let second = attached_by_the_peer(&vf, &b);
        let attributes = vf.attributes();
        let valid = json!([{ "containerID": b.name(), "ifname": "net1" }]);
        first.with(&json!({ "cni.dev/valid-attachments": valid })).run(verb);
        assert_eq!((vf.attributes(), b.links()), (attributes, vec!["net1".to_owned()]), "{verb}");
        second.run("DEL");
        assert_eq!(picture(&vf), before, "and b's DEL after {verb} of a");
    }
}

#[test]
fn a_claim_whose_pod_the_peer_has_detached_counts_for_nothing() {
    let (vf, a, b) = (vf(0, 1), Pod::new(), Pod::new());
    let before = picture(&vf);
    let first = ours(&vf, &a);
    detached_by_the_peer(&vf, &a, &before);
    attached_by_the_peer(&vf, &b).run("DEL");
    assert_eq!((picture(&vf), b.links().len()), (before.clone(), 0));
    let c = Pod::new();
    let third = ours(&vf, &c);
    first.run("DEL");
    assert_eq!(c.links(), ["net1"]);
    third.run("DEL");
    assert_eq!(picture(&vf), before);
}

#[test]
fn add_repairs_what_dead_pods_of_the_peer_left() {
    let (vf, a) = (vf(0, 2), Pod::new());
    let before = picture(&vf);
    attached_by_the_peer(&vf, &a);
    drop(a);
    home(&vf);
    let b = Pod::new();
    attached_by_the_peer(&vf, &b);
    drop(b);
    home(&vf);
    let c = Pod::new();
    let call = ours(&vf, &c);
    call.run("DEL");
    let now = picture(&vf);
    // The peer gives to a VF that had none the GUID that no port may have.
    assert_eq!((now.0, now.1.len()), (before.0, before.1.len()));
    assert!(!now.2.contains(PEERS) && !now.2.contains(OURS) && !now.2.contains("enable"), "{}", now.2);
    assert!(
        !std::path::Path::new("/var/lib/cni/ib-sriov").read_dir().is_ok_and(|mut left| left.next().is_some())
    );
}

#[test]
fn a_torn_cache_brings_the_vf_home_without_its_guid() {
    for kill_pod in [false, true] {
        let (vf, pod) = (vf(0, 3), Pod::new());
        let name = vf.ifname();
        let call = attached_by_the_peer(&vf, &pod);
        write(&cache(&pod), r#"{"cniVersion":"1.0.0","name":"ib"}"#);
        let path = cache(&pod);
        let pod = (!kill_pod).then_some(pod);
        if kill_pod {
            home(&vf);
        }
        call.run("DEL");
        let now = picture(&vf);
        assert_eq!(now.0, name);
        assert!(!now.1.ends_with(PEERS) && !now.2.contains(PEERS) && !now.2.contains("enable"), "{now:?}");
        assert!(!fs::exists(&path).expect("look"));
        set_guid(&vf, super::NO_GUID);
        drop(pod);
    }
}

#[test]
fn nothing_is_told_to_the_pf_before_the_vf_is_home() {
    let (vf, pod, nested) = (vf(1, 0), Pod::new(), Pod::new());
    let before = picture(&vf);
    let call = ours(&vf, &pod);
    let attributes = vf.attributes();
    pod.ip(&format!("link set dev net1 netns {}", nested.name()));
    let said = call.fails("DEL");
    assert!(said.contains("has not come back"), "{said}");
    assert_eq!(vf.attributes(), attributes);
    drop(nested);
    home(&vf);
    call.run("DEL");
    assert_eq!(picture(&vf), before);
}

/// GC cannot tell the network of a cache that is torn, so the next ADD is the first that can.
#[test]
fn add_and_gc_after_a_torn_cache_of_a_dead_pod_leave_nothing_of_it() {
    for text in ["", "{", r#"{"cniVersion":"1.0.0","name":"ib"}"#] {
        let (vf, dead) = (vf(1, 1), Pod::new());
        let name = vf.ifname();
        let late = attached_by_the_peer(&vf, &dead);
        write(&cache(&dead), text);
        let path = cache(&dead);
        drop(dead);
        home(&vf);
        late.clone().with(&json!({ "cni.dev/valid-attachments": [] })).run("GC");
        let pod = Pod::new();
        let call = ib_sriov(&vf, &pod, &json!({ "guid": OURS }));
        let output = call.output("ADD");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success() && said.contains("what it was is not known"), "{text}: {said}");
        assert!(!fs::exists(&path).expect("look"), "{text}");
        let has = picture_inside(&vf, &pod);
        late.run("DEL");
        assert_eq!(picture_inside(&vf, &pod), has, "{text}: after the late DEL");
        call.run("DEL");
        let now = picture(&vf);
        assert_eq!(now.0, name);
        assert!(!now.1.ends_with(PEERS) && !now.2.contains(PEERS) && !now.2.contains("enable"), "{now:?}");
        set_guid(&vf, super::NO_GUID);
    }
}

fn picture_inside(vf: &Vf, pod: &Pod) -> (String, Vec<String>) {
    (format!("{:?}", vf.attributes()), pod.links())
}
