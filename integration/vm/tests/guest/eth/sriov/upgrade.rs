//! Attachments of sriov-cni and rdma-cni, and what they find of ours.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use vm::lab::{Pod, Vf, ip, run, vf};

use super::call::sriov;
use super::state::{State, assert_no_file, assert_untouched, returned};

/// What sriov-cni leaves after an ADD with a VLAN and a MAC, in the kernel and on disk.
pub(super) fn attached_by_the_peer(vf: &Vf, pod: &Pod) {
    let (name, pf) = (vf.ifname(), vf.pf().ifname());
    let link: Value = serde_json::from_str(&ip(&format!("-j link show dev {name}"))).expect("JSON");
    let cache = json!({
        "cniVersion": "1.0.0", "name": "rail1", "type": "sriov", "ipam": {}, "deviceID": vf.bdf(), "VFID": vf.index(),
        "OrigVfState": {
            "HostIFName": name, "SpoofChk": false, "Trust": false, "AdminMAC": vf.attributes().mac,
            "EffectiveMAC": link[0]["address"], "Vlan": vf.attributes().vlan, "VlanQoS": 0, "VlanProto": 33024, "MinTxRate": 0,
            "MaxTxRate": 0, "LinkState": 0, "MTU": 1500,
        },
        "Master": pf, "MAC": "02:00:5e:10:00:09", "MTU": 1500, "vlan": 100, "vlanQoS": 0, "vlanProto": "802.1q",
        "min_tx_rate": null, "max_tx_rate": null,
    });
    vf.set("vlan 100");
    vf.set("mac 02:00:5e:10:00:09");
    ip(&format!("link set dev {name} netns {} name net1", pod.name()));
    pod.ip("link set dev net1 address 02:00:5e:10:00:09");
    pod.ip("link set dev net1 up");
    run(&["mkdir", "-p", "/var/lib/cni/sriov/pci/vf_lock"]);
    write(&format!("/var/lib/cni/sriov/{}-net1", pod.name()), &cache.to_string());
    write(&format!("/var/lib/cni/sriov/pci/{}", vf.bdf()), pod.path().to_str().expect("a path"));
}

/// What sriov-cni does at DEL, with what it noted at ADD: the VF goes home, and with it the files.
pub(super) fn detached_by_the_peer(vf: &Vf, pod: &Pod, before: &State) {
    pod.ip("link set dev net1 down");
    let home = std::process::id();
    pod.ip(&format!("link set dev net1 netns {home} name {}", before.name()));
    ip(&format!("link set dev {} address {}", before.name(), before.address()));
    vf.set("vlan 0");
    vf.set("mac 00:00:00:00:00:00");
    for path in [format!("{}-net1", pod.name()), format!("pci/{}", vf.bdf())] {
        fs::remove_file(Path::new("/var/lib/cni/sriov").join(path)).expect("a file of the attachment");
    }
}

#[expect(clippy::disallowed_methods, reason = "the peer writes its files in place")]
pub(crate) fn write(path: &str, text: &str) {
    fs::write(path, text).unwrap_or_else(|error| panic!("write {path}: {error}"));
}

#[test]
fn del_of_what_the_peer_attached() {
    for kill_pod in [false, true] {
        let (vf, pod) = (vf(0, 0), Pod::new());
        let before = State::of(&vf);
        attached_by_the_peer(&vf, &pod);
        let call = sriov(&vf, &pod, &json!({}));
        let pod = (!kill_pod).then_some(pod);
        call.run("DEL");
        assert_untouched(&vf, &before);
        drop(pod);
    }
}

#[test]
fn a_vf_of_a_living_pod_of_the_peer_is_refused() {
    let (vf, first, second) = (vf(0, 1), Pod::new(), Pod::new());
    attached_by_the_peer(&vf, &first);
    let said = sriov(&vf, &second, &json!({})).fails("ADD");
    assert!(said.contains("already allocated"), "{said}");
}

