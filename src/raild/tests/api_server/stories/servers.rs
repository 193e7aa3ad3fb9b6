//! An API server that is stopped, stands still, refuses and loses, or is put back to an older state.

use std::thread;
use std::time::Duration;

use cluster::Api;
use testkit::{eventually, pause};

use crate::auditor::{audited, come, come_everywhere, come_one_by_one, nothing_is_lost, places, pods};
use crate::faulty::Faulty;
use crate::node::{Node, Process, api_server, nodes, raild, well};

const NODES: usize = 4;
const ADDRESSES: usize = 32;
const LIMIT: Duration = Duration::from_secs(120);

fn world() -> (Api, Process, Vec<Node>) {
    let api = api_server(32);
    let controller = Process::start(&mut raild(&api, "controller"));
    let nodes = nodes(&api, &well(&api, NODES));
    (api, controller, nodes)
}

fn leased(nodes: &[Node]) -> usize {
    nodes.iter().map(|node| node.leases().len()).sum()
}

/// All addresses are used, by pods that come one after the other on each node, while something happens.
fn fill(nodes: &[Node], name: &str, meanwhile: impl FnOnce()) {
    thread::scope(|scope| {
        for (number, node) in nodes.iter().enumerate() {
            let pods = pods(&format!("{name}-{number}"), ADDRESSES / NODES);
            scope.spawn(move || come_one_by_one(node, &pods));
        }
        eventually(LIMIT, || (leased(nodes) > NODES).then_some(())).expect("pods come");
        meanwhile();
    });
    assert_eq!(leased(nodes), ADDRESSES);
}

fn end_all(nodes: &[Node]) {
    for node in nodes {
        node.del(&node.leases().into_iter().map(|lease| lease.key.container_id).collect::<Vec<_>>());
    }
}

#[test]
fn pods_outlast_an_api_server_that_is_killed_started_and_stands_still() {
    let (mut api, _controller, nodes) = world();
    audited(&places(&nodes), || {
        fill(&nodes, "killed", || {
            api.kill_server().unwrap();
            api.start_server().unwrap();
        });
        end_all(&nodes);
        fill(&nodes, "stopped", || {
            api.stop_server().unwrap();
            api.start_server().unwrap();
        });
        end_all(&nodes);
        // What was asked is given up after five seconds, and done when it goes on: answers that nobody waits for.
        fill(&nodes, "frozen", || {
            api.freeze_server().unwrap();
            pause(Duration::from_secs(8));
            api.thaw_server().unwrap();
        });
    });
    nothing_is_lost(&nodes.iter().collect::<Vec<_>>(), &nodes[0], ADDRESSES);
}

#[test]
fn pods_outlast_an_api_server_that_refuses_and_loses_what_it_is_asked() {
    let api = api_server(32);
    let faulty = Faulty::start(&api);
    let mut controller = raild(&api, "controller");
    let _controller = Process::start(controller.env("KUBECONFIG", &faulty.kubeconfig));
    let nodes = nodes(&api, &vec![faulty.kubeconfig.clone(); NODES]);
    audited(&places(&nodes), || {
        for round in 0..3 {
            let crowd = nodes.iter().enumerate().map(|(number, node)| {
                let count = if number == round { ADDRESSES / 2 + 2 } else { ADDRESSES / 2 / NODES };
                (node, pods(&format!("r{round}-{number}"), count))
            });
            let crowd = crowd.collect::<Vec<_>>();
            come_everywhere(&crowd);
            end_all(&nodes);
        }
    });
    assert!(faulty.count() > 100, "{} requests are too few to meet every fault", faulty.count());
    faulty.heal();
    nothing_is_lost(&nodes.iter().collect::<Vec<_>>(), &nodes[0], ADDRESSES);
}

#[test]
fn an_etcd_that_is_put_back_takes_no_address_from_the_pods_that_have_it() {
    for has_lived_on in [true, false] {
        let (mut api, mut controller, nodes) = world();
        let (before, since) = (&nodes[0], &nodes[1]);
        audited(&places(&nodes), || {
            let first = pods("first", ADDRESSES);
            come(before, &first);
            let saved = api.save("before").unwrap();
            // All of it goes to another node, of which the copy knows nothing.
            before.del(&first);
            come(since, &pods("since", ADDRESSES));
            api.restore(&saved).unwrap();
            if !has_lived_on {
                controller = Process::start(&mut raild(&api, "controller"));
            }
            let ended = before.add(&pods("over", 2), 12);
            assert!(ended.iter().all(|ended| matches!(ended, Err((11, _)))), "{ended:?}");
            assert_eq!(leased(&nodes), ADDRESSES);
            // The books are put right: where nothing is asked for any more, all of it can be had.
            since.del(&pods("since", ADDRESSES / 2));
            come(before, &pods("again", ADDRESSES / 2));
        });
        nothing_is_lost(&nodes.iter().collect::<Vec<_>>(), before, ADDRESSES);
        drop(controller);
    }
}
