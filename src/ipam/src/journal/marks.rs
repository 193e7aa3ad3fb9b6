//! What outlives a boot: which owner had which address, and which addresses nobody is to have. Both are journals on
//! disk of which the last word about an address counts.

use std::collections::BTreeMap;
use std::net::IpAddr;

use state::journal::{Durability, Journal, Unsynced};

use super::codec::{Reader, put_change};
use super::{Files, MARKS};
use crate::{Change, Range, RangeSet, StoreError};

/// A journal is rewritten when it has this many records, and twice as many as count.
const TIDY: usize = 256;

/// Owners of sticky pools: one per address, and one address per owner and pool.
#[derive(Debug, Default)]
pub(super) struct Owners(BTreeMap<IpAddr, (String, String)>);

impl Owners {
    pub(super) fn read<'a>(records: impl Iterator<Item = &'a [u8]>) -> Self {
        let mut owners = Self::default();
        changes(records).for_each(|change| owners.apply(change));
        owners
    }

    fn apply(&mut self, change: Change) {
        if let Change::Stick { owner, pool, ip } = change {
            let mark = (owner, pool);
            self.0.retain(|_, other| *other != mark);
            self.0.insert(ip, mark);
        }
    }

    pub(super) fn address(&self, owner: &str, pool: &str) -> Option<IpAddr> {
        self.0.iter().find(|(_, mark)| mark.0 == owner && mark.1 == pool).map(|(ip, _)| *ip)
    }

    pub(super) fn others(&self, owner: Option<&str>, pool: &str) -> RangeSet {
        let others = self.0.iter().filter(|(_, mark)| mark.1 == pool && owner != Some(mark.0.as_str()));
        others.map(|(ip, _)| Range::one(*ip)).collect()
    }

    fn changes(&self) -> Vec<Change> {
        let stick = |(ip, (owner, pool)): (&IpAddr, &(String, String))| Change::Stick {
            owner: owner.clone(),
            pool: pool.clone(),
            ip: *ip,
        };
        self.0.iter().map(stick).collect()
    }
}

/// Addresses that somebody outside uses, and until when they are left alone.
#[derive(Debug, Default)]
pub(super) struct Quarantined(BTreeMap<IpAddr, u64>);

impl Quarantined {
    pub(super) fn read<'a>(records: impl Iterator<Item = &'a [u8]>) -> Self {
        let mut quarantined = Self::default();
        for change in changes(records) {
            if let Change::Quarantine { ip, until } = change {
                quarantined.0.insert(ip, until);
            }
        }
        quarantined
    }

    /// Each with its end.
    pub(super) fn at(&self, now: u64) -> impl Iterator<Item = (IpAddr, u64)> + '_ {
        self.0.iter().map(|(ip, until)| (*ip, *until)).filter(move |(_, until)| *until > now)
    }

    fn changes(&self) -> Vec<Change> {
        let left = self.0.iter().filter(|(_, until)| **until > 0);
        left.map(|(ip, until)| Change::Quarantine { ip: *ip, until: *until }).collect()
    }
}

fn changes<'a>(records: impl Iterator<Item = &'a [u8]>) -> impl Iterator<Item = Change> {
    // A record that this version does not know says nothing about an address that it could use.
    records.filter_map(|record| Reader::new(record).changes()).flatten()
}

/// Appends the marks among the changes; the caller holds the lock, and syncs when it has let it go.
pub(super) fn append(files: &Files, all: &[Change]) -> Result<Vec<Unsynced>, StoreError> {
    let owners = all.iter().filter(|change| matches!(change, Change::Stick { .. })).collect::<Vec<_>>();
    let quarantined =
        all.iter().filter(|change| matches!(change, Change::Quarantine { .. })).collect::<Vec<_>>();
    let mut unsynced = Vec::new();
    if !owners.is_empty() {
        unsynced.push(append_to(files, super::OWNERS, &owners, |records| Owners::read(records).changes())?);
    }
    if !quarantined.is_empty() {
        let tidy = |records: state::journal::Records<'_>| Quarantined::read(records).changes();
        unsynced.push(append_to(files, super::QUARANTINE, &quarantined, tidy)?);
    }
    Ok(unsynced)
}

fn append_to(
    files: &Files,
    name: &str,
    added: &[&Change],
    tidy: impl Fn(state::journal::Records<'_>) -> Vec<Change>,
) -> Result<Unsynced, StoreError> {
    let path = files.durable.create(&[super::DIRECTORY])?.join(name);
    let (mut journal, replay) = Journal::open(&path, MARKS, Durability::Disk)?;
    let records = replay.records();
    if records.len() >= TIDY {
        let counting = tidy(records.clone());
        if counting.len() * 2 <= records.len() {
            let payloads = counting.iter().map(encoded).collect::<Vec<_>>();
            journal.rewrite(0, payloads.iter().map(Vec::as_slice))?;
        }
    }
    let payloads = added.iter().map(|change| encoded(change)).collect::<Vec<_>>();
    journal.append(&payloads.iter().map(Vec::as_slice).collect::<Vec<_>>())?;
    Ok(journal.finish())
}

fn encoded(change: &Change) -> Vec<u8> {
    let mut bytes = Vec::new();
    put_change(&mut bytes, change);
    bytes
}
