//! Pods on two nodes that share a pool with exactly as many addresses as there are pods.

use std::collections::BTreeMap;
use std::time::Duration;

use testkit::eventually;

use crate::node::{Ended, Node, Process, api_server, raild};

/// Longer than any grant takes on a busy machine.
const PATIENCE: u64 = 30;

fn pods(name: &str, count: usize) -> Vec<String> {
    (0..count).map(|number| format!("{name}{number}")).collect()
}

/// Who has which address; nobody has another's.
#[derive(Default)]
struct Witness(BTreeMap<String, String>);

impl Witness {
    fn came(&mut self, pods: &[String], ended: Vec<Ended>) {
        for (pod, ended) in pods.iter().zip(ended) {
            let address = ended.unwrap_or_else(|failed| panic!("{pod}: {failed:?}"));
            let other = self.0.insert(address.clone(), pod.clone());
            assert_eq!(other, None, "{address} is {pod}'s, too");
        }
    }

    fn went(&mut self, pods: &[String]) {
        self.0.retain(|_, pod| !pods.contains(pod));
    }
}

#[test]
fn as_many_pods_as_addresses_come_go_and_come_again_elsewhere() {
    let api = api_server(12);
    let _controller = Process::start(&mut raild(&api, "controller"));
    let (one, two) = (Node::start(&api, "one"), Node::start(&api, "two"));
    let mut witness = Witness::default();
    let (many, few) = (pods("many", 8), pods("few", 4));
    witness.came(&many, one.add(&many, PATIENCE));
    witness.came(&few, two.add(&few, PATIENCE));
    // There is not one more in the cluster; who is refused is told so.
    let (code, message) = two.add(&pods("over", 1), 6)[0].clone().unwrap_err();
    assert!(code == 11 && message.contains("raild agent has told the controller"), "{message}");
    let events = || api.kubectl().get(&["events", "--field-selector", "involvedObject.name=shared"]).unwrap();
    let is_told = || events()["items"].as_array().unwrap().iter().any(|event| event["reason"] == "Exhausted");
    eventually(Duration::from_secs(30), || is_told().then_some(()))
        .expect("an event says that the pool is used up");
    let is_full = || {
        let pool = api.kubectl().get(&["spiderippool", "shared"]).unwrap();
        let conditions = pool["status"]["conditions"].as_array().cloned().unwrap_or_default();
        let of = |kind: &str, status: &str| {
            conditions.iter().any(|one| one["type"] == kind && one["status"] == status)
        };
        (pool["status"]["allocatedIPCount"] == 12 && of("NearlyFull", "True") && of("Exhausted", "False"))
            .then_some(())
    };
    eventually(Duration::from_secs(60), is_full).expect("and its status, that nobody waits any more");

    for round in 0..2 {
        one.del(&many);
        witness.went(&many);
        let moved = pods(&format!("moved{round}-"), 8);
        witness.came(&moved, two.add(&moved, PATIENCE));
        two.del(&moved);
        witness.went(&moved);
        witness.came(&many, one.add(&many, PATIENCE));
    }
    assert_eq!(witness.0.len(), 12);
    assert_eq!((one.granted(), two.granted()), (8, 4));
}

#[test]
fn within_the_grant_pods_come_and_go_without_controller_agent_and_api_server() {
    let mut api = api_server(6);
    let controller = Process::start(&mut raild(&api, "controller"));
    let (mut one, two) = (Node::start(&api, "one"), Node::start(&api, "two"));
    let mut witness = Witness::default();
    let (mine, others) = (pods("mine", 4), pods("others", 2));
    witness.came(&mine, one.add(&mine, PATIENCE));
    witness.came(&others, two.add(&others, PATIENCE));
    drop(controller);
    api.kill_server().unwrap();

    let mut come_and_go = |node: &Node| {
        node.del(&mine);
        witness.went(&mine);
        witness.came(&mine, node.add(&mine, 0));
    };
    come_and_go(&one);
    let (code, message) = one.add(&pods("over", 1), 2)[0].clone().unwrap_err();
    assert!(code == 11 && message.contains("last heard the API server"), "{message}");
    one.kill_agent();
    come_and_go(&one);
    let (code, message) = one.add(&pods("over", 1), 2)[0].clone().unwrap_err();
    assert!(code == 11 && message.contains("no raild agent listens"), "{message}");
    // One that starts without an API server confirms nothing, and what is in the file stays good.
    one.start_agent(&api);
    come_and_go(&one);

    api.start_server().unwrap();
    let _controller = Process::start(&mut raild(&api, "controller"));
    two.del(&others);
    witness.went(&others);
    let more = pods("more", 2);
    witness.came(&more, one.add(&more, PATIENCE));
}

