//! Who had which address of a sticky pool: a checkpoint (`owners.base`) and a journal (`owners`) as the leases have them, on
//! disk. An entry is a lease that a pod has by its own name, whatever its container is. The journal may also have been
//! written by an older version, which had nothing else.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::path::Path;

use state::file;
use state::journal::{Durability, Journal, Replay, Unsynced};

use super::book::Book;
use super::checkpoint::{Checkpoint, Content};
use super::codec::{Reader, put_change};
use super::{DIRECTORY, Files, LONGEST_JOURNAL, MARKS};
use crate::{AttachmentKey, Change, CoolingDown, Lease, StoreError};

const BASE: &str = "owners.base";
const JOURNAL: &str = "owners";
/// An owner who has not come for so long does not keep his address from others any more: pods of Jobs never come again. Who
/// does come, and finds it free, gets it all the same.
const AGE: u64 = 30 * DAY;
/// So many stay when the files are written anew, those who came last: who writes networks has as many addresses as he likes.
const MOST: usize = 1 << 16;
/// A note of an owner is renewed when it is so old.
const STALE: u64 = DAY;
const DAY: u64 = 24 * 60 * 60;

pub(super) fn is_stale(since: u64, now: u64) -> bool {
    since.saturating_add(STALE) <= now
}

/// What the files say. Damage costs the owners that it hits, and is told.
pub(super) fn read(files: &Files) -> Result<Book, StoreError> {
    read_at(files, 0)
}

/// With that time for those of an older version, which recorded none.
fn read_at(files: &Files, now: u64) -> Result<Book, StoreError> {
    let replay = files.marks(JOURNAL)?;
    let base = base(&files.durable.path(&[DIRECTORY])?.join(BASE))?;
    // A writer killed between the two renames leaves a journal whose changes the checkpoint has: they change nothing.
    let changes = replay.map_or(Vec::new(), |replay| changes(&replay, now));
    let mut book = Book::new(base, []);
    for change in changes {
        note(&mut book, change);
    }
    Ok(book)
}

fn base(path: &Path) -> Result<Option<Checkpoint>, StoreError> {
    match Checkpoint::open(path) {
        Err(error) if error.is_damage() => {
            tracing::warn!("owners of sticky addresses are forgotten: {} is damaged", path.display());
            Ok(None)
        }
        opened => opened,
    }
}

/// The entries of one owner; none where they are damaged.
pub(super) fn of(book: &Book, owner: &str, pool: &str) -> Result<Vec<Lease>, StoreError> {
    match book.of(&key(owner, pool)) {
        Err(error) if error.is_damage() => Ok(Vec::new()),
        found => found,
    }
}

/// Who had an address; nobody where that is damaged.
pub(super) fn at(book: &Book, ip: IpAddr) -> Result<Option<String>, StoreError> {
    Ok(all(book)?.remove(&ip))
}

/// Who had each address last; nobody where that is damaged.
pub(super) fn all(book: &Book) -> Result<BTreeMap<IpAddr, String>, StoreError> {
    let mut found = match book.all() {
        Err(error) if error.is_damage() => Vec::new(),
        found => found?,
    };
    found.sort_by_key(|mark| mark.since);
    Ok(found.into_iter().map(|mark| (mark.ip, mark.key.container_id)).collect())
}

fn key(owner: &str, pool: &str) -> AttachmentKey {
    AttachmentKey { network: pool.to_owned(), container_id: owner.to_owned(), ifname: String::new() }
}

fn entry(owner: &str, pool: &str, ip: IpAddr, since: u64) -> Change {
    Change::Lease(Lease { key: key(owner, pool), ip, pool: String::new(), since, rest: 0 })
}

fn gone(ip: IpAddr) -> Change {
    Change::Release(CoolingDown { ip, released: 0, until: 0 })
}

fn note(book: &mut Book, change: Change) {
    match change {
        Change::Release(cooling_down) => book.forget(cooling_down.ip),
        other => book.apply(other),
    }
}

