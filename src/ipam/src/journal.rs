//! The lease store of one node, in files.
//!
//! Leases are on tmpfs and void with the boot that they are of. They are two files: the checkpoint (`leases`), which is only
//! ever replaced by a rename, and the changes since (`journal`). The journal names the generation of the checkpoint that it
//! goes with, its digest: a writer who is killed between the two renames leaves a journal of the generation before, whose
//! changes are in the checkpoint already. All changes of one decision are one record, so that a killed writer leaves
//! all of them or none. After 256 changes the next checkpoint is written; so an ADD reads a few pages, and what it costs
//! does not depend on how many leases there are.
//!
//! One lock serves the node, since any two pools may overlap, and since a DEL knows no pool. It is held to read and to
//! append, about 50 µs. Owners of sticky pools and quarantined addresses are on disk, synced after the unlock.
//!
//! A journal that is damaged, other than by a writer who was killed at its end, has lost leases: what its checksums prove is
//! used to end leases, and no address is given until the boot ends or somebody has cleared the directory.

mod book;
mod checkpoint;
mod codec;
mod map;
mod marks;
mod owners;
mod snapshot;
mod writer;

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use state::journal::{Damage, Format, Replay, Unsynced};
use state::{BootId, Dirs, Root};

use checkpoint::{Checkpoint, damaged};
use codec::Reader;
use marks::Quarantined;
use snapshot::Snapshot;
use writer::Writer;

use crate::store::{Decision, Look};
use crate::{Change, Error, Leases, Store, StoreError, number};

const DIRECTORY: &str = "ipam";
const LOCK: &str = "lock";
const LEASES: &str = "leases";
const JOURNAL: &str = "journal";
const QUARANTINE: &str = "quarantine";
const CHANGES: Format = Format { magic: *b"RAILLEAS", version: 1 };
const MARKS: Format = Format { magic: *b"RAILMARK", version: 1 };
/// Changes after which the next checkpoint is written: each costs a reader about a microsecond. Changes rather than
/// records, of which one of a GC may hold thousands.
const LONGEST_JOURNAL: usize = 256;
const GONE: &str = "it is gone, with the leases since the last checkpoint";
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
    lost: Option<Lost>,
}

/// Changes that nobody can read any more.
#[derive(Clone)]
struct Lost {
    journal: PathBuf,
    damage: Damage,
}

impl Lost {
    fn of(directory: &Path, replay: &Replay) -> Option<Self> {
        Some(Self { journal: directory.join(JOURNAL), damage: replay.damage()? })
    }

    fn error(&self) -> StoreError {
        damaged(&self.journal, &self.damage.to_string())
    }
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

    /// Whether there are no leases of this boot: none was given yet, or they are lost.
    pub fn is_new(&self) -> Result<bool, StoreError> {
        let base = Checkpoint::open(&leases(&self.files.state.path(&[DIRECTORY])?))?;
        Ok(!base.is_some_and(|base| base.is_of_boot(&self.boot_id)))
    }

    /// The last word of the journal with the checkpoint that it goes with, without the lock.
    fn peek(&self) -> Result<Journaled, StoreError> {
        let directory = self.files.state.path(&[DIRECTORY])?;
        for attempt in 1..=VIEW_ATTEMPTS {
            let base = Checkpoint::open(&directory.join(LEASES))?;
            let replay = state::journal::read(&directory.join(JOURNAL), CHANGES).map_err(no_journal)?;
            let generation = base.as_ref().map_or(0, Checkpoint::generation);
            match replay {
                Some(replay) if replay.digest() > generation => (),
                // Read while a torn tail was being written over, it may look so.
                Some(replay) if replay.damage().is_some() && attempt < VIEW_ATTEMPTS => (),
                replay => {
                    let base = base.filter(|base| base.is_of_boot(&self.boot_id));
                    if base.is_some() && replay.is_none() {
                        return Err(damaged(&directory.join(JOURNAL), GONE));
                    }
                    let replay = replay.filter(|replay| base.is_some() && replay.digest() == generation);
                    let lost = replay.as_ref().and_then(|replay| Lost::of(&directory, replay));
                    let changes = replay.map_or(Ok(Vec::new()), |replay| changes(&directory, &replay))?;
                    return Ok(Journaled { base, changes, lost });
                }
            }
        }
        Err(damaged(&directory, "its journal is newer than its leases"))
    }

