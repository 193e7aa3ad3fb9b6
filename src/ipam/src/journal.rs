//! The lease store of one node, in files.
//!
//! Leases are on tmpfs and void with the boot that they are of. They are a checkpoint (`leases`), which is only ever
//! replaced by a rename, and a journal of the changes since (`journal`). Its digest is the generation of the checkpoint
//! that it goes with: a writer who is killed between the two renames leaves a journal of the generation before, whose
//! changes are in the checkpoint already. All changes of one decision are one record, so that a killed writer leaves
//! all of them or none. After 256 changes the next checkpoint is written; so an ADD reads a few pages, and what it costs
//! does not depend on how many leases there are.
//!
//! One lock serves the node, since any two pools may overlap, and since a DEL knows no pool. It is held to read and to
//! append, about 50 µs. Owners of sticky pools and quarantined addresses are journals on disk, synced after the unlock.

mod checkpoint;
mod codec;
mod map;
mod marks;
mod snapshot;

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use state::journal::{Durability, Format, Journal, Replay, Unsynced};
use state::{BootId, Dirs, Root, file};

use checkpoint::{Checkpoint, Content, damaged};
use codec::{Reader, put_change};
use marks::{Owners, Quarantined};
use snapshot::Snapshot;

use crate::store::{Decision, Look};
use crate::{Change, Error, Store, StoreError, number};

const DIRECTORY: &str = "ipam";
const LOCK: &str = "lock";
const LEASES: &str = "leases";
const JOURNAL: &str = "journal";
const OWNERS: &str = "owners";
const QUARANTINE: &str = "quarantine";
const CHANGES: Format = Format { magic: *b"RAILLEAS", version: 1 };
const MARKS: Format = Format { magic: *b"RAILMARK", version: 1 };
/// Changes after which the next checkpoint is written: each costs a reader about a microsecond. Changes rather than
/// records, of which one of a GC may hold thousands.
const LONGEST_JOURNAL: usize = 256;
/// How often a reader without the lock looks again when a checkpoint was replaced under it.
const VIEW_ATTEMPTS: usize = 16;

/// The leases of this node.
#[derive(Debug)]
pub struct JournalStore {
    files: Files,
    timeout: Duration,
    boot_id: String,
}

#[derive(Debug)]
struct Files {
    state: Root,
    durable: Root,
}

/// What the files say.
struct Journaled {
    base: Option<Checkpoint>,
    changes: Vec<Change>,
}

impl JournalStore {
    /// Touches nothing yet. `timeout` is how long an update waits for the lock, zero to try once.
    pub fn new(dirs: &Dirs, timeout: Duration) -> Result<Self, StoreError> {
        Ok(Self::of_boot(dirs, timeout, &BootId::current()?))
    }

    /// As [`JournalStore::new`] in another boot.
    pub fn of_boot(dirs: &Dirs, timeout: Duration, boot_id: &BootId) -> Self {
        let files = Files { state: dirs.state.clone(), durable: dirs.durable.clone() };
        Self { files, timeout, boot_id: boot_id.to_string() }
    }

    /// The last word of the journal with the checkpoint that it goes with, without the lock.
    fn peek(&self) -> Result<Journaled, StoreError> {
        let directory = self.files.state.path(&[DIRECTORY])?;
        for _ in 0..VIEW_ATTEMPTS {
            let base = Checkpoint::open(&directory.join(LEASES))?;
            let replay = state::journal::read(&directory.join(JOURNAL), CHANGES)?;
            let generation = base.as_ref().map_or(0, Checkpoint::generation);
            match replay {
                Some(replay) if replay.digest() > generation => (),
                replay => {
                    let base = base.filter(|base| base.is_of_boot(&self.boot_id));
                    let replay = replay.filter(|replay| base.is_some() && replay.digest() == generation);
                    let changes = replay.map_or(Ok(Vec::new()), |replay| changes(&directory, &replay))?;
                    return Ok(Journaled { base, changes });
                }
            }
        }
        Err(damaged(&directory, "its journal is newer than its leases"))
    }
}

