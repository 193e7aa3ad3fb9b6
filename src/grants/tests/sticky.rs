//! Owners of addresses of sticky pools, by examples: who is noted, where an address is sent, and who gets it in its owner's absence.

#![expect(clippy::unwrap_used, reason = "the functions between the tests are tests too")]

use std::collections::BTreeMap;

use api::{Metadata, NodePool, PoolUse, RailNodeSpec, RailNodeStatus, SpiderIPPool, SpiderIPPoolSpec};
use grants::{Block, Node, Policy, Rules, World, offers, plan, project};

const POLICY: Policy = Policy { spare: 0, part: u64::MAX, run: 1 };

/// A pool `p` of six addresses, of which node `a` has the first two and node `b` the third; and nodes that have seen so.
fn cluster(sticky: bool, pins: &str) -> World {
    let spec = SpiderIPPoolSpec {
        subnet: "10.0.0.0/24".to_owned(),
        ips: vec!["10.0.0.1-10.0.0.6".to_owned()],
        sticky,
        ..SpiderIPPoolSpec::default()
    };
    let metadata = Metadata { name: "p".to_owned(), ..Metadata::default() };
    let pool = SpiderIPPool { metadata, spec, ..SpiderIPPool::default() };
    let (pools, refused) = offers(&[pool], &[]);
    assert_eq!(refused, []);
    let mut spec = Block::new("p", 0).spec();
    (spec.epoch, spec.since) = (5, "a=5;b=5".to_owned());
    (spec.pools, spec.subnets) = (vec!["p".to_owned()], vec!["10.0.0.0/24".to_owned()]);
    spec.rails = vec!["a=1-2;b=3".to_owned()];
    if !pins.is_empty() {
        spec.pins = vec![pins.to_owned()];
    }
    let blocks = BTreeMap::from([("p-0".to_owned(), Block::read(&spec).unwrap())]);
    let mut world = World { pools, blocks, ..World::default() };
    for name in ["a", "b"] {
        world.nodes.insert(name.to_owned(), node(RailNodeSpec::default(), PoolUse::default()));
    }
    for name in ["a", "b"] {
        says(&mut world, name, PoolUse::default());
    }
    world
}

fn node(spec: RailNodeSpec, told: PoolUse) -> Node {
    let told = PoolUse { name: "p".to_owned(), ..told };
    let status = RailNodeStatus { epoch: spec.epoch, pools: vec![told], ..RailNodeStatus::default() };
    Node::new(BTreeMap::new(), spec, status)
}

/// The node has seen what it is told, and says this.
fn says(world: &mut World, name: &str, told: PoolUse) {
    let spec = project(world, name, &BTreeMap::new(), Rules::default());
    let spec = spec.unwrap_or_else(|| world.nodes[name].spec.clone());
    world.nodes.insert(name.to_owned(), node(spec, told));
}

fn uses(pins: &str) -> PoolUse {
    PoolUse { need: 1, used: 1, pins: pins.to_owned(), ..PoolUse::default() }
}

fn waits(owners: &str) -> PoolUse {
    PoolUse { owners: owners.to_owned(), ..PoolUse::default() }
}

/// Plans, and takes the blocks over.
fn go_on(world: &mut World) {
    for block in plan(world, &POLICY, Rules::default()).blocks {
        world.blocks.insert(block.name(), block);
    }
}

fn pins(world: &World) -> String {
    world.blocks["p-0"].spec().pins.concat()
}

fn owners(world: &World) -> String {
    world.blocks["p-0"].spec().rails.concat()
}

/// What a node is told of the pool next.
fn told(world: &World, name: &str) -> NodePool {
    project(world, name, &BTreeMap::new(), Rules::default()).unwrap().pools[0].clone()
}

#[test]
fn who_uses_an_address_is_noted_where_it_is_and_told_to_its_node() {
    let mut world = cluster(true, "");
    says(&mut world, "a", uses("10.0.0.2=ai/train-0/net1"));
    go_on(&mut world);
    assert_eq!(pins(&world), "2=ai/train-0/net1");
    assert_eq!(told(&world, "a").pins.unwrap(), "10.0.0.2=ai/train-0/net1");
    assert_eq!(world.nodes["b"].spec.pools[0].pins.as_deref(), Some(""));
    // Said again, nothing changes.
    says(&mut world, "a", uses("10.0.0.2=ai/train-0/net1"));
    assert_eq!(plan(&world, &POLICY, Rules::default()).blocks, []);
}

#[test]
fn nobody_is_noted_by_a_node_that_does_not_have_the_address_or_in_a_pool_that_is_not_sticky() {
    let mut world = cluster(true, "");
    says(&mut world, "a", uses("10.0.0.3=ai/train-0/net1;10.9.0.1=ai/train-1/net1"));
    go_on(&mut world);
    assert_eq!(pins(&world), "");
    let mut world = cluster(false, "2=ai/train-0/net1");
    assert_eq!(world.nodes["a"].spec.pools[0].pins, None);
    says(&mut world, "a", uses("10.0.0.2=ai/train-0/net1"));
    go_on(&mut world);
    assert_eq!(pins(&world), "");
}

#[test]
fn what_a_node_said_before_it_heard_of_an_owner_does_not_count() {
    let mut world = cluster(true, "2=ai/train-0/net1");
    says(&mut world, "a", uses("10.0.0.2=ai/train-1/net1"));
    go_on(&mut world);
    // The node has not seen the newer epoch, and repeats an older word.
    let spec = world.nodes["a"].spec.clone();
    world.nodes.insert("a".to_owned(), node(spec, uses("10.0.0.2=ai/train-0/net1")));
    go_on(&mut world);
    assert_eq!(pins(&world), "2=ai/train-1/net1");
}

