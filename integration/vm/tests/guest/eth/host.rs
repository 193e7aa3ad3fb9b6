//! `railctl host` on PFs: how many VFs, their MTU, and the RDMA mode.

use std::fs;
use std::path::Path;
use std::time::Duration;

use testkit::binary;
use vm::lab::{Mode, Outcome, Pod, ip, pf, rdma_mode, run, try_run, until, vf};

const SOON: Duration = Duration::from_secs(10);
const MODPROBE: &str = "/etc/modprobe.d/railcni-rdma.conf";

#[expect(clippy::disallowed_methods, reason = "nobody reads a test's own file while it is written")]
fn railctl(verb: &str, file: &str) -> Outcome {
    fs::write("/run/host.yaml", file).expect("write the file");
    let program = binary("railctl").display().to_string();
    try_run(&[&program, "host", verb, "/run/host.yaml"])
}

#[track_caller]
fn succeeds(verb: &str, file: &str) -> String {
    let outcome = railctl(verb, file);
    assert!(outcome.ok, "{verb}: {outcome:?}");
    outcome.stdout
}

fn mtu(ifname: &str) -> String {
    fs::read_to_string(format!("/sys/class/net/{ifname}/mtu")).expect("an MTU").trim().to_owned()
}

#[test]
fn vfs_are_made_and_get_the_mtu_of_their_pf_and_an_undo_restores_both() {
    let pf = pf(0);
    let (name, before) = (pf.ifname(), mtu(&pf.ifname()));
    let file = format!("nics: [{{name: {name}, mtu: 4200, vfs: 2, vfAutoprobe: true}}]");
    succeeds("apply", &file);
    assert_eq!(pf.vfs().len(), 2);
    assert_eq!(mtu(&name), "4200");
    for vf in pf.vfs() {
        assert_eq!(mtu(&vf.ifname()), "4200");
    }
    assert!(succeeds("apply", &file).contains("nothing to change"));
    succeeds("check", &file);
    succeeds("undo", "");
    assert_eq!((pf.vfs().len(), mtu(&name)), (4, before));
}

#[test]
fn vfs_that_a_pod_has_are_in_the_way_of_another_number() {
    let (pf, vf, pod) = (pf(1), vf(1, 0), Pod::new());
    pod.take(&vf, "net1", "10.9.0.1/24");
    let before = ip("link show");
    let refused = railctl("apply", &format!("nics: [{{name: {}, mtu: 4200, vfs: 2}}]", pf.ifname()));
    let said = format!("4 VFs cannot become 2: {} is in use", vf.bdf());
    assert!(!refused.ok && refused.stderr.contains(&said), "{refused:?}");
    assert_eq!((pf.vfs().len(), ip("link show")), (4, before));
}

#[test]
fn more_vfs_than_the_firmware_has_are_refused() {
    let refused = railctl("apply", &format!("nics: [{{name: {}, vfs: 100}}]", pf(2).ifname()));
    assert!(refused.stderr.contains("vfs 100 is more than the 8 of its firmware"), "{refused:?}");
}

/// `dcb` of iproute2 is the witness.
#[test]
fn lossless_classes_are_set_by_netlink_and_undone() {
    let pf = pf(4);
    let name = pf.ifname();
    let dcb = |what: &str| run(&["dcb", "-N", what, "show", "dev", &name]);
    let file = format!("{{nics: [{{name: {name}}}], roce: {{preset: nvidia}}}}");
    succeeds("apply", &file);
    let (pfc, app) = (dcb("pfc"), dcb("app"));
    assert!(pfc.contains("prio-pfc 0:off 1:off 2:off 3:on 4:off 5:off 6:off 7:off"), "{pfc}");
    assert!(app.contains("26:3") && app.contains("48:6"), "{app}");
    assert!(succeeds("apply", &file).contains("nothing to change"));
    run(&["dcb", "pfc", "set", "dev", &name, "prio-pfc", "5:on"]);
    let check = railctl("check", &file);
    assert!(!check.ok && check.stdout.contains("priority flow control is 40, wanted is 8"), "{check:?}");
    succeeds("apply", &file);
    succeeds("undo", "");
    assert!(!dcb("pfc").contains(":on") && !dcb("app").contains("26:3"), "{}{}", dcb("pfc"), dcb("app"));
}

#[test]
fn a_firmware_that_keeps_traffic_classes_to_itself_is_told() {
    let pf = pf(5);
    let file = format!("{{nics: [{{name: {}}}], roce: {{}}}}", pf.ifname());
    pf.knob("dcbx_by_firmware").write(1);
    let refused = railctl("apply", &file);
    assert!(!refused.ok && refused.stderr.contains("its firmware runs DCBX"), "{refused:?}");
    pf.knob("dcbx_by_firmware").write(0);
    pf.knob("pfc_errno").write(22);
    let refused = railctl("apply", &file);
    assert!(
        !refused.ok && refused.stderr.contains("cannot set priority flow control"),
        "acknowledged, and refused: {refused:?}"
    );
    pf.knob("pfc_errno").write(0);
    succeeds("undo", "");
}

/// The file that needs PFs, on one of the lab's.
#[test]
fn the_example_for_pfs_is_applied_and_undone() {
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../conf-examples/host/sriov-roce.yaml");
    let text = fs::read_to_string(example).expect("the example");
    // The lab is in exclusive mode as the file wants it; its firmware has 7 VFs.
    let file = text.replace("enp11s0f0np0", &pf(6).ifname()).replace("vfs: 8", "vfs: 7");
    let rules = ip("rule");
    succeeds("apply", &file);
    succeeds("check", &file);
    assert_eq!(pf(6).vfs().len(), 7);
    assert!(ip("rule").contains("from 172.16.11.10 lookup 151"), "{}", ip("rule"));
    succeeds("undo", "");
    assert_eq!((pf(6).vfs().len(), ip("rule")), (4, rules));
}

#[test]
fn the_rdma_mode_is_set_for_now_and_for_the_next_boot() {
    let file = "rdmaMode: shared";
    // The kernel forgets namespaces of an earlier test a moment after their end.
    until(SOON, "no other namespace is in the way", || railctl("apply", file).ok);
    assert_eq!(rdma_mode(), Mode::Shared);
    assert!(fs::read_to_string(MODPROBE).expect("a file").contains("options ib_core netns_mode=1"));
    succeeds("check", file);
    let pod = Pod::new();
    let refused = railctl("undo", "");
    assert!(!refused.ok && refused.stderr.contains("end the pods of this node"), "{refused:?}");
    drop(pod);
    until(SOON, "the namespace is gone", || railctl("undo", "").ok);
    assert_eq!(rdma_mode(), Mode::Exclusive);
    assert!(!fs::exists(MODPROBE).expect("ask for it"));
}