#[test]
fn what_a_node_cannot_write_down_it_does_not_give_up() {
    let api = api_server(4);
    let _controller = Process::start(&mut raild(&api, "controller"));
    let (one, two) = (Node::start(&api, "one"), Node::start(&api, "two"));
    let all = pods("all", 4);
    let mut witness = Witness::default();
    witness.came(&all, one.add(&all, PATIENCE));
    // The place of the file that is to become the next one is taken.
    let blocked = one.dirs.state.path(&["node"]).unwrap().join(".tmp.grants");
    std::fs::create_dir(&blocked).unwrap();
    one.del(&all);
    witness.went(&all);
    let two_pods = pods("two", 2);
    assert!(two.add(&two_pods, 3).iter().all(Result::is_err));
    assert_eq!((one.granted(), two.granted()), (4, 0));
    std::fs::remove_dir(blocked).unwrap();
    witness.came(&two_pods, two.add(&two_pods, PATIENCE));
    assert!(one.offered().common(&two.offered()).is_empty());
}

#[test]
fn a_file_of_grants_that_somebody_tears_or_puts_back_is_written_again() {
    let api = api_server(4);
    let _controller = Process::start(&mut raild(&api, "controller"));
    let one = Node::start(&api, "one");
    let first = pods("first", 1);
    assert!(one.add(&first, PATIENCE)[0].is_ok());
    let path = one.dirs.state.path(&["node"]).unwrap().join("grants");
    let is_whole = || eventually(Duration::from_secs(30), || (one.granted_or_none() > Some(0)).then_some(()));
    let older = std::fs::read(&path).unwrap();
    state::file::replace(&path, &older[..40]).unwrap();
    is_whole().expect("it is written again");
    assert!(one.add(&pods("all", 3), PATIENCE).iter().all(Result::is_ok));
    state::file::replace(&path, &older).unwrap();
    let rewritten = eventually(Duration::from_secs(30), || (one.granted_or_none() == Some(4)).then_some(()));
    rewritten.expect("the newer one is back");
}

/// By an admin, say: the agent is not restarted for it.
#[test]
fn a_node_whose_object_is_deleted_makes_another_and_keeps_what_its_pods_have() {
    let api = api_server(6);
    let _controller = Process::start(&mut raild(&api, "controller"));
    let (one, two) = (Node::start(&api, "one"), Node::start(&api, "two"));
    let mut witness = Witness::default();
    let mine = pods("mine", 2);
    witness.came(&mine, one.add(&mine, PATIENCE));
    api.kubectl().run(&["delete", "railnode", "one"]).unwrap();
    let has_pools = || {
        let node = api.kubectl().get(&["railnode", "one"]).ok()?;
        node["spec"]["pools"].as_array().is_some_and(|pools| !pools.is_empty()).then_some(())
    };
    eventually(Duration::from_secs(60), has_pools).expect("there is another, with what the block gives it");
    eventually(Duration::from_secs(30), || (one.granted_or_none() >= Some(2)).then_some(()))
        .expect("its plugins may hand out again");
    let others = pods("others", 4);
    witness.came(&others, two.add(&others, PATIENCE));
    one.del(&mine);
    witness.went(&mine);
    witness.came(&mine, one.add(&mine, PATIENCE));
}