#[test]
fn an_owner_who_has_got_another_address_does_not_have_the_first_again() {
    let mut world = cluster(true, "2=ai/train-0/net1");
    says(&mut world, "b", uses("10.0.0.3=ai/train-0/net1"));
    go_on(&mut world);
    assert_eq!(pins(&world), "3=ai/train-0/net1");
}

#[test]
fn an_address_that_is_used_otherwise_is_nobodys() {
    let mut world = cluster(true, "2=ai/train-0/net1");
    says(&mut world, "a", uses("10.0.0.2="));
    go_on(&mut world);
    assert_eq!(pins(&world), "");
}

#[test]
fn an_address_that_is_waited_for_elsewhere_is_given_back_and_goes_there_and_nowhere_else() {
    let mut world = cluster(true, "2=ai/train-0/net1");
    says(&mut world, "b", waits("ai/train-0/net1=5.1"));
    go_on(&mut world);
    let (a, b) = (told(&world, "a"), told(&world, "b"));
    assert_eq!((a.ranges.as_str(), a.drain.as_str()), ("10.0.0.1", "10.0.0.2"));
    assert_eq!(b.owners, "ai/train-0/net1=5.1@10.0.0.2@a");
    // Both have seen it; the donor gives it up, and needs two itself.
    says(&mut world, "b", waits("ai/train-0/net1=5.1"));
    says(&mut world, "a", PoolUse { returned: "10.0.0.2".to_owned(), need: 2, ..PoolUse::default() });
    go_on(&mut world);
    assert_eq!(owners(&world), "a=1,4;b=2-3");
    let b = told(&world, "b");
    assert_eq!((b.pins.as_deref(), b.owners.as_str()), (Some("10.0.0.2=ai/train-0/net1"), ""));
}

#[test]
fn who_waits_where_his_address_is_keeps_it_there() {
    let mut world = cluster(true, "2=ai/train-0/net1");
    says(&mut world, "a", waits("ai/train-0/net1=5.1"));
    says(&mut world, "b", waits("ai/train-0/net1=5.1"));
    go_on(&mut world);
    assert_eq!(owners(&world), "a=1-2;b=3");
    assert_eq!(world.nodes["a"].spec.pools[0].drain, "");
}

#[test]
fn who_has_no_address_anywhere_is_told_so_for_this_wish() {
    let mut world = cluster(true, "2=ai/train-0/net1");
    says(&mut world, "b", waits("ai/train-7/net1=5.1"));
    go_on(&mut world);
    assert_eq!(told(&world, "b").owners, "ai/train-7/net1=5.1");
    assert_eq!(owners(&world), "a=1-2;b=3");
}

#[test]
fn an_absent_owners_address_is_granted_last() {
    let mut world = cluster(true, "4=ai/train-0/net1;5=ai/train-1/net1");
    says(&mut world, "b", PoolUse { need: 2, ..PoolUse::default() });
    go_on(&mut world);
    assert_eq!(owners(&world), "a=1-2;b=3,6");
    // Before anybody goes without.
    says(&mut world, "b", PoolUse { need: 3, ..PoolUse::default() });
    go_on(&mut world);
    assert_eq!(owners(&world), "a=1-2;b=3-4,6");
    // And never as a spare.
    says(&mut world, "b", PoolUse { need: 3, ..PoolUse::default() });
    let spares = plan(&world, &Policy::default(), Rules::default());
    assert_eq!(spares.blocks, []);
}

#[test]
fn owners_that_cannot_be_read_keep_no_block_from_being_read() {
    let world = cluster(true, "900=ai/train-0/net1;x=y;2=ai/train-1/net1");
    assert_eq!(pins(&world), "2=ai/train-1/net1");
}

/// The node has not seen yet that the address is gone: it could not use it, and would give it up again, for ever.
#[test]
fn what_a_node_has_given_up_does_not_come_back_before_it_has_seen_that_it_is_gone() {
    let mut world = cluster(true, "2=ai/train-0/net1");
    let given_up = PoolUse { returned: "10.0.0.2".to_owned(), ..waits("ai/train-0/net1=5.1") };
    says(&mut world, "a", given_up);
    go_on(&mut world);
    assert_eq!(owners(&world), "a=1;b=3");
    says(&mut world, "a", waits("ai/train-0/net1=5.1"));
    go_on(&mut world);
    assert_eq!(owners(&world), "a=1-2;b=3");
}

#[test]
fn what_is_dead_on_one_node_is_granted_to_another_that_waits() {
    let mut world = cluster(false, "");
    let mut spec = world.blocks["p-0"].spec();
    spec.rails = vec!["a=1-2;b=3-6".to_owned()];
    world.blocks.insert("p-0".to_owned(), Block::read(&spec).unwrap());
    says(
        &mut world,
        "a",
        PoolUse { need: 2, used: 1, returned: "10.0.0.2".to_owned(), ..PoolUse::default() },
    );
    says(&mut world, "b", PoolUse { need: 5, used: 4, ..PoolUse::default() });
    go_on(&mut world);
    assert_eq!(owners(&world), "a=1;b=2-6");
}

/// An interface may be called `a;b`: Multus and the kernel let it.
#[test]
fn a_name_that_cannot_be_read_silences_no_other() {
    let mut world = cluster(true, "");
    says(&mut world, "a", uses("10.0.0.1=ai/odd-0/a;b;10.0.0.2=ai/train-0/net1"));
    go_on(&mut world);
    assert_eq!(pins(&world), "1=ai/odd-0/a;2=ai/train-0/net1");
}
