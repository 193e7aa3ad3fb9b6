//! Who gets what, and what is asked back.

use std::collections::BTreeMap;

use api::{LabelSelector, PoolUse, RailNodeSpec, RailNodeStatus};
use grants::{Node, Policy, Recall, Rules, offers, project};

use crate::{addresses, exact, granted, pool, ranges, world};

#[test]
fn while_there_is_plenty_a_node_gets_a_spare_beside_its_own() {
    let mut world = world(
        &[pool("p", "10.0.0.0/24", "10.0.0.1-10.0.0.200", None)],
        &[("a", &[("p", 3)]), ("b", &[("p", 1)])],
    );
    assert_eq!(granted(&mut world, Policy::default()), BTreeMap::new());
    let (a, b) = (addresses(&world, "a", "p"), addresses(&world, "b", "p"));
    assert_eq!((a.len(), b.len()), (3 + 4, 1 + 4));
    assert!(a.is_disjoint(&b), "{a:?} {b:?}");
}

#[test]
fn in_a_scarce_pool_nobody_gets_more_than_he_needs() {
    let mut world = world(
        &[pool("p", "10.0.0.0/24", "10.0.0.1-10.0.0.6", None)],
        &[("a", &[("p", 3)]), ("b", &[("p", 2)])],
    );
    assert_eq!(granted(&mut world, Policy::default()), BTreeMap::new());
    let (a, b) = (addresses(&world, "a", "p"), addresses(&world, "b", "p"));
    assert_eq!((a.len(), b.len()), (3, 2));
    assert!(a.is_disjoint(&b), "{a:?} {b:?}");
}

#[test]
fn what_is_too_little_is_shared_and_the_rest_is_said() {
    let mut world = world(
        &[pool("p", "10.0.0.0/24", "10.0.0.1-10.0.0.4", None)],
        &[("a", &[("p", 9)]), ("b", &[("p", 2)])],
    );
    assert_eq!(granted(&mut world, exact()), BTreeMap::from([("p".to_owned(), 7)]));
    assert_eq!(ranges(&world, "a", "p"), "10.0.0.1-10.0.0.2");
    assert_eq!(ranges(&world, "b", "p"), "10.0.0.3-10.0.0.4");
}

#[test]
fn a_node_gets_the_same_places_on_all_rails_and_one_block_holds_them() {
    let pools = [
        pool("rail1", "10.1.0.0/24", "10.1.0.1-10.1.0.40", Some(1)),
        pool("rail2", "10.2.0.0/24", "10.2.0.1-10.2.0.40", Some(2)),
    ];
    let wish: &[(&str, i64)] = &[("rail1", 4), ("rail2", 4)];
    let mut world = world(&pools, &[("a", wish), ("b", wish)]);
    granted(&mut world, exact());
    assert_eq!(world.blocks.keys().collect::<Vec<_>>(), ["gpu-0"]);
    assert_eq!(ranges(&world, "b", "rail1"), "10.1.0.5-10.1.0.8");
    assert_eq!(ranges(&world, "b", "rail2"), "10.2.0.5-10.2.0.8");
}

#[test]
fn a_64_is_granted_without_being_enumerated() {
    let mut world =
        world(&[pool("p", "fd00::/64", "fd00::1-fd00::ffff:ffff:ffff:ffff", None)], &[("a", &[("p", 3)])]);
    assert_eq!(granted(&mut world, exact()), BTreeMap::new());
    assert_eq!(ranges(&world, "a", "p"), "fd00::1-fd00::3");
    assert_eq!(world.blocks.len(), 1);
}

#[test]
fn pools_of_one_address_and_of_as_many_as_a_16_has_are_granted_to_the_last() {
    let one = pool("one", "10.0.0.0/24", "10.0.0.9", None);
    let many = pool("many", "10.1.0.0/16", "10.1.0.1-10.1.255.254", None);
    let wishes: &[(&str, i64)] = &[("one", 1), ("many", 40_000)];
    let mut world = world(&[one, many], &[("a", wishes), ("b", &[("one", 1), ("many", 25_534)])]);
    assert_eq!(granted(&mut world, exact()), BTreeMap::from([("one".to_owned(), 1)]));
    assert_eq!(ranges(&world, "a", "one"), "10.0.0.9");
    let (a, b) = (addresses(&world, "a", "many"), addresses(&world, "b", "many"));
    assert_eq!((a.len(), b.len()), (40_000, 25_534));
    assert!(a.is_disjoint(&b));
    assert_eq!(world.blocks.len(), 512 + 1);
}

