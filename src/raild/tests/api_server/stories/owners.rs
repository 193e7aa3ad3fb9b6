//! Pods of a `StatefulSet` that change nodes, in a sticky pool with as many addresses as there are pods.

use std::collections::BTreeMap;
use std::thread;
use std::time::Duration;

use cluster::Api;
use testkit::eventually;

use crate::auditor::{audited, nothing_is_lost, places};
use crate::node::{Node, Process, api_server, nodes, raild, well};

/// Of the set, over all nodes. A node's plugins all run at once.
const PODS: usize = 40;
const NODES: usize = 4;
/// How long a pod waits by one call, and how often it is called again.
const PATIENCE: u64 = 30;
const ATTEMPTS: usize = 6;

/// Who has which address.
type Addresses = BTreeMap<String, String>;

/// In each round every pod runs on the node after the one before.
struct StatefulSet<'n> {
    nodes: &'n [Node],
    round: usize,
}

impl StatefulSet<'_> {
    fn of_node(&self, node: usize) -> Vec<(String, String)> {
        let here = (0..PODS).filter(|pod| (pod + self.round) % NODES == node);
        here.map(|pod| (format!("train-{pod}"), format!("train-{pod}-in-{}", self.round))).collect()
    }

    /// All pods of all nodes come at once.
    fn starts(&self) -> Addresses {
        thread::scope(|scope| {
            let on_node = |node| scope.spawn(move || come(&self.nodes[node], self.of_node(node)));
            let all = (0..NODES).map(on_node).collect::<Vec<_>>();
            all.into_iter().flat_map(|node| node.join().unwrap()).collect()
        })
    }

    fn ends(&mut self) {
        for (number, node) in self.nodes.iter().enumerate() {
            node.del(&self.of_node(number).into_iter().map(|(_, container)| container).collect::<Vec<_>>());
        }
        self.round += 1;
    }
}

/// Each is tried again until it has an address.
fn come(node: &Node, mut waiting: Vec<(String, String)>) -> Addresses {
    let mut addresses = Addresses::new();
    let mut said = Vec::new();
    for _ in 0..ATTEMPTS {
        let pods = std::mem::take(&mut waiting);
        let ended = node.add_named(&pods, PATIENCE);
        for ((pod, container), ended) in pods.into_iter().zip(ended) {
            match ended {
                Ok(address) => drop(addresses.insert(pod, address)),
                Err(failed) => {
                    said.push(failed);
                    waiting.push((pod, container));
                }
            }
        }
        if waiting.is_empty() {
            return addresses;
        }
    }
    panic!("pods without an address after {ATTEMPTS} attempts: {said:?}");
}

/// Of so many addresses, with a controller and nodes that know it.
fn sticky_pool(addresses: usize) -> (Api, Process, Vec<Node>) {
    let api = api_server(addresses.try_into().unwrap());
    let patch = "{\"spec\":{\"sticky\":true}}";
    api.kubectl().run(&["patch", "spiderippool", "shared", "--type=merge", "-p", patch]).unwrap();
    let controller = Process::start(&mut raild(&api, "controller"));
    let nodes = nodes(&api, &well(&api, NODES));
    (api, controller, nodes)
}

/// The ledger knows who has what: a pod that lives for less is not known.
fn all_are_noted(api: &Api, addresses: &Addresses) {
    let noted = || {
        let blocks = api.kubectl().get(&["railblocks"]).unwrap();
        let pins =
            blocks["items"].as_array().unwrap().iter().filter_map(|block| block["spec"]["pins"].as_array());
        let pins = pins.flatten().map(|pins| pins.as_str().unwrap().split(';').count()).sum::<usize>();
        (pins == addresses.len()).then_some(())
    };
    eventually(Duration::from_secs(60), noted).expect("every pod is noted in a block");
}

#[test]
fn pods_that_change_nodes_keep_their_addresses() {
    let (api, mut controller, nodes) = sticky_pool(PODS);
    let mut set = StatefulSet { nodes: &nodes, round: 0 };
    audited(&places(&nodes), || {
        let first = set.starts();
        assert_eq!(first.len(), PODS);
        all_are_noted(&api, &first);
        for _ in 0..2 {
            set.ends();
            assert_eq!(set.starts(), first, "round {}", set.round);
        }
        // Another controller has it from the ledger.
        drop(std::mem::replace(&mut controller, Process::start(&mut raild(&api, "controller"))));
        set.ends();
        assert_eq!(set.starts(), first, "after the controller began again");
    });
    nothing_is_lost(&nodes.iter().collect::<Vec<_>>(), &nodes[0], PODS);
}

#[test]
fn without_a_controller_a_pod_comes_back_to_its_node_and_gets_no_other_address_elsewhere() {
    let (api, controller, mut nodes) = sticky_pool(8);
    let pod = |container: &str| ("train-0".to_owned(), container.to_owned());
    let first = come(&nodes[0], vec![pod("first")]);
    all_are_noted(&api, &first);
    let knows = || nodes[0].pins().contains("ai/train-0/net1").then_some(());
    eventually(Duration::from_secs(30), knows).expect("its node knows whose the address is");
    nodes[0].del(&["first".to_owned()]);

    // The node that has it does not give it back.
    nodes[0].kill_agent();
    let (code, said) = nodes[1].add_named(&[pod("second")], 6)[0].clone().unwrap_err();
    assert_eq!(code, 11, "{said}");
    assert!(
        said.contains("is still with node node-0") && said.contains("railctl release node node-0"),
        "{said}"
    );
    nodes[0].start_agent(&api);
    assert_eq!(come(&nodes[1], vec![pod("third")]), first);
    nodes[1].del(&["third".to_owned()]);

    drop(controller);
    let (code, said) = nodes[2].add_named(&[pod("fourth")], 6)[0].clone().unwrap_err();
    assert_eq!(code, 11, "{said}");
    assert!(said.contains("look whether raild controller runs"), "{said}");
    assert_eq!(come(&nodes[1], vec![pod("fifth")]), first);
}