/// A record that this version does not know says nothing about an address that it could use.
fn changes(replay: &Replay, now: u64) -> Vec<Change> {
    let (mut of_owner, mut of_address) = (HashMap::new(), HashMap::new());
    let mut all = Vec::new();
    for change in replay.records().filter_map(|record| Reader::new(record).changes()).flatten() {
        let Change::Stick { owner, pool, ip } = change else {
            all.push(change);
            continue;
        };
        let mark = (owner, pool);
        let before = of_owner.insert(mark.clone(), ip).filter(|before| *before != ip);
        all.extend(before.filter(|before| of_address.get(before) == Some(&mark)).map(gone));
        all.push(entry(&mark.0, &mark.1, ip, now));
        of_address.insert(ip, mark);
    }
    all
}

/// Notes owners; the caller holds the lock, and syncs when it has let it go. `is_leased` are addresses whose owners stay.
pub(super) fn append(
    files: &Files,
    book: &Book,
    sticks: &[&Change],
    now: u64,
    is_leased: &dyn Fn(IpAddr) -> bool,
) -> Result<Unsynced, StoreError> {
    let directory = files.durable.create(&[DIRECTORY])?;
    let (mut journal, replay) = Journal::open(&directory.join(JOURNAL), MARKS, Durability::Disk)?;
    let mut noted = Vec::new();
    for stick in sticks {
        let Change::Stick { owner, pool, ip } = stick else { continue };
        noted.extend(of(book, owner, pool)?.iter().map(|mark| mark.ip).filter(|old| old != ip).map(gone));
        noted.push(entry(owner, pool, *ip, now));
    }
    let mut record = Vec::new();
    for change in &noted {
        put_change(&mut record, change);
    }
    journal.append(&[&record])?;
    if changes(&replay, now).len() + noted.len() >= LONGEST_JOURNAL || replay.damage().is_some() {
        renew(files, &directory.join(BASE), now, is_leased)?;
        journal.rewrite(0, [])?;
    }
    Ok(journal.finish())
}

/// When the oldest came that is kept, of owners who came then.
fn oldest(mut since: Vec<u64>, now: u64) -> u64 {
    since.sort_unstable_by(|a, b| b.cmp(a));
    let last = since.get(MOST - 1).copied().unwrap_or(0);
    last.max((now + 1).saturating_sub(AGE))
}

/// Writes the next checkpoint, with those only who are to be kept; without the last one where it is damaged.
fn renew(files: &Files, path: &Path, now: u64, is_leased: &dyn Fn(IpAddr) -> bool) -> Result<(), StoreError> {
    match replace(path, &mut read_at(files, now)?, now, is_leased) {
        Err(error) if error.is_damage() => {
            tracing::warn!("owners of sticky addresses are forgotten: {} is damaged", path.display());
            file::remove(path)?;
            replace(path, &mut read_at(files, now)?, now, is_leased)
        }
        other => other,
    }
}

fn replace(
    path: &Path,
    book: &mut Book,
    now: u64,
    is_leased: &dyn Fn(IpAddr) -> bool,
) -> Result<(), StoreError> {
    let oldest = oldest(book.all()?.iter().map(|mark| mark.since).collect(), now);
    let packed = book.packed(|ip, since| since >= oldest || is_leased(ip))?;
    book.map.drop_empty();
    let content = Content { map: &book.map, cursors: &BTreeMap::new(), cooling_down: &[], leases: &packed };
    Ok(file::replace_durable(path, &content.bytes(0, ""))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn owners_go_by_age_and_of_too_many_the_oldest() {
        let now = 100 * DAY;
        assert_eq!(oldest(vec![now, 0], now), 70 * DAY + 1);
        let newest = now - MOST as u64 + 1;
        let crowd = |more: u64| (newest - more..=now).collect();
        assert_eq!(oldest(crowd(10), now), newest);
        assert_eq!(oldest(crowd(0), now), newest);
    }
}
