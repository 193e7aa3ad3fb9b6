//! After the API server was put back to an older state, by example: whom the controller waits for, and when it grants again.

#![expect(clippy::unwrap_used, reason = "the functions between the tests are tests too")]

use std::collections::{BTreeMap, BTreeSet};

use api::{
    Metadata, NodePool, PoolUse, RailBlock, RailBlockSpec, RailNode, RailNodeSpec, RailNodeStatus,
    SpiderIPPool, SpiderIPPoolSpec,
};
use grants::{Answer, Controller, Event, Policy, Request, Rules};

/// An API server of two nodes, which writes what it is asked.
struct Cluster {
    controller: Controller,
    nodes: BTreeMap<String, RailNode>,
    version: u64,
    blocks: usize,
}

impl Cluster {
    fn new() -> Self {
        let spec = SpiderIPPoolSpec {
            subnet: "10.0.0.0/24".to_owned(),
            ips: vec!["10.0.0.1-10.0.0.8".to_owned()],
            ..SpiderIPPoolSpec::default()
        };
        let metadata = Metadata { name: "p".to_owned(), ..Metadata::default() };
        let pool = SpiderIPPool { metadata, spec, ..SpiderIPPool::default() };
        let controller = Controller::new(Policy::default(), Rules::default());
        let mut cluster = Self { controller, nodes: BTreeMap::new(), version: 10, blocks: 0 };
        for name in ["a", "b"] {
            let metadata =
                Metadata { name: name.to_owned(), uid: Some(name.to_owned()), ..Metadata::default() };
            let node = RailNode { metadata, spec: RailNodeSpec::default(), ..RailNode::default() };
            cluster.nodes.insert(name.to_owned(), node);
        }
        cluster.controller.see(Event::Pools(vec![pool], Vec::new()));
        cluster.gone(&[]);
        cluster.list();
        cluster
    }

    fn gone(&mut self, names: &[&str]) {
        let gone: BTreeSet<String> = names.iter().map(|name| (*name).to_owned()).collect();
        self.controller.see(Event::Cluster(BTreeMap::new(), gone));
    }

    fn list(&mut self) {
        self.list_with(Vec::new());
    }

    fn list_with(&mut self, blocks: Vec<RailBlock>) {
        for node in self.nodes.values_mut() {
            node.metadata.resource_version = Some(self.version.to_string());
        }
        self.controller.see(Event::Nodes(self.nodes.values().cloned().collect(), self.version));
        self.controller.see(Event::Blocks(blocks, self.version));
    }

    /// The node has seen its spec, holds nothing, and needs an address.
    fn answers(&mut self, name: &str) {
        self.version += 1;
        let node = self.nodes.get_mut(name).unwrap();
        let held = PoolUse { name: "p".to_owned(), need: 1, held: Some(String::new()), ..PoolUse::default() };
        node.status =
            Some(RailNodeStatus { epoch: node.spec.epoch, pools: vec![held], ..RailNodeStatus::default() });
        node.metadata.resource_version = Some(self.version.to_string());
        self.controller.see(Event::Node(Box::new(node.clone())));
    }

    /// Until the controller asks for nothing more.
    fn settle(&mut self) {
        for _ in 0..20 {
            let requests = self.controller.poll(0);
            if requests.is_empty() {
                return;
            }
            for request in requests {
                let answer = self.serve(&request);
                self.controller.answered(&request, answer);
            }
        }
        panic!("it never comes to an end");
    }