    /// Ends the leases of a decision that could not be kept. Nobody has been told of them.
    fn take_back(&self, changes: &[Change], error: StoreError) -> StoreError {
        let given = changes.iter().filter_map(|change| match change {
            Change::Lease(lease) => Some(lease),
            _ => None,
        });
        let given = given.collect::<Vec<_>>();
        let end = &mut |leases: &dyn Leases| {
            let mut ends = Vec::new();
            for lease in &given {
                ends.extend(leases.of(&lease.key)?.contains(lease).then(|| lease.release(now())));
            }
            Ok(ends)
        };
        match if given.is_empty() { Ok(()) } else { self.update(end) } {
            Ok(()) => error,
            Err(undo) => StoreError::NotUndone { error: Box::new(error), undo: undo.to_string() },
        }
    }
}

impl Store for JournalStore {
    fn update(&self, decide: &mut Decision<'_>) -> Result<(), Error> {
        let directory = self.files.state.folder(&[DIRECTORY]).map_err(StoreError::from)?;
        let lock = self.files.state.lock(&[DIRECTORY], LOCK, self.timeout).map_err(StoreError::from)?;
        let (mut writer, journaled) = Writer::open(&directory, &self.boot_id)?;
        let mut snapshot = Snapshot::new(&self.files, journaled);
        let changes = decide(&snapshot)?;
        let marks = self.note(&snapshot, &changes)?;
        writer.append(&changes)?;
        if writer.journaled >= LONGEST_JOURNAL && snapshot.require_whole().is_ok() {
            for change in &changes {
                snapshot.leases.apply(change.clone());
            }
            // The journal has everything; where this fails, the next writer tries again.
            let _ = writer.checkpoint(&mut snapshot);
        }
        drop(lock);
        let synced = marks.into_iter().try_for_each(Unsynced::sync);
        synced.map_err(|error| self.take_back(&changes, error.into()).into())
    }

    fn view(&self, look: &mut Look<'_>) -> Result<(), Error> {
        look(&Snapshot::new(&self.files, self.peek()?))
    }
}

impl JournalStore {
    /// What outlives the boot.
    fn note(&self, snapshot: &Snapshot<'_>, changes: &[Change]) -> Result<Vec<Unsynced>, StoreError> {
        let of = |wanted: fn(&&Change) -> bool| changes.iter().filter(wanted).collect::<Vec<_>>();
        let sticks = of(|change| matches!(change, Change::Stick { .. }));
        let quarantines = of(|change| matches!(change, Change::Quarantine { .. }));
        let mut unsynced = Vec::new();
        if !sticks.is_empty() {
            let is_leased = |ip| snapshot.leases.map.contains(number::of(ip));
            unsynced.push(owners::append(&self.files, snapshot.owners()?, &sticks, now(), &is_leased)?);
        }
        if !quarantines.is_empty() {
            unsynced.push(marks::append(&self.files, &quarantines)?);
        }
        Ok(unsynced)
    }
}

impl Files {
    fn quarantined(&self) -> Result<Quarantined, StoreError> {
        let replay = self.marks(QUARANTINE)?;
        Ok(replay.map(|replay| Quarantined::read(replay.records())).unwrap_or_default())
    }

    fn marks(&self, name: &str) -> Result<Option<Replay>, StoreError> {
        let path = self.durable.path(&[DIRECTORY])?.join(name);
        let replay = state::journal::read(&path, MARKS)?;
        if let Some(damage) = replay.as_ref().and_then(Replay::damage) {
            tracing::warn!("{} is damaged: {damage}; the rest of it counts", path.display());
        }
        Ok(replay)
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

/// Another header than was written has lost all that follows it.
fn no_journal(error: state::Error) -> StoreError {
    match error {
        state::Error::Foreign { path, found } => damaged(&path, &found),
        other => other.into(),
    }
}

/// Seconds since the epoch.
pub fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests;
