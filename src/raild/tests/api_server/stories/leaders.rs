//! Controllers that die in the middle of a fill, and two that lead at once.

use std::thread;
use std::time::Duration;

use cluster::Api;
use nix::sys::signal::Signal;
use testkit::{eventually, pause};

use crate::auditor::{audited, come_everywhere, come_one_by_one, nothing_is_lost, places, pods};
use crate::node::{Node, Process, api_server, nodes, raild, well};

const NODES: usize = 5;
const LIMIT: Duration = Duration::from_secs(120);

fn controller(api: &Api) -> Process {
    Process::start(&mut raild(api, "controller"))
}

fn leased(nodes: &[Node]) -> usize {
    nodes.iter().map(|node| node.leases().len()).sum()
}

#[test]
fn a_controller_that_is_killed_twice_in_a_fill_gives_nothing_twice_and_loses_nothing() {
    const ADDRESSES: usize = 60;
    let api = api_server(60);
    let mut leader = controller(&api);
    let nodes = nodes(&api, &well(&api, NODES));
    audited(&places(&nodes), || {
        thread::scope(|scope| {
            for (number, node) in nodes.iter().enumerate() {
                scope.spawn(move || come_one_by_one(node, &pods(&format!("n{number}"), ADDRESSES / NODES)));
            }
            for reached in [ADDRESSES / 5, ADDRESSES / 2] {
                eventually(LIMIT, || (leased(&nodes) >= reached).then_some(())).expect("pods come");
                // By SIGKILL; the next one waits until the lease is over.
                leader = controller(&api);
                let left = ADDRESSES - leased(&nodes);
                assert!(left > 0, "the fill was over before the controller died");
            }
        });
        assert_eq!(leased(&nodes), ADDRESSES);
    });
    nothing_is_lost(&nodes.iter().collect::<Vec<_>>(), &nodes[0], ADDRESSES);
    drop(leader);
}

/// The lease is advice: where it has a name for each of them, both do all the work.
#[test]
fn two_controllers_that_both_lead_give_nothing_twice_and_lose_nothing() {
    const ADDRESSES: usize = 40;
    let api = api_server(40);
    let leaders = ["kube-system", "default"]
        .map(|namespace| Process::start(raild(&api, "controller").env("POD_NAMESPACE", namespace)));
    let nodes = nodes(&api, &well(&api, NODES));
    for namespace in ["kube-system", "default"] {
        let holds = || {
            let lease = api.kubectl().get(&["-n", namespace, "lease", "raild-controller"]).ok()?;
            (lease["spec"]["holderIdentity"] != "").then_some(())
        };
        eventually(LIMIT, holds).expect("each of them leads");
    }
    audited(&places(&nodes), || {
        for round in 0..4 {
            // Each time another node has none, and its neighbour twice as many.
            let share = ADDRESSES / NODES;
            let crowd = nodes.iter().enumerate().map(|(number, node)| {
                let count = match (number + NODES - round % NODES) % NODES {
                    0 => 0,
                    1 => 2 * share,
                    _ => share,
                };
                (node, pods(&format!("r{round}-{number}"), count))
            });
            let crowd = crowd.collect::<Vec<_>>();
            thread::scope(|scope| {
                scope.spawn(|| come_everywhere(&crowd));
                // One stands still in the middle of whatever it does, and goes on with what it knew.
                let sleeper = &leaders[round % 2];
                sleeper.signal(Signal::SIGSTOP);
                pause(Duration::from_secs(2));
                sleeper.signal(Signal::SIGCONT);
            });
            assert_eq!(leased(&nodes), ADDRESSES);
            for (node, pods) in &crowd {
                node.del(pods);
            }
        }
    });
    nothing_is_lost(&nodes.iter().collect::<Vec<_>>(), &nodes[1], ADDRESSES);
}
