//! A cluster as large as they come, granted from nothing: 4,096 nodes with eight VFs on each of eight rails.

#![expect(clippy::unwrap_used, reason = "the functions between the tests are tests too")]

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use api::{Metadata, PoolUse, RailBlock, RailNode, RailNodeStatus, SpiderIPPool, SpiderIPPoolSpec};
use grants::{Answer, Controller, Event, FABRIC, Policy, RAIL, Request, Rules, ranges_of};

const NODES: u16 = 4_096;
const RAILS: u8 = 8;
const VFS: i64 = 8;
/// A block has 128 places of all rails.
const BLOCKS: u64 = NODES as u64 * VFS.unsigned_abs() / 128;
/// For all decisions together, in a debug build on a busy machine; optimised and alone they take a few seconds.
const LIMIT: Duration = Duration::from_secs(120);

fn pool(rail: u8) -> SpiderIPPool {
    let labels = [(FABRIC.to_owned(), "gpu".to_owned()), (RAIL.to_owned(), rail.to_string())];
    let metadata = Metadata { name: format!("gpu-rail{rail}"), labels: labels.into(), ..Metadata::default() };
    // Exactly as many addresses as there are VFs, from the second block on.
    let spec = SpiderIPPoolSpec {
        subnet: format!("10.{rail}.0.0/16"),
        ips: vec![format!("10.{rail}.0.128-10.{rail}.128.127")],
        ..SpiderIPPoolSpec::default()
    };
    SpiderIPPool { metadata, spec, ..SpiderIPPool::default() }
}

fn node(number: u16) -> RailNode {
    let of_rail = |rail| PoolUse { name: format!("gpu-rail{rail}"), most: Some(VFS), ..PoolUse::default() };
    let status = RailNodeStatus { pools: (1..=RAILS).map(of_rail).collect(), ..RailNodeStatus::default() };
    let metadata = Metadata {
        name: format!("node-{number}"),
        resource_version: Some("1".to_owned()),
        ..Metadata::default()
    };
    RailNode { metadata, status: Some(status), ..RailNode::default() }
}

/// An API server that does all that it is asked, and counts.
#[derive(Default)]
struct Server {
    version: u64,
    blocks: u64,
    specs: BTreeMap<String, u64>,
    nodes: BTreeMap<String, RailNode>,
}

impl Server {
    fn answer(&mut self, request: &Request) -> Answer {
        self.version += 1;
        let version = Some(self.version.to_string());
        match request {
            Request::CreateBlock(name, spec) => {
                self.blocks += 1;
                let metadata =
                    Metadata { name: name.clone(), resource_version: version, ..Metadata::default() };
                Answer::Block(Box::new(RailBlock { metadata, spec: spec.clone(), ..RailBlock::default() }))
            }
            Request::PatchNode(name, _, spec) => {
                *self.specs.entry(name.clone()).or_default() += 1;
                let node = self.nodes.get_mut(name).unwrap();
                (node.metadata.resource_version, node.spec) = (version, spec.clone());
                Answer::Node(Box::new(node.clone()))
            }
            other => panic!("nothing else is to be asked of a server that answers: {other:?}"),
        }
    }
}

#[test]
fn four_thousand_nodes_are_granted_from_nothing_with_one_write_for_each_and_one_for_each_block() {
    let nodes: Vec<RailNode> = (0..NODES).map(node).collect();
    let by_name = |node: &RailNode| (node.metadata.name.clone(), node.clone());
    let mut server = Server { version: 1, nodes: nodes.iter().map(by_name).collect(), ..Server::default() };
    let labels = server.nodes.keys().map(|name| (name.clone(), BTreeMap::new())).collect();
    let mut controller = Controller::new(Policy::default(), Rules::default());
    let started = Instant::now();
    controller.see(Event::Pools((1..=RAILS).map(pool).collect(), Vec::new()));
    controller.see(Event::Cluster(labels, BTreeSet::new()));
    controller.see(Event::Blocks(Vec::new(), 1));
    controller.see(Event::Nodes(nodes, 1));
    loop {
        let requests = controller.poll(0);
        if requests.is_empty() {
            break;
        }
        for request in requests {
            let answer = server.answer(&request);
            controller.answered(&request, answer);
        }
    }
    let took = started.elapsed();
    assert_eq!((server.blocks, server.specs.len()), (BLOCKS, usize::from(NODES)));
    assert!(server.specs.values().all(|writes| *writes == 1), "a node was told twice");
    assert!(took < LIMIT, "it took {took:?}");

    let mut granted = BTreeSet::new();
    for node in server.nodes.values() {
        assert_eq!(node.spec.pools.len(), usize::from(RAILS));
        let places = |pool: &api::NodePool| pool.ranges.replace(&pool.subnet[..5], "");
        let first = places(&node.spec.pools[0]);
        for pool in &node.spec.pools {
            assert_eq!(ranges_of(&pool.ranges).unwrap().len(), 8, "{}: {}", node.metadata.name, pool.ranges);
            assert_eq!(places(pool), first, "{}: the same places on all rails", node.metadata.name);
        }
        assert!(granted.insert(first.clone()), "{first} is another node's, too");
    }
    assert_eq!(controller.unmet(), &BTreeMap::new());
}
