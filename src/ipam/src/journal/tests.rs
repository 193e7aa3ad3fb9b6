mod sticky;

use std::fs;
use std::net::IpAddr;

use proptest::prelude::*;
use state::file;
use state::journal::{Durability, Journal};
use tempfile::TempDir;

use super::codec::put_change;
use super::*;
use crate::model::Model;
use crate::{
    AttachmentKey, Catalog, CoolingDown, Declined, Kept, Lease, Leases, Present, Range, RangeSet, Request,
    allocate,
};

struct Node {
    directory: TempDir,
    boot: BootId,
}

impl Node {
    fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap(), boot: BootId::new("one") }
    }

    /// As every process does: from the files.
    fn store(&self) -> JournalStore {
        JournalStore::of_boot(&Dirs::under(self.directory.path()), Duration::ZERO, &self.boot)
    }

    fn apply(&self, changes: &[Change]) {
        self.store().update(&mut |_| Ok(changes.to_vec())).unwrap();
    }

    fn look<T>(&self, look: impl Fn(&dyn Leases) -> T) -> T {
        let mut seen = None;
        let store = self.store();
        store
            .view(&mut |leases| {
                seen = Some(look(leases));
                Ok(())
            })
            .unwrap();
        seen.unwrap()
    }

    fn ips(&self) -> Vec<IpAddr> {
        let mut ips =
            self.look(|leases| leases.all().unwrap()).into_iter().map(|lease| lease.ip).collect::<Vec<_>>();
        ips.sort_unstable();
        ips
    }

    fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join("state/ipam").join(name)
    }
}

fn lease(n: u32) -> Lease {
    let key = AttachmentKey {
        network: "rail".to_owned(),
        container_id: format!("pod{n}"),
        ifname: "net1".to_owned(),
    };
    Lease { key, ip: ip(n), pool: "pool".to_owned(), since: 7, rest: 60 }
}

fn ip(n: u32) -> IpAddr {
    IpAddr::from((0x0a00_0000 + n).to_be_bytes())
}

fn unused(leases: &dyn Leases, first: u32, last: u32) -> Option<IpAddr> {
    leases.unused(&Range::new(ip(first), ip(last)).unwrap(), Kept::Counted).unwrap()
}

fn stick(owner: &str, n: u32) -> Change {
    Change::Stick { owner: owner.to_owned(), pool: "pool".to_owned(), ip: ip(n) }
}

/// What an ADD would get from the pool of the addresses 0 to 40.
fn give(leases: &dyn Leases) -> Result<IpAddr, Error> {
    let mut catalog = Catalog::default();
    catalog.add_inline(
        "",
        &serde_json::json!({ "name": "pool", "subnet": "10.0.0.0/8", "ips": ["10.0.0.0-10.0.0.40"] }),
    );
    let catalog = catalog.complete();
    let (sets, foreign, declined) = (vec![catalog.pools().collect()], RangeSet::EMPTY, Declined::default());
    let key = lease(9_999).key;
    let (requested, owner, now, present) = (&[][..], None, 100, &Present::NONE);
    let request = Request {
        key: &key,
        sets: &sets,
        requested,
        owner,
        foreign: &foreign,
        present,
        unpinned: &[],
        declined: &declined,
        now,
    };
    Ok(allocate(&request, leases)?.grants[0].ip)
}

fn cooling_down(n: u32) -> Change {
    Change::Release(CoolingDown { ip: ip(n), released: 9, until: u64::MAX })
}

#[test]
fn what_one_process_stores_the_next_one_finds() {
    let node = Node::new();
    node.apply(&[Change::Lease(lease(1)), Change::Lease(lease(2))]);
    node.apply(&[cooling_down(1)]);
    node.look(|leases| {
        assert_eq!(leases.of(&lease(2).key).unwrap(), [lease(2)]);
        assert_eq!(leases.of(&lease(1).key).unwrap(), []);
        assert!(leases.is_leased(ip(2)).unwrap() && !leases.is_leased(ip(1)).unwrap());
        assert_eq!(unused(leases, 1, 9), Some(ip(3)));
        assert_eq!(leases.last_given("pool"), Some(ip(2)));
        let all = RangeSet::from(Range::new(ip(0), ip(9)).unwrap());
        assert_eq!(leases.released_first(&all, Kept::Counted).unwrap().unwrap().ip, ip(1));
    });
}

#[test]
fn looking_leaves_no_trace() {
    let node = Node::new();
    assert!(node.ips().is_empty());
    assert_eq!(fs::read_dir(node.directory.path()).unwrap().count(), 0);
    let refused = node.store().update(&mut |_| Err(Error::Master("no".to_owned())));
    assert!(refused.is_err());
    assert!(node.ips().is_empty());
}