#[test]
fn add_repairs_what_a_dead_pod_of_the_peer_left() {
    let (vf, first) = (vf(0, 2), Pod::new());
    let before = State::of(&vf);
    attached_by_the_peer(&vf, &first);
    drop(first);
    returned(&vf);
    let second = Pod::new();
    let call = sriov(&vf, &second, &json!({}));
    call.run("ADD");
    assert_eq!(vf.attributes(), *before.attributes());
    call.run("DEL");
    assert_eq!(State::of(&vf), before);
}

#[test]
fn a_torn_cache_brings_the_vf_home_with_its_pfs_defaults() {
    for text in ["", "{\"cniVersion\":", r#"{"cniVersion":"1.0.0","name":"rail1","type":"sriov"}"#] {
        for kill_pod in [false, true] {
            let (vf, pod) = (vf(0, 3), Pod::new());
            let name = vf.ifname();
            attached_by_the_peer(&vf, &pod);
            let before = vf.attributes();
            write(&format!("/var/lib/cni/sriov/{}-net1", pod.name()), text);
            let call = sriov(&vf, &pod, &json!({}));
            let pod = (!kill_pod).then_some(pod);
            let output = call.output("DEL");
            assert!(output.status.success());
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(said.contains(vf.bdf()) && said.contains("its PF's defaults"), "{said}");
            assert_ne!(vf.attributes(), before);
            let after = vf.attributes();
            assert_eq!((vf.ifname(), after.vlan, after.mac.as_deref()), (name, 0, Some("00:00:00:00:00:00")));
            assert_no_file();
            drop(pod);
        }
    }
}

/// GC cannot tell the network of a cache that is torn, so the next ADD is the first that can.
#[test]
fn add_and_gc_after_a_torn_cache_of_a_dead_pod_leave_the_vf_with_its_pfs_defaults() {
    for text in ["", "{\"cniVersion\":", r#"{"cniVersion":"1.0.0","name":"rail1","type":"sriov"}"#] {
        let (vf, dead) = (vf(0, 3), Pod::new());
        let before = State::of(&vf);
        attached_by_the_peer(&vf, &dead);
        let cache = format!("/var/lib/cni/sriov/{}-net1", dead.name());
        write(&cache, text);
        let late = sriov(&vf, &dead, &json!({}));
        drop(dead);
        returned(&vf);
        late.clone().with(&json!({ "cni.dev/valid-attachments": [] })).run("GC");
        let pod = Pod::new();
        let call = sriov(&vf, &pod, &json!({}));
        let output = call.output("ADD");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success() && said.contains("its PF's defaults"), "{text}: {said}");
        let has = vf.attributes();
        assert_eq!((has.vlan, has.mac.as_deref()), (0, Some("00:00:00:00:00:00")), "{text}");
        late.run("DEL");
        assert_eq!(
            (vf.attributes(), pod.links()),
            (has, vec!["net1".to_owned()]),
            "{text}: after the late DEL"
        );
        call.run("DEL");
        assert_eq!(
            (vf.ifname().as_str(), vf.attributes()),
            (before.name(), before.attributes().clone()),
            "{text}"
        );
        assert_no_file();
        vf.rebind();
    }
}

/// Which pod it is about, only `CNI_NETNS` could tell.
#[test]
fn without_cni_netns_a_living_pod_of_the_peer_keeps_its_vf_and_its_cache() {
    let whole = None;
    for text in [whole, Some("{")] {
        let (vf, pod) = (vf(0, 3), Pod::new());
        let before = State::of(&vf);
        attached_by_the_peer(&vf, &pod);
        let cache = format!("/var/lib/cni/sriov/{}-net1", pod.name());
        let written = fs::read_to_string(&cache).expect("the cache");
        if let Some(torn) = text {
            write(&cache, torn);
        }
        let call = sriov(&vf, &pod, &json!({}));
        let said = call.clone().without_netns().fails("DEL");
        assert!(said.contains("CNI_NETNS is empty") && said.contains(vf.bdf()), "{said}");
        assert_eq!((vf.attributes().vlan, pod.links()), (100, vec!["net1".to_owned()]));
        write(&cache, &written);
        call.run("DEL");
        assert_untouched(&vf, &before);
    }
}

