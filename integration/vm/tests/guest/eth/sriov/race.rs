//! A VF changes its owner while the one before is still going.

use serde_json::{Value, json};
use testkit::{Outcome, Plugin, Space, World};
use vm::lab::vf;

const TURNS: usize = 12;

fn config(vlan: usize) -> Value {
    json!({
        "cniVersion": "1.1.0", "name": "rail6", "type": "sriov", "deviceID": vf(5, 0).bdf(), "vlan": vlan,
        "ipam": { "type": "rail-ipam", "ranges": [[{ "subnet": "10.67.0.0/29" }]] },
    })
}

/// ADD of the next pod against DEL of the last one, in either order: whoever comes too early says so and leaves nothing, and
/// whoever has the VF has it whole.
#[test]
fn the_next_pod_adds_while_the_last_one_deletes() {
    let world = World::of_guest();
    let pods = ["a", "b"].map(|name| world.bare_pod(name));
    let plugins = pods.each_ref().map(|pod| world.plugin("sriov").netns(pod.path()).container(pod.name()));
    plugins[0].add(&config(10)).success();
    plugins[0].del(&config(10)).success();
    let before = world.snapshot().without("file state/ipam");
    plugins[0].add(&config(10)).success();
    let (mut taken, mut early) = (0, 0);
    for turn in 1..=TURNS {
        let (last, next) = ((turn - 1) % 2, turn % 2);
        let (del, add) = at_once(&plugins[last], &config(10 + turn - 1), &plugins[next], &config(10 + turn));
        del.success();
        assert!(!pods[last].has_link("net1"), "the last pod has it still in turn {turn}");
        if add.status.success() {
            taken += 1;
        } else {
            early += 1;
            let error = add.error();
            assert!(error.code > 0 && !pods[next].has_link("net1"), "{error:?}");
            plugins[next].del(&config(10 + turn)).success();
            plugins[next].add(&config(10 + turn)).success();
        }
        assert_has(&pods[next], 10 + turn);
    }
    assert_eq!(taken + early, TURNS);
    plugins[TURNS % 2].del(&config(10 + TURNS)).success();
    testkit::assert_same(&before, &world.snapshot().without("file state/ipam"));
}

fn at_once(last: &Plugin, going: &Value, next: &Plugin, coming: &Value) -> (Outcome, Outcome) {
    std::thread::scope(|scope| {
        let del = scope.spawn(|| last.del(going));
        let add = scope.spawn(|| next.add(coming));
        (del.join().expect("a DEL"), add.join().expect("an ADD"))
    })
}

#[track_caller]
fn assert_has(pod: &Space, vlan: usize) {
    assert!(pod.has_link("net1"));
    assert_eq!(vf(5, 0).attributes().vlan, vlan as u64);
}
