//! Nodes that are cut off, stand still, are deleted, released, installed anew, and pools that are edited under all of them.

use std::thread;
use std::time::Duration;

use cluster::Api;
use nix::sys::signal::Signal;
use serde_json::json;
use testkit::{eventually, pause};

use crate::auditor::{audited, come, come_one_by_one, nothing_is_lost, places, pods};
use crate::cable::Cable;
use crate::node::{Ended, Node, Process, api_server, node_object, nodes, raild, well};

const LIMIT: Duration = Duration::from_secs(120);

fn controller(api: &Api) -> Process {
    Process::start(&mut raild(api, "controller"))
}

fn all(nodes: &[Node]) -> Vec<&Node> {
    nodes.iter().collect()
}

/// How many addresses these nodes have by the books, once that does not change any more.
fn settled(api: &Api, nodes: &[Node]) -> usize {
    let owned = || {
        let block = api.kubectl().get(&["railblock", "shared-0"]).unwrap();
        let owners = grants::owners_of(block["spec"]["rails"][0].as_str().unwrap()).unwrap();
        let of_nodes = owners.iter().filter(|(name, _)| nodes.iter().any(|node| node.name == **name));
        of_nodes.map(|(_, places)| usize::try_from(places.len()).unwrap()).sum::<usize>()
    };
    let mut before = owned();
    let same = || {
        pause(Duration::from_secs(3));
        let now = owned();
        (std::mem::replace(&mut before, now) == now).then_some(now)
    };
    eventually(LIMIT, same).expect("the books come to rest")
}

/// The pod got nothing of a used-up share.
fn is_refused(ended: &Ended) -> bool {
    matches!(ended, Err((11, _)))
}

#[test]
fn ten_nodes_that_are_cut_off_for_a_fill_keep_what_they_have_and_get_the_rest_afterwards() {
    const CUT: usize = 10;
    const EACH: usize = 4;
    const ADDRESSES: usize = 60;
    let api = api_server(60);
    let _controller = controller(&api);
    let cable = Cable::lay(&api);
    let kubeconfigs = [vec![cable.kubeconfig.clone(); CUT], well(&api, 2)].concat();
    let nodes = nodes(&api, &kubeconfigs);
    let (cut, there) = nodes.split_at(CUT);
    audited(&places(&nodes), || {
        thread::scope(|scope| {
            for (number, node) in cut.iter().enumerate() {
                scope.spawn(move || come(node, &pods(&format!("early{number}"), EACH)));
            }
        });
        let granted = settled(&api, cut);
        cable.cut();
        // Half of their pods end where nobody hears of it; their addresses stay on their nodes, for the next pods there.
        for (number, node) in cut.iter().enumerate() {
            node.del(&pods(&format!("early{number}"), EACH)[..EACH / 2]);
        }
        let rest = ADDRESSES - granted;
        thread::scope(|scope| {
            scope.spawn(|| come_one_by_one(&there[0], &pods("fill0", rest / 2)));
            scope.spawn(|| come_one_by_one(&there[1], &pods("fill1", rest - rest / 2)));
            for (number, node) in cut.iter().enumerate() {
                scope.spawn(move || come_one_by_one(node, &pods(&format!("late{number}"), EACH / 2)));
            }
        });
        let over = there[0].add(&pods("over", 1), 3);
        assert!(over.iter().all(is_refused), "{over:?}");
        // More than they have been granted: who gets none is told why.
        let over = cut[0].add(&pods("over-there", 12), 3);
        let told = |ended: &Ended| matches!(ended, Err((11, said)) if said.contains("raild agent"));
        assert!(over.iter().any(told), "{over:?}");
        cable.mend();
    });
    nothing_is_lost(&all(&nodes), &nodes[CUT], ADDRESSES);
    nothing_is_lost(&all(&nodes), &nodes[0], ADDRESSES);
}

