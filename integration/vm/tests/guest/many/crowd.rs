//! More pods at once than the PF has VFs.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use testkit::{Outcome, Plugin, Space, World, assert_same, figure, torture};
use vm::lab::pf;

/// Pods and VFs: every VF has one pod that gets it; the others come in vain, and again.
const FULL: (usize, usize) = (256, 120);
const BOUNDED: (usize, usize) = (48, 40);
const TRY_AGAIN_LATER: u64 = 11;
/// Of all that come at once, whoever waits for whom.
const BOUND: Duration = Duration::from_secs(300);

#[test]
fn each_vf_has_one_owner_until_every_pod_has_had_one() {
    let world = World::of_guest();
    let (crowd, count) = if torture() { FULL } else { BOUNDED };
    let vfs: Vec<String> = pf(0).vfs().iter().take(count).map(|vf| vf.bdf().to_owned()).collect();
    let config = |number: usize| -> Value {
        json!({ "cniVersion": "1.1.0", "name": "pf", "type": "sriov", "deviceID": vfs[number % vfs.len()], "vlan": 1 + number,
                "ipam": { "type": "rail-ipam", "lockTimeout": 120, "ranges": [[{ "subnet": "10.68.0.0/16" }]] } })
    };
    let pod = |number: usize| {
        let pod = world.bare_pod(&format!("p{number}"));
        let plugin = world.plugin("sriov").netns(pod.path()).container(pod.name());
        Candidate { pod, plugin, config: config(number), vf: number % vfs.len() }
    };
    let mut waiting: Vec<_> = (0..crowd).map(pod).collect();
    waiting[0].plugin.add(&waiting[0].config).success();
    waiting[0].plugin.del(&waiting[0].config).success();
    let before = world.snapshot().without("file ");
    while !waiting.is_empty() {
        waiting = wave(waiting);
    }
    figure("concurrent ADDs", "one PF of 120 VFs", crowd, FULL.0);
    assert_same(&before, &world.snapshot().without("file "));
}

struct Candidate {
    pod: Space,
    plugin: Plugin,
    config: Value,
    vf: usize,
}

/// All come at once, one for each VF is let in, and all go at once; those that came in vain.
fn wave(all: Vec<Candidate>) -> Vec<Candidate> {
    let wanted: BTreeSet<usize> = all.iter().map(|candidate| candidate.vf).collect();
    let start = Instant::now();
    let outcomes = at_once(&all, "ADD");
    assert!(start.elapsed() < BOUND, "{:?}", start.elapsed());
    let (mut addresses, mut won, mut lost) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    let mut late = BTreeSet::new();
    for (number, (outcome, candidate)) in outcomes.into_iter().zip(&all).enumerate() {
        let has_link = candidate.pod.has_link("net1");
        if outcome.status.success() {
            assert!(has_link && won.insert(candidate.vf), "VF {} has two owners, or none", candidate.vf);
            addresses.insert(outcome.success()["ips"][0]["address"].as_str().unwrap_or_default().to_owned());
        } else {
            let error = outcome.error();
            assert!(
                error.code > 0 && !error.msg.is_empty() && !has_link,
                "{}: {error:?}",
                candidate.pod.name()
            );
            lost.insert(number);
            late.extend((error.code == TRY_AGAIN_LATER).then_some(candidate.vf));
        }
    }
    assert_eq!(addresses.len(), won.len(), "an address was given twice");
    // So many at once on one slow CPU, a lock may not come in time: no wait is endless, and a runtime asks again.
    let free: Vec<_> = wanted.difference(&won).filter(|vf| !late.contains(vf)).collect();
    assert!(!won.is_empty() && free.is_empty(), "nobody got {free:?}, and nobody was told to come again");
    for (outcome, Candidate { plugin, config, .. }) in at_once(&all, "DEL").into_iter().zip(&all) {
        if !outcome.status.success() {
            assert_eq!(outcome.error().code, TRY_AGAIN_LATER);
            plugin.del(config).success();
        }
    }
    all.into_iter().enumerate().filter(|(number, _)| lost.contains(number)).map(|(_, one)| one).collect()
}

fn at_once(all: &[Candidate], verb: &str) -> Vec<Outcome> {
    std::thread::scope(|scope| {
        let run = |one: &Candidate| one.plugin.run(verb, &one.config);
        let threads: Vec<_> = all.iter().map(|one| scope.spawn(move || run(one))).collect();
        threads.into_iter().map(|thread| thread.join().expect("a run")).collect()
    })
}
