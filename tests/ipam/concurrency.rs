use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::node::{Node, Outcome, network, pool};

fn node() -> Node {
    Node::with_pools(
        &(pool("four", "{subnet: 10.0.0.0/16, ips: [10.0.0.2-10.0.3.255]}")
            + &pool("six", "{subnet: 'fd00::/64', ips: ['fd00::2-fd00::ffff']}")),
    )
}

fn dual() -> Value {
    network(&json!({"ippools": {"ipv4": ["four"], "ipv6": ["six"]}}))
}

#[test]
fn a_hundred_and_twenty_eight_at_once_get_as_many_addresses() {
    let node = node();
    let children =
        (0..128).map(|n| node.call("ADD", &format!("pod{n}"), &dual()).spawn()).collect::<Vec<_>>();
    let given = children.into_iter().flat_map(|child| Outcome::of(child).ips()).collect::<Vec<_>>();
    assert_eq!(given.len(), 256);
    assert_eq!(given.iter().collect::<BTreeSet<_>>().len(), 256);
    let children =
        (0..128).map(|n| node.call("DEL", &format!("pod{n}"), &dual()).spawn()).collect::<Vec<_>>();
    assert!(children.into_iter().all(|child| Outcome::of(child).ok));
    let mut check = dual();
    check["cni.dev/valid-attachments"] = json!([]);
    assert!(node.run("GC", "", &check).ok);
    assert_eq!(node.add("last", &dual())[0], "10.0.0.130/16", "what is released rests");
}

/// SIGKILL at moments spread over the life of the process: what was answered is kept, and nothing is given twice.
#[test]
fn a_storm_of_kills_loses_no_answer_and_doubles_no_address() {
    let node = node();
    let mut answered = BTreeMap::new();
    for round in 0..40_u64 {
        let name = |n: u64| format!("pod{round}-{n}");
        let start = Instant::now();
        let children =
            (0..8).map(|n| (name(n), node.call("ADD", &name(n), &dual()).spawn())).collect::<Vec<_>>();
        for (n, (name, mut child)) in (0_u64..).zip(children) {
            let until = Duration::from_micros((round * 8 + n) * 37 % 12_000);
            while start.elapsed() < until && child.try_wait().unwrap().is_none() {
                std::hint::spin_loop();
            }
            // It may be over already.
            let _ = child.kill();
            let outcome = Outcome::of(child);
            if outcome.answer["ips"].is_array() {
                answered.insert(name, outcome.answer["ips"].clone());
            }
        }
    }
    let mut seen = BTreeSet::new();
    for round in 0..40 {
        for name in (0..8).map(|n| format!("pod{round}-{n}")) {
            let outcome = node.run("ADD", &name, &dual());
            assert!(
                outcome.ips().into_iter().all(|ip| seen.insert(ip)),
                "{name} has somebody else's address"
            );
            assert!(
                answered.get(&name).is_none_or(|ips| *ips == outcome.answer["ips"]),
                "{name} lost what it was told"
            );
        }
    }
    assert_eq!(seen.len(), 640);
}
