//! What another IPAM has written down, by examples of its objects.

use api::{
    Metadata, Object, SpiderIPPool, SpiderIPPoolSpec, SpiderIPPoolStatus, WhereaboutsHolder, WhereaboutsPool,
    WhereaboutsPoolSpec, WhereaboutsReservation,
};
use grants::{By, Taken, of_spiderpool, of_whereabouts, offers, ranges_text, reserve};

fn ranges(taken: &[Taken]) -> Vec<String> {
    taken.iter().map(|taken| taken.range.to_string()).collect()
}

fn holder() -> WhereaboutsHolder {
    WhereaboutsHolder { podref: "ai/train-0".to_owned(), ifname: "net1".to_owned() }
}

fn pool(range: &str, offsets: &[&str]) -> WhereaboutsPool {
    let allocations = offsets.iter().map(|offset| ((*offset).to_owned(), holder())).collect();
    let spec = WhereaboutsPoolSpec { range: range.to_owned(), allocations };
    Object {
        metadata: Metadata { name: "range".to_owned(), ..Metadata::default() },
        spec,
        ..Object::default()
    }
}

fn reservation(name: &str) -> WhereaboutsReservation {
    Object {
        metadata: Metadata { name: name.to_owned(), ..Metadata::default() },
        spec: holder(),
        ..Object::default()
    }
}

fn spiderpool(record: &str) -> SpiderIPPool {
    let status =
        SpiderIPPoolStatus { allocated_ips: Some(record.to_owned()), ..SpiderIPPoolStatus::default() };
    SpiderIPPool { status: Some(status), ..SpiderIPPool::default() }
}

#[test]
fn an_allocation_of_whereabouts_counts_from_its_range() {
    let pools = [pool("172.16.1.0/24", &["1", "255"]), pool("fd00::/64", &["18446744073709551615"])];
    let (taken, problems) = of_whereabouts(&pools, &[]);
    assert_eq!(ranges(&taken), ["172.16.1.1", "172.16.1.255", "fd00::ffff:ffff:ffff:ffff"]);
    assert_eq!((taken[0].by, taken[0].pod.as_str()), (By::Whereabouts, "ai/train-0"));
    assert!(problems.is_empty());
}

#[test]
fn a_reservation_of_whereabouts_is_named_by_its_address() {
    for (name, expected) in [
        ("172.16.1.5", &["172.16.1.5"][..]),
        ("rail-1-172.16.1.5", &["172.16.1.5"]),
        ("fd00--5", &["fd00::5"]),
        ("rail-fd00--5", &["fd00::5"]),
        ("fd00--0", &["fd00::"]),
        // The network `a` and fd00::5, or a:fd00::5: nobody can tell.
        ("a-fd00--5", &["a:fd00::5", "fd00::5"]),
    ] {
        let (taken, problems) = of_whereabouts(&[], &[reservation(name)]);
        assert_eq!(
            (ranges(&taken), problems),
            (expected.iter().map(ToString::to_string).collect(), vec![]),
            "{name}"
        );
    }
}

#[test]
fn an_address_in_both_records_is_one() {
    let (taken, _) = of_whereabouts(&[pool("172.16.1.0/24", &["5"])], &[reservation("172.16.1.5")]);
    assert_eq!(ranges(&taken), ["172.16.1.5"]);
}

#[test]
fn what_cannot_be_read_takes_its_whole_range_or_is_said() {
    for offset in ["x", "-1", "4294967296"] {
        let (taken, _) = of_whereabouts(&[pool("172.16.1.0/24", &[offset])], &[]);
        assert_eq!(ranges(&taken), ["172.16.1.0-172.16.1.255"], "{offset}");
    }
    let (taken, problems) = of_whereabouts(&[pool("anywhere", &["1"])], &[reservation("no-address")]);
    assert!(taken.is_empty());
    assert!(problems[0].contains("\"anywhere\" is no ADDRESS/LENGTH"), "{problems:?}");
    assert!(problems[1].contains("\"no-address\""), "{problems:?}");
}

#[test]
fn a_record_of_spiderpool_names_the_pods() {
    let record =
        r#"{"172.16.1.7": {"interface": "net1", "pod": "ai/train-0", "podUid": "u1"}, "fd00::1": {}}"#;
    let taken = of_spiderpool(&spiderpool(record)).unwrap();
    assert_eq!(ranges(&taken), ["172.16.1.7", "fd00::1"]);
    assert_eq!((taken[0].pod.as_str(), taken[0].uid.as_deref()), ("ai/train-0", Some("u1")));
    assert_eq!(of_spiderpool(&spiderpool("")), Ok(vec![]));
    assert!(of_spiderpool(&spiderpool(r#"{"x": {}}"#)).unwrap_err().contains("\"x\" is no address"));
    assert!(of_spiderpool(&spiderpool("{")).unwrap_err().contains("status.allocatedIPs"));
}

#[test]
fn what_is_taken_is_granted_to_nobody() {
    let spec = SpiderIPPoolSpec {
        subnet: "172.16.1.0/24".to_owned(),
        ips: vec!["172.16.1.1-172.16.1.9".to_owned()],
        ..SpiderIPPoolSpec::default()
    };
    let metadata = Metadata { name: "p".to_owned(), ..Metadata::default() };
    let pool_of_ours = SpiderIPPool { metadata, spec, ..SpiderIPPool::default() };
    // One that is in no pool of ours, and one of another family, take nothing.
    let pools = [pool("172.16.1.0/24", &["2", "3", "200"]), pool("fd00::/64", &["1"])];
    let (taken, _) = of_whereabouts(&pools, &[reservation("172.16.1.6")]);
    let (offers, refused) = offers(&[pool_of_ours], &[reserve(&taken)]);
    assert_eq!(refused, []);
    assert_eq!(ranges_text(&offers["p"].offered), "172.16.1.1,172.16.1.4-172.16.1.5,172.16.1.7-172.16.1.9");
}