    fn serve(&mut self, request: &Request) -> Answer {
        self.version += 1;
        match request {
            Request::PatchNode(name, _, spec) => {
                let node = self.nodes.get_mut(name).unwrap();
                node.spec = spec.clone();
                node.metadata.resource_version = Some(self.version.to_string());
                Answer::Node(Box::new(node.clone()))
            }
            Request::CreateBlock(name, spec) | Request::ReplaceBlock(name, _, spec) => {
                self.blocks += 1;
                let metadata = Metadata {
                    name: name.clone(),
                    resource_version: Some(self.version.to_string()),
                    ..Metadata::default()
                };
                Answer::Block(Box::new(RailBlock { metadata, spec: spec.clone(), ..Default::default() }))
            }
            Request::ReadNode(name) => {
                self.nodes.get(name).map_or(Answer::Missing, |node| Answer::Node(Box::new(node.clone())))
            }
            other @ Request::ReadBlock(_) => panic!("no block was refused: {other:?}"),
        }
    }

    fn put_back(&mut self) {
        self.put_back_with(Vec::new());
    }

    fn put_back_with(&mut self, blocks: Vec<RailBlock>) {
        self.controller.see(Event::PutBack);
        self.list_with(blocks);
        self.settle();
    }
}

/// 10.0.0.1 is of one node.
fn block_of(node: &str, since: i64) -> RailBlock {
    let metadata =
        Metadata { name: "p-0".to_owned(), resource_version: Some("9".to_owned()), ..Metadata::default() };
    let spec = RailBlockSpec {
        group: "p".to_owned(),
        first: 0,
        count: 128,
        epoch: since,
        pools: vec!["p".to_owned()],
        subnets: vec!["10.0.0.0/24".to_owned()],
        rails: vec![format!("{node}=1")],
        since: format!("{node}={since}"),
        ..RailBlockSpec::default()
    };
    RailBlock { metadata, spec, ..RailBlock::default() }
}

#[test]
fn nothing_is_granted_before_all_have_answered_and_who_has_not_is_named() {
    let mut cluster = Cluster::new();
    cluster.put_back();
    assert_eq!(cluster.controller.waits_for(), Some(vec!["a", "b"]));
    let question = &cluster.nodes["a"].spec;
    assert!(question.confirm && question.pools.iter().any(|pool| pool.name == "p"), "{question:?}");
    cluster.answers("a");
    cluster.settle();
    assert_eq!((cluster.controller.waits_for(), cluster.blocks), (Some(vec!["b"]), 0));
    cluster.answers("b");
    cluster.settle();
    assert_eq!((cluster.controller.waits_for(), cluster.blocks), (None, 1));
}

#[test]
fn answers_of_the_backup_are_asked_for_again() {
    let mut cluster = Cluster::new();
    cluster.put_back();
    cluster.answers("a");
    cluster.answers("b");
    let before = cluster.nodes["a"].spec.epoch;
    cluster.put_back();
    assert!(cluster.nodes["a"].spec.epoch > before && cluster.nodes["a"].spec.confirm);
    assert_eq!(cluster.controller.waits_for(), Some(vec!["a", "b"]));
}

#[test]
fn a_node_that_the_backup_does_not_have_is_waited_for_until_it_is_back_or_gone() {
    let mut cluster = Cluster::new();
    let b = cluster.nodes.remove("b").unwrap();
    cluster.put_back();
    cluster.answers("a");
    cluster.settle();
    assert_eq!((cluster.controller.waits_for(), cluster.blocks), (Some(vec!["b"]), 0), "{b:?}");
    cluster.gone(&["b"]);
    cluster.settle();
    assert_eq!((cluster.controller.waits_for(), cluster.blocks), (None, 1));
}

#[test]
fn a_node_that_is_gone_before_it_answers_has_its_spec_emptied_and_holds_up_nobody() {
    let mut cluster = Cluster::new();
    cluster.put_back();
    cluster.answers("a");
    cluster.gone(&["b"]);
    cluster.settle();
    let spec = &cluster.nodes["b"].spec;
    assert!(!spec.confirm && spec.pools.is_empty(), "{spec:?}");
    assert_eq!((cluster.controller.waits_for(), cluster.blocks), (None, 1));
}

