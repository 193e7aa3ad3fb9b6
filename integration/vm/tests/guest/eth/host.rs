//! `railctl host` on PFs: how many VFs, their MTU, traffic classes, names, and the RDMA mode.

mod killed;

use std::fs;
use std::path::Path;
use std::time::Duration;

use testkit::binary;
use vm::lab::{Mode, Outcome, Pod, ip, pf, rdma_mode, run, try_run, until, vf};

const SOON: Duration = Duration::from_secs(10);
const FILE: &str = "/run/host.yaml";
const MODPROBE: &str = "/etc/modprobe.d/railcni-rdma.conf";

#[expect(clippy::disallowed_methods, reason = "nobody reads a test's own file while it is written")]
fn put(file: &str) {
    fs::write(FILE, file).expect("write the file");
}

fn railctl(verb: &str, file: &str) -> Outcome {
    put(file);
    let program = binary("railctl").display().to_string();
    try_run(&[&program, "host", verb, FILE])
}

#[track_caller]
fn succeeds(verb: &str, file: &str) -> String {
    let outcome = railctl(verb, file);
    assert!(outcome.ok, "{verb}: {outcome:?}");
    outcome.stdout
}

/// Whether the run came to its end, and was not killed as it entered the `nth` call of a kind.
fn strace(call: &str, nth: usize, verb: &str, file: &str) -> bool {
    put(file);
    let (trace, inject) = (format!("--trace={call}"), format!("--inject={call}:signal=SIGKILL:when={nth}"));
    let program = binary("railctl").display().to_string();
    let strace = ["strace", "-qq", "-o", "/dev/null", &trace, &inject];
    try_run(&[&strace[..], &[&program, "host", verb, FILE]].concat()).ok
}

/// The mode, and whether modprobe has a file about it.
fn rdma_mode_of() -> (String, bool) {
    let mode = if rdma_mode() == Mode::Shared { "shared" } else { "exclusive" };
    (mode.to_owned(), fs::exists(MODPROBE).expect("ask for it"))
}

/// Lossless classes of their own, with their share of the line and their memory.
fn classes(name: &str) -> String {
    format!(
        "
nics: [{{name: {name}}}]
roce:
  preset: nvidia
  ets:
    classes: [0, 0, 0, 1, 0, 0, 2, 0]
    scheduling: [ets, ets, strict, ets, ets, ets, ets, ets]
    bandwidth: [40, 60, 0, 0, 0, 0, 0, 0]
  buffers: {{priorities: [0, 0, 0, 1, 0, 0, 0, 0], sizes: [20480, 156160, 0, 0, 0, 0, 0, 0]}}"
    )
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
fn shares_of_the_line_and_buffers_are_set_by_netlink_and_undone() {
    let pf = pf(4);
    let name = pf.ifname();
    let dcb = |what: &str| run(&["dcb", "-N", what, "show", "dev", &name]);
    let before = (dcb("ets"), dcb("buffer"));
    let file = classes(&name);
    succeeds("apply", &file);
    let (ets, buffer) = (dcb("ets"), dcb("buffer"));
    for shown in [
        "tc-bw 0:40 1:60 2:0",
        "tc-tsa 0:ets 1:ets 2:strict 3:ets",
        "prio-tc 0:0 1:0 2:0 3:1 4:0 5:0 6:2 7:0",
    ] {
        assert!(ets.contains(shown), "{shown:?} is not in\n{ets}");
    }
    for shown in ["prio-buffer 0:0 1:0 2:0 3:1 4:0", "buffer-size 0:20Kb 1:156160b"] {
        assert!(buffer.contains(shown), "{shown:?} is not in\n{buffer}");
    }
    assert!(succeeds("apply", &file).contains("nothing to change"));
    run(&["dcb", "ets", "set", "dev", &name, "tc-bw", "0:50", "1:50"]);
    run(&["dcb", "buffer", "set", "dev", &name, "buffer-size", "0:0"]);
    let check = railctl("check", &file);
    for said in [
        "traffic classes is \"classes 0,0,0,1,0,0,2,0",
        "buffers is \"priorities 0,0,0,1,0,0,0,0 sizes 0,156160",
    ] {
        assert!(!check.ok && check.stdout.contains(said), "{said:?} is not in {check:?}");
    }
    succeeds("apply", &file);
    assert_eq!((dcb("ets"), dcb("buffer")), (ets, buffer));
    let refused = railctl("apply", &file.replace("156160", "262144"));
    assert!(refused.stderr.contains("cannot set the buffers of"), "more than the port has: {refused:?}");
    succeeds("undo", "");
    assert_eq!((dcb("ets"), dcb("buffer")), before);
}

/// This kernel renames links that are down.
#[test]
fn a_nic_gets_its_name_and_an_undo_gives_it_back() {
    let (pf, name) = (pf(7), pf(7).ifname());
    let file = format!("nics: [{{name: wire7, pci: '{}', mtu: 4200}}]", pf.bdf());
    let rule = Path::new("/etc/udev/rules.d/70-railcni-names.rules");
    ip(&format!("link set {name} up"));
    let refused = railctl("apply", &file);
    if refused.ok {
        succeeds("undo", "");
    } else {
        assert!(
            refused.stderr.contains(&format!("{name} is up, and this kernel renames links")),
            "{refused:?}"
        );
        assert!(rule.exists(), "for the next boot");
    }
    ip(&format!("link set {name} down"));
    succeeds("apply", &file);
    assert_eq!((pf.ifname(), mtu("wire7")), ("wire7".to_owned(), "4200".to_owned()));
    let text = fs::read_to_string(rule).expect("a rule");
    assert!(text.contains(&format!("KERNELS==\"{}\", NAME=\"wire7\"", pf.bdf())), "{text}");
    assert!(succeeds("apply", &file).contains("nothing to change"));
    ip("link set wire7 down");
    ip("link set wire7 name drifted");
    let check = railctl("check", &file);
    assert!(!check.ok && check.stdout.contains("name is \"drifted\", wanted is \"wire7\""), "{check:?}");
    succeeds("apply", &file);
    succeeds("undo", "");
    assert_eq!((pf.ifname(), rule.exists()), (name, false));
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