#[test]
fn leases_are_found_through_the_index_of_a_large_checkpoint() {
    let node = Node::new();
    for first in (0..3000).step_by(10) {
        node.apply(&(first..first + 10).map(|n| Change::Lease(lease(n))).collect::<Vec<_>>());
    }
    assert!(fs::metadata(node.file("leases")).unwrap().len() > 100_000, "the checkpoint was written");
    node.look(|leases| {
        for n in (0..3000).step_by(7) {
            assert_eq!(leases.of(&lease(n).key).unwrap(), [lease(n)]);
        }
        assert_eq!(leases.of(&lease(3000).key).unwrap(), []);
        assert_eq!(leases.all().unwrap().len(), 3000);
        assert_eq!(unused(leases, 0, 9999), Some(ip(3000)));
    });
}

#[test]
fn a_boot_ends_all_leases_and_keeps_the_marks() {
    let mut node = Node::new();
    let stick = Change::Stick { owner: "job/w-0/net1".to_owned(), pool: "pool".to_owned(), ip: ip(1) };
    node.apply(&[Change::Lease(lease(1)), stick, Change::Quarantine { ip: ip(5), until: 100 }]);
    node.boot = BootId::new("two");
    node.look(|leases| {
        assert!(leases.all().unwrap().is_empty());
        assert_eq!(unused(leases, 1, 1), Some(ip(1)));
        assert_eq!(leases.sticky_binding("job/w-0/net1", "pool").unwrap(), Some(ip(1)));
        assert!(leases.quarantined(99).unwrap().contains(ip(5)));
        assert!(leases.quarantined(100).unwrap().is_empty());
        assert_eq!(leases.quarantines(99).unwrap(), [(ip(5), 100)]);
    });
    node.apply(&[Change::Quarantine { ip: ip(5), until: 0 }]);
    node.look(|leases| assert_eq!(leases.quarantines(99).unwrap(), []));
    node.apply(&[Change::Lease(lease(2))]);
    assert_eq!(node.ips(), [ip(2)]);
}

#[test]
fn wherever_a_writer_is_killed_a_decision_is_there_as_a_whole_or_not_at_all() {
    let node = Node::new();
    node.apply(&[Change::Lease(lease(1))]);
    let before = fs::metadata(node.file("journal")).unwrap().len();
    node.apply(&[Change::Lease(lease(2)), Change::Lease(lease(3))]);
    let whole = fs::read(node.file("journal")).unwrap();
    for len in before..whole.len() as u64 {
        file::replace(&node.file("journal"), &whole[..usize::try_from(len).unwrap()]).unwrap();
        assert_eq!(node.ips(), [ip(1)], "torn after {len} bytes");
        node.apply(&[Change::Lease(lease(4))]);
        assert_eq!(node.ips(), [ip(1), ip(4)], "written over a tear at {len}");
    }
}

#[test]
fn a_writer_killed_between_the_two_renames_loses_nothing_and_doubles_nothing() {
    let node = Node::new();
    let last = u32::try_from(LONGEST_JOURNAL).unwrap() - 1;
    (0..last).for_each(|n| node.apply(&[Change::Lease(lease(n))]));
    let journal = fs::read(node.file("journal")).unwrap();
    node.apply(&[Change::Lease(lease(last))]);
    assert!(fs::metadata(node.file("journal")).unwrap().len() < 100, "the journal starts again");
    file::replace(&node.file("journal"), &journal).unwrap();
    assert_eq!(node.ips().len(), LONGEST_JOURNAL);
    node.apply(&[cooling_down(0)]);
    assert_eq!(node.ips().len(), LONGEST_JOURNAL - 1);
}

#[test]
fn damage_is_named_and_never_taken_for_free_addresses() {
    let node = Node::new();
    (0..600).for_each(|n| node.apply(&[Change::Lease(lease(n))]));
    let whole = fs::read(node.file("leases")).unwrap();
    let outcome = |bytes: &[u8]| {
        file::replace(&node.file("leases"), bytes).unwrap();
        node.store().update(&mut |leases| leases.of(&lease(3).key).map(|_| Vec::new()).map_err(Error::from))
    };
    for at in [3, 9, 20, 60, 130, 200] {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x10;
        let message = outcome(&bytes).unwrap_err().to_string();
        assert!(message.contains("/state/ipam/leases is damaged ("), "{message}");
    }
    for len in [0, 100, 128, 300, whole.len() / 3] {
        assert!(outcome(&whole[..len]).is_err(), "{len}");
    }
    outcome(&whole).unwrap();
    fs::remove_file(node.file("leases")).unwrap();
    let lost = node.store().update(&mut |_| Ok(Vec::new())).unwrap_err().to_string();
    assert!(lost.contains("does not go with the leases"), "{lost}");
}

