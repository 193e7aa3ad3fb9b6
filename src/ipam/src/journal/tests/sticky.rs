//! Owners of sticky pools, which outlive a boot.

use super::*;

#[test]
fn an_owner_has_one_address_of_a_pool_and_an_address_one_owner() {
    let node = Node::new();
    for round in 0..600_u32 {
        node.apply(&[stick(&format!("job/w-{}/net1", round % 5), round % 7)]);
    }
    assert!(fs::metadata(node.directory.path().join("durable/ipam/owners")).unwrap().len() < 40_000);
    node.look(|leases| {
        assert_eq!(leases.sticky_binding("job/w-4/net1", "pool").unwrap(), Some(ip(599 % 7)));
        let all = Range::new(ip(0), ip(6)).unwrap();
        let free =
            (0..7).filter(|n| leases.unused(&Range::one(ip(*n)), Kept::LeftOut).unwrap().is_some()).count();
        assert_eq!(free, 2, "five owners of seven addresses");
        assert_eq!(leases.unused(&all, Kept::Counted).unwrap(), Some(ip(0)));
        assert_eq!(leases.sticky_binding("job/w-4/net1", "other").unwrap(), None);
    });
}

/// What every ADD of a sticky pool has to read is bounded; of the rest, it reads what it looks for.
#[test]
fn ten_thousand_owners_are_found_without_being_read() {
    let node = Node::new();
    for first in (0..10_000).step_by(1_000) {
        let sticks = (first..first + 1_000).map(|n| stick(&format!("job/w-{n}/net1"), n)).collect::<Vec<_>>();
        node.apply(&sticks);
    }
    let len = |name: &str| fs::metadata(node.directory.path().join("durable/ipam").join(name)).unwrap().len();
    assert!(len("owners") < 100 && len("owners.base") > 500_000, "{} {}", len("owners"), len("owners.base"));
    node.look(|leases| {
        for n in (0..10_000).step_by(333) {
            assert_eq!(leases.sticky_binding(&format!("job/w-{n}/net1"), "pool").unwrap(), Some(ip(n)));
        }
        let all = Range::new(ip(0), ip(10_005)).unwrap();
        assert_eq!(leases.unused(&all, Kept::LeftOut).unwrap(), Some(ip(10_000)));
    });
}

/// The journal of the version that had nothing beside it.
#[test]
fn owners_that_an_older_version_noted_are_kept() {
    let node = Node::new();
    let path = Dirs::under(node.directory.path()).durable.create(&[DIRECTORY]).unwrap().join("owners");
    let (mut journal, _) = Journal::open(&path, MARKS, Durability::Disk).unwrap();
    for round in 0..2_000 {
        let mut record = Vec::new();
        put_change(&mut record, &stick(&format!("w-{}", round % 700), round % 701));
        journal.append(&[&record]).unwrap();
    }
    journal.finish().sync().unwrap();
    let last = |n: u32| ip((n + 700 * ((1_999 - n) / 700)) % 701);
    for _ in 0..2 {
        node.look(|leases| {
            for n in (0..600).step_by(50) {
                assert_eq!(leases.sticky_binding(&format!("w-{n}"), "pool").unwrap(), Some(last(n)), "w-{n}");
            }
        });
        node.apply(&[stick("next", 5_000)]);
    }
    assert!(fs::metadata(&path).unwrap().len() < 1_000);
}

#[test]
fn owners_who_do_not_come_again_are_forgotten_unless_their_address_is_in_use() {
    let node = Node::new();
    let dirs = Dirs::under(node.directory.path());
    let files = Files { state: dirs.state, durable: dirs.durable };
    let append = |n: u32, now: u64| {
        let change = stick(&format!("w-{n}"), n);
        let book = owners::read(&files).unwrap();
        let unsynced = owners::append(&files, &book, &[&change], now, &|other| other == ip(1)).unwrap();
        unsynced.sync().unwrap();
    };
    let day = 24 * 60 * 60;
    (0..3).for_each(|n| append(n, day));
    append(2, 20 * day);
    (100..400).for_each(|n| append(n, 40 * day));
    let book = owners::read(&files).unwrap();
    let known = |n: u32| !owners::of(&book, &format!("w-{n}"), "pool").unwrap().is_empty();
    assert_eq!([0, 1, 2, 399].map(known), [false, true, true, true]);
    assert_eq!(book.map.next_clear(number::of(ip(0)), number::of(ip(9))), Some(number::of(ip(0))));
}

#[test]
fn damage_among_the_owners_costs_those_that_it_hits() {
    let node = Node::new();
    (0..10).for_each(|n| node.apply(&[stick(&format!("w-{n}"), n)]));
    let path = node.directory.path().join("durable/ipam/owners");
    let whole = fs::read(&path).unwrap();
    let known = || {
        let of = |leases: &dyn Leases| {
            (0..10)
                .filter(|n| leases.sticky_binding(&format!("w-{n}"), "pool").unwrap() == Some(ip(*n)))
                .count()
        };
        node.look(of)
    };
    for at in (24..whole.len()).step_by(3) {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x21;
        file::replace(&path, &bytes).unwrap();
        assert_eq!(known(), 9, "byte {at}");
    }
    node.apply(&[stick("mends", 99)]);
    assert_eq!(known(), 9);
    assert!(fs::metadata(&path).unwrap().len() < 100, "it is whole again");
    let base = path.with_file_name("owners.base");
    let whole = fs::read(&base).unwrap();
    for at in (0..whole.len()).step_by(7) {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x21;
        file::replace(&base, &bytes).unwrap();
        known();
        node.apply(&[stick("goes on", 98)]);
        assert_eq!(
            node.look(|leases| leases.sticky_binding("goes on", "pool").unwrap()),
            Some(ip(98)),
            "byte {at}"
        );
        let without_records = fs::read(&path).unwrap()[..24].to_vec();
        file::replace(&path, &without_records).unwrap();
    }
    let more = (200..500).map(|n| stick(&format!("w-{n}"), n)).collect::<Vec<_>>();
    node.apply(&more);
    assert_eq!(
        node.look(|leases| leases.sticky_binding("w-499", "pool").unwrap()),
        Some(ip(499)),
        "a new base replaces it"
    );
}
