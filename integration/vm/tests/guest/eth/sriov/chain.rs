//! Eight rails: `sriov`, `rdma` and `coordinator`, as Multus chains them.

use serde_json::{Value, json};
use vm::lab::{Pod, Vf, pfs, run, vf};

use super::call::{Call, ipam, pod, sriov};
use super::state::{State, assert_untouched};

struct Rail {
    vf: Vf,
    before: State,
    calls: Vec<Call>,
}

/// Each rail with its own subnet, in the order of a conflist.
fn attach(rail: usize, pod: &Pod) -> Rail {
    let vf = vf(rail, 0);
    let before = State::of(&vf);
    let name = format!("rail{}", rail + 1);
    let config =
        json!({ "name": name, "ipam": ipam(&format!("10.{}.0.0/24", 70 + rail)), "vlan": 0, "vlanQoS": 0 });
    let first = sriov(&vf, pod, &config).ifname(&format!("net{}", rail + 1));
    let mut calls = vec![first.clone()];
    let mut result = first.run("ADD");
    for plugin in ["rdma", "coordinator"] {
        let call = first.then(plugin, &json!({ "prevResult": result, "vlan": null, "vlanQoS": null }));
        result = call.run("ADD");
        calls.push(call);
    }
    for call in &mut calls {
        *call = call.clone().with(&json!({ "prevResult": result }));
    }
    Rail { vf, before, calls }
}

fn detach(rails: &[Rail]) {
    for rail in rails {
        for call in rail.calls.iter().rev() {
            call.run("DEL");
        }
    }
    for rail in rails {
        assert_untouched(&rail.vf, &rail.before);
    }
}

#[test]
fn eight_rails_are_attached_checked_and_detached() {
    let pod = pod();
    assert_eq!(pfs().len(), 8);
    let rails: Vec<_> = (0..8).map(|rail| attach(rail, &pod)).collect();
    assert_eq!(pod.rdma_devices().len(), 8);
    let rules: Value = serde_json::from_str(&pod.ip("-j rule")).expect("JSON");
    for rail in 1..=8 {
        let table = (100 + rail).to_string();
        let has = rules.as_array().expect("rules").iter().any(|rule| rule["table"] == table.as_str());
        assert!(has, "no rule for table {table}: {rules}");
    }
    for call in rails.iter().flat_map(|rail| &rail.calls) {
        call.run("CHECK");
    }
    detach(&rails);
}

#[test]
fn eight_rails_are_detached_after_the_pods_namespace_went() {
    let pod = pod();
    let rails: Vec<_> = (0..8).map(|rail| attach(rail, &pod)).collect();
    drop(pod);
    detach(&rails);
}

#[test]
fn eight_rails_are_detached_after_a_reboot() {
    let pod = pod();
    let rails: Vec<_> = (0..8).map(|rail| attach(rail, &pod)).collect();
    drop(pod);
    for pf in pfs() {
        pf.set_numvfs(0).expect("disable the VFs");
        pf.set_numvfs(4).expect("enable the VFs");
    }
    // /run is on tmpfs: what is left after a reboot is what lies in /var/lib.
    run(&["rm", "-r", "/run/railcni"]);
    let id = std::fs::File::create("/run/boot_id").expect("a file");
    std::io::Write::write_all(&mut &id, b"11111111-2222-3333-4444-555555555555\n").expect("written");
    run(&["mount", "--bind", "/run/boot_id", "/proc/sys/kernel/random/boot_id"]);
    detach(&rails);
}