#[test]
fn a_lock_that_stays_taken_is_a_timeout() {
    let node = Node::new();
    node.apply(&[Change::Lease(lease(1))]);
    let _held = state::Lock::acquire(&node.file("lock"), Duration::ZERO).unwrap();
    let outcome = node.store().update(&mut |_| Ok(Vec::new()));
    assert!(matches!(outcome, Err(Error::Store(StoreError::State(state::Error::Timeout { .. })))));
    assert_eq!(node.ips(), [ip(1)], "looking needs no lock");
}

/// Whatever byte of a journal is changed, no address that a pod has is given to another; and what the checksums prove can
/// be released all the same.
#[test]
fn no_changed_byte_gives_an_address_twice() {
    let node = Node::new();
    (0..8).for_each(|n| node.apply(&[Change::Lease(lease(n))]));
    node.apply(&[cooling_down(2), Change::Lease(lease(8))]);
    let living = node.ips();
    let path = node.file("journal");
    let whole = fs::read(&path).unwrap();
    for flip in [0x01, 0x80, 0xff] {
        for at in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[at] ^= flip;
            file::replace(&path, &bytes).unwrap();
            let mut given = None;
            let outcome = node.store().update(&mut |leases| {
                given = Some(give(leases)?);
                Ok(Vec::new())
            });
            assert!(given.is_none_or(|ip| !living.contains(&ip)), "byte {at}: {given:?}");
            assert!(
                matches!(&outcome, Err(Error::Store(error)) if error.is_damage()),
                "byte {at}: {outcome:?}"
            );
            if at >= 24 {
                let held = node.ips();
                assert!(held.len() + 2 >= living.len(), "byte {at}: {held:?}");
                node.apply(&[cooling_down(0)]);
                let again = node.store().update(&mut |leases| give(leases).map(|_| Vec::new()));
                assert!(again.is_err(), "byte {at}: a release does not hide the damage");
            }
        }
    }
    file::replace(&path, &whole).unwrap();
    assert!(!living.contains(&node.look(|leases| give(leases).unwrap())));
}

#[test]
fn addresses_whose_rest_is_over_are_forgotten_with_the_next_checkpoint() {
    let node = Node::new();
    node.apply(&[Change::Lease(lease(0)), Change::Lease(lease(1))]);
    node.apply(&[Change::Release(CoolingDown { ip: ip(0), released: 1, until: 2 }), cooling_down(1)]);
    let first = || node.look(|leases| unused(leases, 0, 1));
    assert_eq!(first(), None);
    (2..300).for_each(|n| node.apply(&[Change::Lease(lease(n))]));
    assert_eq!(first(), Some(ip(0)));
}

#[derive(Clone, Debug)]
enum Step {
    Give(Vec<u32>),
    Release(u32),
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]

    /// Over many processes and several checkpoints the files say what plain maps say.
    #[test]
    fn the_files_agree_with_the_model(
        steps in prop::collection::vec(
            prop_oneof![
                2 => prop::collection::vec(0_u32..700, 1..3).prop_map(Step::Give),
                1 => (0_u32..700).prop_map(Step::Release),
            ],
            1..700,
        ),
    ) {
        let (node, mut model) = (Node::new(), Model::default());
        for step in steps {
            let changes = match step {
                Step::Give(numbers) => {
                    let mut free = numbers.into_iter().filter(|n| !model.leased.contains_key(&ip(*n))).collect::<Vec<_>>();
                    free.dedup();
                    free.sort_unstable();
                    free.dedup();
                    free.into_iter().map(|n| Change::Lease(lease(n))).collect::<Vec<_>>()
                }
                Step::Release(n) if model.leased.contains_key(&ip(n)) => vec![cooling_down(n)],
                Step::Release(_) => Vec::new(),
            };
            node.apply(&changes);
            model.apply(&changes);
        }
        node.look(|leases| {
            for n in 0..700 {
                assert_eq!(leases.is_leased(ip(n)).unwrap(), model.is_leased(ip(n)).unwrap());
                assert_eq!(leases.of(&lease(n).key).unwrap(), model.of(&lease(n).key).unwrap());
                assert_eq!(unused(leases, n, 700), unused(&model, n, 700));
                let set = RangeSet::from(Range::new(ip(n / 2), ip(n)).unwrap());
                let first = |leases: &dyn Leases| leases.released_first(&set, Kept::Counted).unwrap();
                assert_eq!(first(leases), first(&model));
            }
            assert_eq!(leases.last_given("pool"), model.last_given("pool"));
        });
    }
}