#[test]
fn a_question_is_newer_than_what_the_blocks_have_given_since() {
    let mut cluster = Cluster::new();
    cluster.put_back_with(vec![block_of("a", 5_000_000)]);
    assert!(cluster.nodes["a"].spec.epoch > 5_000_000, "{:?}", cluster.nodes["a"].spec);
    cluster.answers("a");
    cluster.answers("b");
    cluster.settle();
    assert_eq!(cluster.controller.waits_for(), None);
    let owners = |block: &grants::Block| block.rails[0].owners.len();
    assert_eq!(cluster.controller.world().blocks.values().map(owners).sum::<usize>(), 2, "both need one");
}

#[test]
fn a_node_that_comes_back_while_all_is_put_right_is_asked_before_its_old_addresses_count() {
    let mut cluster = Cluster::new();
    let ranges = "10.0.0.1".to_owned();
    let pool =
        NodePool { name: "p".to_owned(), ranges, subnet: "10.0.0.0/24".to_owned(), ..NodePool::default() };
    cluster.nodes.get_mut("b").unwrap().spec.pools = vec![pool];
    cluster.gone(&["b"]);
    cluster.put_back_with(vec![block_of("b", 0)]);
    cluster.answers("a");
    let requests = cluster.controller.poll(0);
    cluster.gone(&[]);
    for request in requests {
        // Its agent was faster than the word that empties its spec.
        let is_late = matches!(&request, Request::PatchNode(name, ..) if name == "b");
        let answer = if is_late { Answer::Refused } else { cluster.serve(&request) };
        cluster.controller.answered(&request, answer);
    }
    cluster.settle();
    // The others have had a spec since they answered: they are asked again.
    assert_eq!(cluster.controller.waits_for(), Some(vec!["a", "b"]));
    assert!(cluster.nodes["b"].spec.confirm);
    cluster.answers("a");
    cluster.answers("b");
    cluster.settle();
    assert_eq!(cluster.controller.waits_for(), None);
}

#[test]
fn a_node_whose_object_is_deleted_with_its_answer_is_waited_for_and_asked_again() {
    let mut cluster = Cluster::new();
    cluster.put_back();
    cluster.answers("a");
    cluster.answers("b");
    // All is put right; nothing of it has been written when the object goes.
    let requests = cluster.controller.poll(0);
    let mut b = cluster.nodes.remove("b").unwrap();
    cluster.version += 1;
    cluster.controller.see(Event::NodeDeleted("b".to_owned(), cluster.version));
    for request in requests {
        let is_of_b = matches!(&request, Request::PatchNode(name, ..) if name == "b");
        let answer = if is_of_b { Answer::Missing } else { cluster.serve(&request) };
        cluster.controller.answered(&request, answer);
    }
    cluster.settle();
    assert_eq!(cluster.controller.waits_for(), Some(vec!["a", "b"]));
    // Its agent makes another.
    (b.spec, b.status) = Default::default();
    b.metadata.uid = Some("another".to_owned());
    cluster.nodes.insert("b".to_owned(), b);
    cluster.version += 1;
    cluster.list();
    cluster.settle();
    assert!(cluster.nodes["b"].spec.confirm);
    cluster.answers("a");
    cluster.answers("b");
    cluster.settle();
    assert_eq!(cluster.controller.waits_for(), None);
}

#[test]
fn a_counter_that_was_moved_ahead_hides_no_restore() {
    let mut cluster = Cluster::new();
    let (seen, mut older) = (cluster.version, cluster.nodes.values().cloned().collect::<Vec<_>>());
    // The answer to a list that was asked for before the last events came is only late.
    older[0].metadata.resource_version = Some((seen - 1).to_string());
    cluster.controller.see(Event::Nodes(older.clone(), seen - 1));
    assert_eq!(cluster.controller.waits_for(), None);
    cluster.list();
    cluster.controller.see(Event::Nodes(older, 1_000_000));
    assert_eq!(cluster.controller.waits_for(), Some(vec!["a", "b"]));
}
