use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

fn range(text: &str) -> Range {
    text.parse().unwrap()
}

#[test]
fn one_address_or_two_ends() {
    assert_eq!(range("10.0.0.1").to_string(), "10.0.0.1");
    assert_eq!(range("10.0.0.1-10.0.0.9").to_string(), "10.0.0.1-10.0.0.9");
    assert_eq!(range("fd00::1-fd00::ffff").to_string(), "fd00::1-fd00::ffff");
}

#[test]
fn what_is_no_range_says_why() {
    let message = |text: &str| text.parse::<Range>().unwrap_err().to_string();
    assert_eq!(
        message("172.16.1.226-172.16.1.256"),
        r#""172.16.1.256" is not an IP address; write ADDRESS or FIRST-LAST"#
    );
    assert_eq!(message("10.0.0.0/24"), r#""10.0.0.0/24" is not an IP address; write ADDRESS or FIRST-LAST"#);
    assert_eq!(
        message("10.0.0.1 - 10.0.0.2"),
        r#""10.0.0.1 " is not an IP address; write ADDRESS or FIRST-LAST"#
    );
    assert_eq!(
        message("1.1.1.1-1.1.1.2-1.1.1.3"),
        r#""1.1.1.2-1.1.1.3" is not an IP address; write ADDRESS or FIRST-LAST"#
    );
    assert_eq!(message("10.0.0.9-10.0.0.1"), "10.0.0.1 is before 10.0.0.9; write the lower address first");
    assert_eq!(message("10.0.0.9-fd00::1"), "10.0.0.9 and fd00::1 are not of the same family");
}

#[test]
fn neighbours_become_one_range() {
    let set =
        RangeSet::from_iter([range("10.0.0.5-10.0.0.9"), range("10.0.0.1-10.0.0.4"), range("10.0.0.8")]);
    assert_eq!(set.ranges(), [range("10.0.0.1-10.0.0.9")]);
    assert_eq!(set.len(), 9);
}

#[test]
fn the_whole_of_both_families_has_no_overflow() {
    let all = RangeSet::from_iter([Range { first: 0, last: u128::MAX }]);
    assert_eq!(all.len(), u128::MAX);
    assert!(all.without(&all).is_empty());
}

fn small_set() -> impl Strategy<Value = RangeSet> {
    let range = (0_u128..60, 0_u128..8).prop_map(|(first, len)| Range { first, last: first + len });
    prop::collection::vec(range, 0..6).prop_map(RangeSet::from_iter)
}

fn members(set: &RangeSet) -> BTreeSet<u128> {
    set.ranges().iter().flat_map(|range| range.first..=range.last).collect()
}

proptest! {
    #[test]
    fn set_algebra_is_that_of_the_members(a in small_set(), b in small_set()) {
        let (left, right) = (members(&a), members(&b));
        prop_assert_eq!(members(&a.without(&b)), left.difference(&right).copied().collect::<BTreeSet<_>>());
        prop_assert_eq!(members(&a.common(&b)), left.intersection(&right).copied().collect::<BTreeSet<_>>());
        prop_assert_eq!(a.len(), left.len() as u128);
        for number in 0..70 {
            prop_assert_eq!(a.contains(number::address(number)), left.contains(&number));
        }
        for range in b.ranges() {
            let met = a.meeting(range).is_some();
            prop_assert_eq!(met, left.iter().any(|number| (range.first..=range.last).contains(number)));
        }
    }
}
