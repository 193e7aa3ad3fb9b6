//! `railctl host` killed at every call that changes something: of functions, traffic classes, names and the RDMA mode. Links have
//! the same in integration/netns.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use serde_json::Value;
use testkit::{CHANGES, Call, Plugin, Scope, World, binary};
use vm::lab::{Pf, ip, pf, run, until};

use super::{MODPROBE, SOON, mtu, rdma_mode_of, strace};

/// The verb is `CNI_COMMAND`: what the testkit ends at its calls are plugins.
fn subject(world: &World, file: &str) -> Plugin {
    let path = world.file("host.yaml", file);
    let (railctl, path) = (binary("railctl").display().to_string(), path.display().to_string());
    let program =
        world.file("railctl-host", format!("#!/bin/sh\nexec {railctl} host \"$CNI_COMMAND\" {path}\n"));
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("make it run");
    world.foreign_plugin(&program)
}

#[track_caller]
fn succeeds(host: &Plugin, verb: &str, after: &str) {
    let outcome = host.run(verb, &Value::Null);
    assert!(outcome.status.success(), "{after}, then {verb}: {outcome}");
}

fn points(host: &Plugin, verb: &str) -> Vec<Call> {
    let trace = host.trace(verb, &Value::Null, CHANGES, Scope::Plugin);
    assert!(trace.outcome.status.success(), "{verb}: {}", trace.outcome);
    let points: Vec<Call> = trace.points().into_iter().filter(|call| !call.reads).collect();
    assert!(points.len() > 8, "{verb}: only {} points: is strace counting?", points.len());
    points
}

/// Killed anywhere, an apply is finished by the next or undone, and an undo is finished by the next.
fn ends_well(file: &str, picture: impl Fn() -> String) {
    let world = World::of_guest();
    let host = subject(&world, file);
    let before = picture();
    succeeds(&host, "apply", "at first");
    let applied = picture();
    assert_ne!(before, applied);
    let of_undo = points(&host, "undo");
    let of_apply = points(&host, "apply");
    succeeds(&host, "undo", "at first");
    assert_eq!(picture(), before);
    for (number, point) in of_apply.iter().enumerate() {
        let after = format!("apply killed at {point}");
        host.kill_at("apply", &Value::Null, Scope::Plugin, point);
        if number % 2 == 0 {
            succeeds(&host, "apply", &after);
            assert_eq!(picture(), applied, "{after}, then apply");
        }
        succeeds(&host, "undo", &after);
        assert_eq!(picture(), before, "{after}, then undo");
    }
    for point in &of_undo {
        let after = format!("undo killed at {point}");
        succeeds(&host, "apply", &after);
        host.kill_at("undo", &Value::Null, Scope::Plugin, point);
        succeeds(&host, "undo", &after);
        assert_eq!(picture(), before, "{after}, then undo");
    }
}

fn functions(pf: &Pf) -> String {
    let read = |file: &str| fs::read_to_string(pf.sysfs().join(file)).expect(file);
    let mut vfs: Vec<String> = pf.vfs().iter().map(|vf| mtu(&vf.ifname())).collect();
    vfs.sort();
    let autoprobe = read("sriov_drivers_autoprobe");
    format!("{} VFs, autoprobe {autoprobe}, mtu {} and {vfs:?}", pf.vfs().len(), mtu(&pf.ifname()))
}

#[test]
#[ignore = "minutes in a guest: make vm-test"]
fn vfs_and_their_mtu() {
    let pf = pf(0);
    // Of autoprobe off, VFs would have no interface for the harness to find.
    ends_well(&format!("nics: [{{name: {}, mtu: 4200, vfs: 2}}]", pf.ifname()), || functions(&pf));
}

#[test]
#[ignore = "minutes in a guest: make vm-test"]
fn traffic_classes() {
    let name = pf(4).ifname();
    // A DSCP that has another priority loses it before it gets ours.
    run(&["dcb", "app", "add", "dev", &name, "dscp-prio", "26:1"]);
    let shown = || {
        let of = |what: &str| run(&["dcb", "-N", what, "show", "dev", &name]);
        ["pfc", "app", "ets", "buffer"].map(of).concat()
    };
    ends_well(&super::classes(&name), shown);
    run(&["dcb", "app", "del", "dev", &name, "dscp-prio", "26:1"]);
}

#[test]
#[ignore = "minutes in a guest: make vm-test"]
fn names() {
    let (pf, name) = (pf(7), pf(7).ifname());
    ip(&format!("link set {name} down"));
    let file = format!("nics: [{{name: rail7, pci: '{}', mtu: 4200}}]", pf.bdf());
    ends_well(&file, || format!("{} {}", pf.ifname(), mtu(&pf.ifname())));
}

/// No namespace may be there, so this one has no world: each kind of call is counted by itself.
#[test]
#[ignore = "minutes in a guest: make vm-test"]
fn the_rdma_mode() {
    let apply =
        || until(SOON, "no other namespace is in the way", || super::railctl("apply", "rdmaMode: shared").ok);
    let undo = || until(SOON, "no other namespace is in the way", || super::railctl("undo", "").ok);
    apply();
    assert_eq!(rdma_mode_of(), ("shared".to_owned(), true));
    undo();
    let before = rdma_mode_of();
    for call in ["sendto", "write", "fsync", "rename"] {
        for verb in ["apply", "undo"] {
            let mut killed = 0;
            for nth in 1.. {
                if verb == "undo" {
                    apply();
                }
                let ended = strace(call, nth, verb, "rdmaMode: shared");
                undo();
                assert_eq!(rdma_mode_of(), before, "{verb} killed at {call} number {nth}");
                assert!(!fs::exists(MODPROBE).expect("ask for it"));
                if ended {
                    break;
                }
                killed = nth;
            }
            assert!(killed > 0, "{verb} was never at a {call}: is strace counting?");
        }
    }
}