#[test]
fn the_peer_finds_its_files_after_an_add_of_ours() {
    let (vf, pod) = (vf(1, 0), Pod::new());
    let call = sriov(&vf, &pod, &json!({ "vlan": 100 }));
    call.run("ADD");
    let text = fs::read_to_string(format!("/var/lib/cni/sriov/{}-net1", pod.name())).expect("the cache");
    let cache: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!((&cache["deviceID"], &cache["vlan"]), (&json!(vf.bdf()), &json!(100)));
    assert_eq!(cache["OrigVfState"]["HostIFName"], format!("{}v0", vf.pf().ifname()));
    let allocation =
        fs::read_to_string(format!("/var/lib/cni/sriov/pci/{}", vf.bdf())).expect("the allocation");
    assert_eq!(Path::new(&allocation), pod.path());
}

#[test]
fn a_lock_of_the_peers_process_is_waited_for() {
    let (vf, pod) = (vf(1, 1), Pod::new());
    let lock = format!("/var/lib/cni/sriov/pci/vf_lock/{}.lock", vf.bdf());
    run(&["mkdir", "-p", "/var/lib/cni/sriov/pci/vf_lock"]);
    let mut holder = std::process::Command::new("flock")
        .args([&lock, "-c", "touch /run/held; exec sleep 2"])
        .spawn()
        .expect("run flock (package util-linux)");
    vm::lab::until(std::time::Duration::from_secs(10), "flock has the lock", || {
        Path::new("/run/held").exists()
    });
    let started = std::time::Instant::now();
    sriov(&vf, &pod, &json!({})).run("ADD");
    assert!(started.elapsed().as_millis() > 500, "ADD did not wait");
    holder.wait().expect("flock ends");
}

#[test]
fn the_peers_process_does_not_get_a_lock_of_ours() {
    let (vf, pod) = (vf(1, 2), Pod::new());
    let lock = format!("/var/lib/cni/sriov/pci/vf_lock/{}.lock", vf.bdf());
    let is_free = || {
        std::process::Command::new("flock").args(["-n", &lock, "true"]).status().expect("run flock").success()
    };
    vf.pf().knob("vlan_delay_ms").write(3000);
    let mut add = sriov(&vf, &pod, &json!({ "vlan": 100 })).spawn("ADD");
    // The file may be there, and unlocked, for a moment before ADD has the lock.
    vm::lab::until(std::time::Duration::from_secs(10), "ADD has the lock", || {
        Path::new(&lock).exists() && !is_free()
    });
    assert!(add.try_wait().expect("ask for ADD").is_none(), "ADD ended before the lock was looked at");
    assert!(add.wait().expect("ADD ends").success(), "the look at its lock made ADD fail");
    assert!(is_free(), "ADD left its lock");
}

#[test]
fn after_a_reboot_only_files_are_left_to_remove() {
    let (vf, pod) = (vf(7, 0), Pod::new());
    let before = State::of(&vf);
    let call = sriov(&vf, &pod, &json!({ "vlan": 100, "mac": "02:00:5e:10:00:0a" }));
    call.run("ADD");
    drop(pod);
    vf.pf().set_numvfs(0).expect("disable the VFs");
    vf.pf().set_numvfs(4).expect("enable the VFs");
    write("/run/boot_id", "11111111-2222-3333-4444-555555555555\n");
    run(&["mount", "--bind", "/run/boot_id", "/proc/sys/kernel/random/boot_id"]);
    // Somebody uses the VF since; a DEL of the boot before must not know.
    vf.set("vlan 300");
    let since = State::of(&vf);
    call.run("DEL");
    assert_eq!(State::of(&vf), since);
    vf.set("vlan 0");
    assert_untouched(&vf, &before);
}
