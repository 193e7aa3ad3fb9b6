use std::path::Path;

use state::file;
use state::journal::{Durability, Journal};

use super::checkpoint::{Checkpoint, Content, damaged};
use super::codec::put_change;
use super::snapshot::Snapshot;
use super::{CHANGES, GONE, JOURNAL, Journaled, Lost, changes, leases, no_journal, now};
use crate::{Change, StoreError, number};

/// The files while the lock is held.
pub(super) struct Writer<'a> {
    directory: &'a Path,
    boot_id: &'a str,
    journal: Journal,
    generation: u64,
    /// Changes in the journal.
    pub(super) journaled: usize,
}

impl<'a> Writer<'a> {
    pub(super) fn open(directory: &'a Path, boot_id: &'a str) -> Result<(Self, Journaled), StoreError> {
        let found = Checkpoint::open(&leases(directory))?;
        let generation = found.as_ref().map_or(0, Checkpoint::generation);
        let base = found.filter(|base| base.is_of_boot(boot_id));
        let path = directory.join(JOURNAL);
        if base.is_some() && is_lost(&path) {
            return Err(damaged(&path, GONE));
        }
        let (journal, replay) = Journal::open(&path, CHANGES, Durability::Boot).map_err(no_journal)?;
        let mut writer = Self { directory, boot_id, journal, generation, journaled: 0 };
        let is_current = base.is_some() && replay.digest() == generation;
        let lost = is_current.then(|| Lost::of(directory, &replay)).flatten();
        let changes = match replay.digest() {
            _ if is_current => changes(directory, &replay)?,
            digest if digest == generation || digest + 1 == generation => Vec::new(),
            _ => return Err(damaged(&directory.join(JOURNAL), "it does not go with the leases beside it")),
        };
        if base.is_none() {
            writer.start()?;
        } else if replay.digest() != generation {
            writer.journal.rewrite(generation, [])?;
        } else {
            writer.journaled = changes.len();
        }
        Ok((writer, Journaled { base, changes, lost }))
    }

    /// The first leases of a boot.
    fn start(&mut self) -> Result<(), StoreError> {
        let (map, cursors, leases) = <_>::default();
        self.replace(&Content { map: &map, cursors: &cursors, cooling_down: &[], leases: &leases })
    }

    pub(super) fn append(&mut self, changes: &[Change]) -> Result<(), StoreError> {
        let mut payload = Vec::new();
        for change in changes.iter().filter(|change| matches!(change, Change::Lease(_) | Change::Release(_)))
        {
            put_change(&mut payload, change);
            self.journaled += 1;
        }
        if !payload.is_empty() {
            self.journal.append(&[&payload])?;
        }
        Ok(())
    }

    /// Addresses whose cool-down is over are forgotten.
    pub(super) fn checkpoint(&mut self, snapshot: &mut Snapshot<'_>) -> Result<(), StoreError> {
        let now = now();
        let book = &mut snapshot.leases;
        let (cooling_down, over): (Vec<_>, _) =
            book.cooling_down()?.into_iter().partition(|cooling_down| cooling_down.until > now);
        for cooling_down in over {
            book.map.remove(number::of(cooling_down.ip));
        }
        book.map.drop_empty();
        let leases = &book.packed(|_, _| true)?;
        self.replace(&Content { map: &book.map, cursors: &book.cursors, cooling_down: &cooling_down, leases })
    }

    fn replace(&mut self, content: &Content<'_>) -> Result<(), StoreError> {
        let generation = self.generation + 1;
        file::replace(&leases(self.directory), &content.bytes(generation, self.boot_id))?;
        self.journal.rewrite(generation, [])?;
        (self.generation, self.journaled) = (generation, 0);
        Ok(())
    }
}

/// It is made before the first lease, and is never empty.
fn is_lost(journal: &Path) -> bool {
    match std::fs::metadata(journal) {
        Ok(found) => found.len() == 0,
        Err(error) => error.kind() == std::io::ErrorKind::NotFound,
    }
}
