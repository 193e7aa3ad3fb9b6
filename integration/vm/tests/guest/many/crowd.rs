//! More pods at once than the PF has VFs.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use testkit::{Outcome, Plugin, World, assert_same, figure, torture};
use vm::lab::pf;

/// Pods and VFs: every VF has one pod that gets it; the others come in vain.
const FULL: (usize, usize) = (256, 120);
const BOUNDED: (usize, usize) = (48, 40);
const TRY_AGAIN_LATER: u64 = 11;

#[test]
fn each_vf_has_one_owner() {
    let world = World::of_guest();
    let (crowd, count) = if torture() { FULL } else { BOUNDED };
    let vfs: Vec<String> = pf(0).vfs().iter().take(count).map(|vf| vf.bdf().to_owned()).collect();
    let config = |number: usize| -> Value {
        json!({ "cniVersion": "1.1.0", "name": "pf", "type": "sriov", "deviceID": vfs[number % vfs.len()], "vlan": 1 + number,
                "ipam": { "type": "rail-ipam", "lockTimeout": 120, "ranges": [[{ "subnet": "10.68.0.0/16" }]] } })
    };
    let pods: Vec<_> = (0..crowd).map(|number| world.bare_pod(&format!("p{number}"))).collect();
    let calls: Vec<(Plugin, Value)> = pods
        .iter()
        .enumerate()
        .map(|(number, pod)| (world.plugin("sriov").netns(pod.path()).container(pod.name()), config(number)))
        .collect();
    calls[0].0.add(&calls[0].1).success();
    calls[0].0.del(&calls[0].1).success();
    let before = world.snapshot().without("file ");
    let start = Instant::now();
    let outcomes = at_once(&calls, "ADD");
    let took = start.elapsed();
    let (won, lost): (Vec<_>, Vec<_>) =
        outcomes.into_iter().zip(&pods).partition(|(outcome, _)| outcome.status.success());
    assert_eq!(
        won.len(),
        vfs.len(),
        "{}",
        lost.first().map(|(outcome, _)| outcome.to_string()).unwrap_or_default()
    );
    for (outcome, pod) in lost {
        let error = outcome.error();
        assert!(error.code > 0 && !pod.has_link("net1"), "{}: {error:?}", pod.name());
    }
    let addresses: BTreeSet<String> = won
        .into_iter()
        .map(|(outcome, pod)| {
            assert!(pod.has_link("net1"), "{} has no interface", pod.name());
            outcome.success()["ips"][0]["address"].as_str().unwrap_or_default().to_owned()
        })
        .collect();
    assert_eq!(addresses.len(), vfs.len(), "an address was given twice");
    assert!(took < Duration::from_secs(120), "{took:?}");
    figure("concurrent ADDs", "one PF of 120 VFs", crowd, FULL.0);
    for (outcome, (plugin, config)) in at_once(&calls, "DEL").into_iter().zip(&calls) {
        // So many at once on one slow CPU, a lock may not come in time: no wait is endless, and a runtime asks again.
        if !outcome.status.success() {
            assert_eq!(outcome.error().code, TRY_AGAIN_LATER);
            plugin.del(config).success();
        }
    }
    assert_same(&before, &world.snapshot().without("file "));
}

fn at_once(calls: &[(Plugin, Value)], verb: &str) -> Vec<Outcome> {
    std::thread::scope(|scope| {
        let run = |(plugin, config): &(Plugin, Value)| plugin.run(verb, config);
        let threads: Vec<_> = calls.iter().map(|call| scope.spawn(move || run(call))).collect();
        threads.into_iter().map(|thread| thread.join().expect("a run")).collect()
    })
}