#[test]
fn of_a_pool_that_is_deleted_or_moved_nobody_gets_what_a_node_still_has() {
    let mut world =
        world(&[pool("p", "10.0.0.0/24", "10.0.0.1-10.0.0.4", None)], &[("a", &[("p", 2)]), ("b", &[])]);
    granted(&mut world, exact());
    // The same addresses by another name: what a has is not free before it has come back.
    let again = pool("q", "10.0.0.0/24", "10.0.0.1-10.0.0.4", None);
    world.pools = offers(&[again], &[]).0;
    let wish = PoolUse { name: "q".to_owned(), need: 4, ..PoolUse::default() };
    let status = RailNodeStatus { pools: vec![wish], ..RailNodeStatus::default() };
    world.nodes.insert("b".to_owned(), Node::new(BTreeMap::new(), RailNodeSpec::default(), status));
    assert_eq!(granted(&mut world, exact()), BTreeMap::from([("q".to_owned(), 2)]));
    assert_eq!(ranges(&world, "b", "q"), "10.0.0.3-10.0.0.4");
    let spec = project(&world, "a", &BTreeMap::new(), Rules::default()).unwrap();
    let own = spec.pools.iter().find(|pool| pool.name == "p").unwrap();
    assert_eq!((own.ranges.as_str(), own.drain.as_str()), ("", "10.0.0.1-10.0.0.2"));
}

#[test]
fn a_pool_of_one_node_goes_to_it_whole_and_to_nobody_else() {
    let mut own = pool("p", "10.0.0.0/24", "10.0.0.1-10.0.0.30", None);
    own.spec.node_name = vec!["a".to_owned()];
    let mut world = world(&[own], &[("a", &[]), ("b", &[("p", 3)])]);
    granted(&mut world, Policy::default());
    assert_eq!(ranges(&world, "a", "p"), "10.0.0.1-10.0.0.30");
    assert!(world.blocks.values().all(|block| !block.has("b")));
}

#[test]
fn labels_say_which_nodes_may_have_a_pool() {
    let mut own = pool("p", "10.0.0.0/24", "10.0.0.1-10.0.0.30", None);
    let selector = LabelSelector {
        match_labels: [("rack".to_owned(), "1".to_owned())].into(),
        ..LabelSelector::default()
    };
    own.spec.node_affinity = Some(selector);
    let mut world = world(&[own], &[("a", &[("p", 1)]), ("b", &[("p", 1)])]);
    world.nodes.get_mut("b").unwrap().labels.insert("rack".to_owned(), "1".to_owned());
    granted(&mut world, exact());
    assert!(world.blocks["p-0"].has("b") && !world.blocks["p-0"].has("a"));
}

#[test]
fn what_a_pool_does_not_offer_any_more_drains() {
    let before = pool("p", "10.0.0.0/24", "10.0.0.1-10.0.0.4", None);
    let mut world = world(std::slice::from_ref(&before), &[("a", &[("p", 4)])]);
    granted(&mut world, exact());
    let mut after = before;
    after.spec.exclude_ips = vec!["10.0.0.3".to_owned()];
    world.pools = offers(&[after], &[]).0;
    let spec = project(&world, "a", &BTreeMap::new(), Rules::default()).unwrap();
    assert_eq!(spec.pools[0].ranges, "10.0.0.1-10.0.0.2,10.0.0.4");
    assert_eq!(spec.pools[0].drain, "10.0.0.3");
}

#[test]
fn who_has_more_than_he_needs_is_asked_and_who_is_late_is_not_waited_for() {
    let mut world = world(
        &[pool("p", "10.0.0.0/24", "10.0.0.1-10.0.0.8", None)],
        &[("a", &[("p", 4)]), ("b", &[("p", 4)]), ("c", &[])],
    );
    granted(&mut world, exact());
    for name in ["a", "b"] {
        let spec = project(&world, name, &BTreeMap::new(), Rules::default()).unwrap();
        let status = RailNodeStatus { epoch: spec.epoch, ..RailNodeStatus::default() };
        world.nodes.insert(name.to_owned(), Node::new(BTreeMap::new(), spec, status));
    }
    let (mut recall, unmet) = (Recall::default(), BTreeMap::from([("p".to_owned(), 2)]));
    let asked = recall.gives(&world, &unmet, 0);
    assert_eq!(asked, BTreeMap::from([("a".to_owned(), BTreeMap::from([("p".to_owned(), 2)]))]));
    // The question stands in the spec, and nobody answers.
    let mut spec = world.nodes["a"].spec.clone();
    spec.pools[0].give = 2;
    let status = world.nodes["a"].status.clone();
    world.nodes.insert("a".to_owned(), Node::new(BTreeMap::new(), spec, status));
    assert_eq!(recall.gives(&world, &unmet, grants::PATIENCE - 1), asked);
    assert!(recall.gives(&world, &unmet, grants::PATIENCE).contains_key("b"));
}
