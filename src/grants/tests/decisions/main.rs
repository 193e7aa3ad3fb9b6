//! What is granted, by examples: each is a whole cluster in a few lines.

#![expect(clippy::unwrap_used, reason = "the functions between the tests are tests too")]

mod granted;
mod pools;
mod told;
mod vfs;

use std::collections::{BTreeMap, BTreeSet};

use api::{Metadata, PoolUse, RailNodeSpec, RailNodeStatus, SpiderIPPool, SpiderIPPoolSpec};
use grants::{FABRIC, Node, Policy, RAIL, Rules, World, offers, plan, project};

fn pool(name: &str, subnet: &str, ips: &str, rail: Option<u32>) -> SpiderIPPool {
    let mut metadata = Metadata { name: name.to_owned(), ..Metadata::default() };
    if let Some(rail) = rail {
        metadata.labels.insert(FABRIC.to_owned(), "gpu".to_owned());
        metadata.labels.insert(RAIL.to_owned(), rail.to_string());
    }
    let spec = SpiderIPPoolSpec {
        subnet: subnet.to_owned(),
        ips: vec![ips.to_owned()],
        ..SpiderIPPoolSpec::default()
    };
    SpiderIPPool { metadata, spec, ..SpiderIPPool::default() }
}

/// Nodes and what they need of each pool.
fn world(pools: &[SpiderIPPool], needs: &[(&str, &[(&str, i64)])]) -> World {
    let (pools, refused) = offers(pools, &[]);
    assert_eq!(refused, []);
    let node = |(name, needs): &(&str, &[(&str, i64)])| {
        let pool = |(name, need): &(&str, i64)| PoolUse {
            name: (*name).to_owned(),
            need: *need,
            ..PoolUse::default()
        };
        let status = RailNodeStatus { pools: needs.iter().map(pool).collect(), ..RailNodeStatus::default() };
        ((*name).to_owned(), Node::new(BTreeMap::new(), RailNodeSpec::default(), status))
    };
    World { pools, nodes: needs.iter().map(node).collect(), ..World::default() }
}

/// Plans, and takes the blocks over.
fn granted(world: &mut World, policy: Policy) -> BTreeMap<String, u64> {
    let plan = plan(world, &policy, Rules::default());
    for block in plan.blocks {
        world.blocks.insert(block.name(), block);
    }
    plan.unmet
}

fn ranges(world: &World, node: &str, pool: &str) -> String {
    let spec = project(world, node, &BTreeMap::new(), Rules::default()).unwrap();
    spec.pools.iter().find(|own| own.name == pool).unwrap().ranges.clone()
}

/// Those of ranges of IPv4.
fn addresses(world: &World, node: &str, pool: &str) -> BTreeSet<u32> {
    let number = |text: &str| u32::from(text.parse::<std::net::Ipv4Addr>().unwrap());
    let ranges = ranges(world, node, pool);
    let range = |text: &str| {
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        (number(first)..=number(last)).collect::<Vec<_>>()
    };
    ranges.split(',').flat_map(range).collect()
}

fn exact() -> Policy {
    Policy { spare: 0, part: u64::MAX, run: 1 }
}
