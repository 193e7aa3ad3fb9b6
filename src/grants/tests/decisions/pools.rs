//! Which pools can be granted from, and what is said of the others.

use std::collections::BTreeMap;

use api::{LabelSelector, SpiderIPPoolStatus};
use grants::offers;

use crate::{exact, granted, pool, ranges, world};

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
