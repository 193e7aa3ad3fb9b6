//! Which addresses nobody is to have: a journal on disk, of which the last word about an address counts.

use std::collections::BTreeMap;
use std::net::IpAddr;

use state::journal::{Durability, Journal, Unsynced};

use super::codec::{Reader, put_change};
use super::{DIRECTORY, Files, MARKS, QUARANTINE};
use crate::{Change, StoreError};

/// A journal is rewritten when it has this many records, and twice as many as count.
const TIDY: usize = 256;

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

/// Appends quarantines; the caller holds the lock, and syncs when it has let it go.
pub(super) fn append(files: &Files, added: &[&Change]) -> Result<Unsynced, StoreError> {
    let path = files.durable.create(&[DIRECTORY])?.join(QUARANTINE);
    let (mut journal, replay) = Journal::open(&path, MARKS, Durability::Disk)?;
    let records = replay.records();
    let counting = Quarantined::read(records.clone()).changes();
    let is_long = records.len() >= TIDY && counting.len() * 2 <= records.len();
    if is_long || replay.damage().is_some() {
        let payloads = counting.iter().map(encoded).collect::<Vec<_>>();
        journal.rewrite(0, payloads.iter().map(Vec::as_slice))?;
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