impl Store for JournalStore {
    fn update(&self, decide: &mut Decision<'_>) -> Result<(), Error> {
        let directory = self.files.state.folder(&[DIRECTORY]).map_err(StoreError::from)?;
        let lock = self.files.state.lock(&[DIRECTORY], LOCK, self.timeout).map_err(StoreError::from)?;
        let (mut writer, journaled) = Writer::open(&directory, &self.boot_id)?;
        let mut snapshot = Snapshot::new(&self.files, journaled);
        let changes = decide(&snapshot)?;
        let marks = marks::append(&self.files, &changes)?;
        writer.append(&changes)?;
        if writer.journaled >= LONGEST_JOURNAL {
            for change in changes {
                snapshot.apply(change);
            }
            // The journal has everything; where this fails, the next writer tries again.
            let _ = writer.checkpoint(&mut snapshot);
        }
        drop(lock);
        marks.into_iter().try_for_each(Unsynced::sync).map_err(StoreError::from)?;
        Ok(())
    }

    fn view(&self, look: &mut Look<'_>) -> Result<(), Error> {
        look(&Snapshot::new(&self.files, self.peek()?))
    }
}

impl Files {
    fn owners(&self) -> Result<Owners, StoreError> {
        let replay = self.marks(OWNERS)?;
        Ok(replay.map(|replay| Owners::read(replay.records())).unwrap_or_default())
    }

    fn quarantined(&self) -> Result<Quarantined, StoreError> {
        let replay = self.marks(QUARANTINE)?;
        Ok(replay.map(|replay| Quarantined::read(replay.records())).unwrap_or_default())
    }

    fn marks(&self, name: &str) -> Result<Option<Replay>, StoreError> {
        Ok(state::journal::read(&self.durable.path(&[DIRECTORY])?.join(name), MARKS)?)
    }
}

/// The files while the lock is held.
struct Writer<'a> {
    directory: &'a Path,
    boot_id: &'a str,
    journal: Journal,
    generation: u64,
    /// Changes in the journal.
    journaled: usize,
}

impl<'a> Writer<'a> {
    fn open(directory: &'a Path, boot_id: &'a str) -> Result<(Self, Journaled), StoreError> {
        let found = Checkpoint::open(&leases(directory))?;
        let generation = found.as_ref().map_or(0, Checkpoint::generation);
        let base = found.filter(|base| base.is_of_boot(boot_id));
        let (journal, replay) = Journal::open(&directory.join(JOURNAL), CHANGES, Durability::Boot)?;
        let mut writer = Self { directory, boot_id, journal, generation, journaled: 0 };
        let changes = match replay.digest() {
            digest if digest == generation && base.is_some() => changes(directory, &replay)?,
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
        Ok((writer, Journaled { base, changes }))
    }

    /// The first leases of a boot.
    fn start(&mut self) -> Result<(), StoreError> {
        let (map, cursors, leases) = <_>::default();
        self.replace(&Content { map: &map, cursors: &cursors, cooling_down: &[], leases: &leases })
    }

    fn append(&mut self, changes: &[Change]) -> Result<(), StoreError> {
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

    /// Addresses whose rest is over are forgotten.
    fn checkpoint(&mut self, snapshot: &mut Snapshot<'_>) -> Result<(), StoreError> {
        let now = now();
        let (cooling_down, over): (Vec<_>, _) =
            snapshot.cooling_down()?.into_iter().partition(|cooling_down| cooling_down.until > now);
        for cooling_down in over {
            snapshot.map.remove(number::of(cooling_down.ip));
        }
        snapshot.map.drop_empty();
        let (map, cursors, leases) = (&snapshot.map, &snapshot.cursors, &snapshot.packed()?);
        self.replace(&Content { map, cursors, cooling_down: &cooling_down, leases })
    }

    fn replace(&mut self, content: &Content<'_>) -> Result<(), StoreError> {
        let generation = self.generation + 1;
        file::replace(&leases(self.directory), &content.bytes(generation, self.boot_id))?;
        self.journal.rewrite(generation, [])?;
        (self.generation, self.journaled) = (generation, 0);
        Ok(())
    }
}

fn leases(directory: &Path) -> PathBuf {
    directory.join(LEASES)
}

fn changes(directory: &Path, replay: &Replay) -> Result<Vec<Change>, StoreError> {
    let decode = |record| Reader::new(record).changes();
    let changes = replay.records().map(decode).collect::<Option<Vec<_>>>();
    let unknown = || damaged(&directory.join(JOURNAL), "it holds a record of another version");
    Ok(changes.ok_or_else(unknown)?.into_iter().flatten().collect())
}

/// Seconds since the epoch.
pub fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests;
