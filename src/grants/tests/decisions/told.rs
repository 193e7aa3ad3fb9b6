//! What a person is told of a pool.

use std::collections::BTreeMap;

use grants::{Hindrance, Node, Rules, World, project};

use crate::{exact, granted, pool, world};

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
