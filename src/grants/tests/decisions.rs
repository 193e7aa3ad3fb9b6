//! What is granted, by examples: each is a whole cluster in a few lines.

#![expect(clippy::unwrap_used, reason = "the functions between the tests are tests too")]

use std::collections::{BTreeMap, BTreeSet};

use api::{
    LabelSelector, Metadata, PoolUse, RailNodeSpec, RailNodeStatus, SpiderIPPool, SpiderIPPoolSpec,
    SpiderIPPoolStatus,
};
use grants::{FABRIC, Hindrance, Node, Policy, RAIL, Recall, Rules, World, offers, plan, project};

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
fn a_pool_of_the_wrong_family_is_refused_and_says_why() {
    let mut wrong = pool("p", "10.0.0.0/24", "10.0.0.1-10.0.0.4", None);
    wrong.spec.ip_version = Some(6);
    let mut mixed = pool("q", "10.1.0.0/24", "fd00::1-fd00::9", None);
    mixed.spec.ip_version = Some(4);
    let (offers, refused) = offers(&[wrong, mixed], &[]);
    assert!(offers.is_empty());
    let says = |name: &str, field: &str| refused.iter().any(|(own, why)| own == name && why.contains(field));
    assert!(says("p", "as ipVersion says") && says("q", "spec.ips"), "{refused:?}");
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
fn a_pool_for_some_pods_by_their_labels_is_granted_to_nobody() {
    let selector = LabelSelector {
        match_labels: [("team".to_owned(), "a".to_owned())].into(),
        ..LabelSelector::default()
    };
    let mut of_pods = pool("p", "10.0.0.0/24", "10.0.0.1-10.0.0.30", None);
    of_pods.spec.pod_affinity = Some(selector.clone());
    let mut of_namespaces = pool("n", "10.0.1.0/24", "10.0.1.1-10.0.1.30", None);
    of_namespaces.spec.namespace_affinity = Some(selector);
    let (offers, refused) = offers(&[of_pods, of_namespaces], &[]);
    assert!(offers.is_empty());
    assert!(refused.iter().any(|(name, why)| name == "p" && why.contains("spec.podAffinity")), "{refused:?}");
    assert!(refused.iter().any(|(name, why)| name == "n" && why.contains("spec.namespaceAffinity")));
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

#[test]
fn two_pools_that_overlap_leave_the_older_one_alone() {
    let mut old = pool("z", "10.0.0.0/24", "10.0.0.1-10.0.0.8", None);
    let mut new = pool("a", "10.0.0.0/24", "10.0.0.8-10.0.0.9", None);
    old.metadata.creation_timestamp = Some("2026-01-01T00:00:00Z".to_owned());
    new.metadata.creation_timestamp = Some("2026-02-01T00:00:00Z".to_owned());
    let (offers, refused) = offers(&[new, old], &[]);
    assert!(offers.contains_key("z") && !offers.contains_key("a"));
    assert!(refused[0].1.contains("overlaps"), "{refused:?}");
}

#[test]
fn who_waits_for_what_nobody_can_spare_is_named_and_it_is_news_once() {
    let mut world = world(
        &[pool("p", "10.0.0.0/24", "10.0.0.1-10.0.0.4", None)],
        &[("a", &[("p", 3)]), ("b", &[("p", 4)])],
    );
    let unmet = granted(&mut world, exact())["p"];
    for name in ["a", "b"] {
        let spec = project(&world, name, &BTreeMap::new(), Rules::default()).unwrap();
        let status = world.nodes[name].status.clone();
        world.nodes.insert(name.to_owned(), Node::new(BTreeMap::new(), spec, status));
    }
    let conditions = grants::conditions(&world, "p", None, unmet);
    let states = conditions.iter().map(|one| (one.r#type.as_str(), one.status.as_str())).collect::<Vec<_>>();
    assert_eq!(states, [("Granting", "True"), ("Exhausted", "True"), ("NearlyFull", "False")]);
    assert!(conditions[1].message.contains("(a wants 1, b wants 2)"), "{conditions:?}");
    assert!(conditions[1].message.ends_with("(`railctl gc --dry-run` on the nodes)"), "{conditions:?}");

    let (told, news) = grants::changed(conditions.clone(), &[], "10:00");
    assert_eq!(news.iter().map(|one| one.r#type.as_str()).collect::<Vec<_>>(), ["Exhausted"]);
    let (again, news) = grants::changed(conditions, &told, "10:01");
    assert_eq!((again, news), (told.clone(), vec![]), "nothing has changed since 10:00");
    let (over, news) = grants::changed(grants::conditions(&world, "p", None, 0), &told, "10:02");
    assert_eq!((over[1].status.as_str(), over[1].last_transition_time.as_str()), ("False", "10:02"));
    assert_eq!(news, vec![]);
}

#[test]
fn a_pool_that_is_refused_says_why_in_its_status() {
    let world = World::default();
    let conditions =
        grants::conditions(&world, "p", Some(Hindrance::Refused("pool \"p\": spec.ips[0] is wrong")), 0);
    assert_eq!((conditions[0].status.as_str(), conditions[0].reason.as_str()), ("False", "Refused"));
    assert!(conditions[0].message.contains("spec.ips[0]"));
    assert_eq!(grants::changed(conditions, &[], "now").1.len(), 1);
}

#[test]
fn who_has_not_said_what_he_holds_after_a_restore_is_named() {
    let of = |nodes: &[&str]| {
        let mut conditions = grants::conditions(&World::default(), "p", Some(Hindrance::Asking(nodes)), 0);
        let granting = conditions.remove(0);
        assert_eq!((granting.status.as_str(), granting.reason.as_str()), ("False", "AskingNodes"));
        granting.message
    };
    assert!(of(&["a", "b"]).contains("these have not: a, b. See"), "{}", of(&["a", "b"]));
    assert!(of(&["a", "b", "c", "d", "e", "f", "g"]).contains("a, b, c, d, e, and 2 nodes more"));
    assert!(of(&[]).ends_with("the blocks are being put right"));
}

#[test]
fn a_pool_is_nearly_full_when_one_address_in_ten_is_unused() {
    for (used, expected) in [(17, "False"), (18, "True"), (20, "True")] {
        let mut world =
            world(&[pool("p", "10.0.0.0/24", "10.0.0.1-10.0.0.20", None)], &[("a", &[("p", used)])]);
        let node = world.nodes.get_mut("a").unwrap();
        node.pools.get_mut("p").unwrap().used = u64::try_from(used).unwrap();
        assert_eq!(grants::conditions(&world, "p", None, 0)[2].status, expected, "{used} of 20");
    }
}

#[test]
fn what_spiderpool_has_given_to_pods_is_granted_to_nobody() {
    let mut own = pool("p", "10.0.0.0/24", "10.0.0.1-10.0.0.4", None);
    let record = r#"{"10.0.0.1": {"interface": "net1", "pod": "ai/train-0", "podUid": "1"}, "10.0.0.3": {}}"#;
    let with = |record: &str| {
        Some(SpiderIPPoolStatus { allocated_ips: Some(record.to_owned()), ..SpiderIPPoolStatus::default() })
    };
    own.status = with(record);
    let mut world = world(&[own.clone()], &[("a", &[("p", 9)])]);
    assert_eq!(granted(&mut world, exact()), BTreeMap::from([("p".to_owned(), 7)]));
    assert_eq!(ranges(&world, "a", "p"), "10.0.0.2,10.0.0.4");
    own.status = with("{broken");
    let (offers, refused) = offers(&[own], &[]);
    assert!(
        offers.is_empty() && refused[0].0 == "p" && refused[0].1.contains("status.allocatedIPs"),
        "{refused:?}"
    );
}

#[test]
fn a_pool_that_is_refused_goes_by_its_name() {
    let (_, refused) = offers(&[pool("p", "10.0.0.0/24", "10.0.1.1", None)], &[]);
    assert_eq!(refused[0].0, "p");
}