/// The machine is off, an admin says so, and then its agent goes on with what it knew before.
#[test]
fn an_agent_that_goes_on_after_its_node_was_released_hands_out_nothing_of_it() {
    const ADDRESSES: usize = 8;
    let api = api_server(8);
    let _controller = controller(&api);
    let nodes = nodes(&api, &well(&api, 2));
    let (gone, there) = (&nodes[0], &nodes[1]);
    audited(&places(&nodes), || {
        let first = pods("first", ADDRESSES);
        come(gone, &first);
        gone.del(&first);
        // Perhaps in the moment in which it has the lock of the leases: nothing is called there before it goes on.
        gone.signal(Signal::SIGSTOP);
        assert_eq!(gone.granted(), ADDRESSES as u128);
        api.kubectl().run(&["annotate", "railnode", "node-0", "railcni.dev/released=true"]).unwrap();
        come(there, &pods("second", ADDRESSES));
        gone.signal(Signal::SIGCONT);
        eventually(LIMIT, || (gone.granted_or_none() == Some(0)).then_some(())).expect("it lets go of all");
        assert!(gone.add(&pods("third", 2), 2).iter().all(Result::is_err));
        // It joins again when the admin says so.
        api.kubectl().run(&["annotate", "railnode", "node-0", "railcni.dev/released-"]).unwrap();
        gone.knows_the_pool();
        there.del(&pods("second", ADDRESSES));
        come(gone, &pods("fourth", ADDRESSES));
    });
    nothing_is_lost(&all(&nodes), there, ADDRESSES);
}

#[test]
fn a_node_whose_node_object_is_deleted_keeps_all_for_a_while_and_a_dead_ones_goes_to_the_others() {
    const ADDRESSES: usize = 12;
    let api = api_server(12);
    let _controller = controller(&api);
    let mut nodes = nodes(&api, &well(&api, 2));
    audited(&places(&nodes), || {
        come(&nodes[0], &pods("first", ADDRESSES));
        // By mistake, and made again by its kubelet.
        api.kubectl().run(&["delete", "node", "node-0"]).unwrap();
        let ended = nodes[1].add(&pods("early", 3), 25);
        assert!(ended.iter().all(is_refused), "{ended:?}");
        api.kubectl().apply(&node_object("node-0")).unwrap();
        let ended = nodes[1].add(&pods("early", 3), 25);
        assert!(ended.iter().all(is_refused), "{ended:?}");
        let ended = nodes[1].add(&pods("early", 3), 25);
        assert!(ended.iter().all(is_refused), "the minute begins anew: {ended:?}");
    });
    // Now the machine burns.
    nodes[0].wipe();
    api.kubectl().run(&["delete", "node", "node-0"]).unwrap();
    assert_eq!(come(&nodes[1], &pods("late", ADDRESSES)).len(), ADDRESSES);
}

#[test]
fn a_pool_that_is_edited_under_load_takes_no_address_from_a_pod_and_gives_none_that_it_lost() {
    let api = api_server(40);
    let _controller = controller(&api);
    let nodes = nodes(&api, &well(&api, 4));
    let edit = |ips: &str| {
        let patch = json!({"spec": {"ips": [ips]}}).to_string();
        api.kubectl().run(&["patch", "spiderippool", "shared", "--type=merge", "-p", &patch]).unwrap();
    };
    audited(&places(&nodes), || {
        thread::scope(|scope| {
            for (number, node) in nodes.iter().enumerate() {
                scope.spawn(move || {
                    for round in 0..8 {
                        // Fewer than there are in any of the pool's forms: none has to wait for another to end.
                        let pods = pods(&format!("n{number}-r{round}"), 4);
                        come(node, &pods);
                        node.del(&pods);
                    }
                });
            }
            for ips in [
                "172.16.1.21-172.16.1.60",
                "172.16.1.1-172.16.1.20",
                "172.16.1.11-172.16.1.30",
                "172.16.1.41-172.16.1.60",
            ] {
                pause(Duration::from_secs(2));
                edit(ips);
            }
        });
    });
    // Of what it does not offer any more, nothing is left with anybody, and nothing is given.
    let low: ipam::RangeSet = "172.16.1.1-172.16.1.40".parse::<ipam::Range>().unwrap().into();
    let is_left = || nodes.iter().all(|node| node.offered().common(&low).is_empty()).then_some(());
    eventually(LIMIT, is_left).expect("it is given back");
    nothing_is_lost(&all(&nodes), &nodes[2], 20);
    // The pods that had them keep them, until they end: a pool may be deleted under them.
    let last = pods("last", 20);
    let had = come(&nodes[0], &last);
    api.kubectl().run(&["delete", "spiderippool", "shared", "--wait=false"]).unwrap();
    let is_gone = || (nodes[0].granted_or_none() == Some(0)).then_some(());
    eventually(LIMIT, is_gone).expect("nothing more of it is handed out");
    assert_eq!(nodes[0].leases().len(), had.len());
    let (_, message) = nodes[1].add(&pods("none", 1), 1)[0].clone().unwrap_err();
    assert!(message.contains("shared"), "{message}");
}
