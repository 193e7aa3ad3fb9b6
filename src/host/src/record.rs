//! What there was before, for the undo. What dies with a boot is recorded where it dies with it, what stays is recorded on disk.

#[cfg(test)]
mod tests;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use state::{BootId, Dirs, Root, file};

use crate::Error;
use crate::key::{Key, Value};
use crate::plan::Plan;

const FOLDER: &str = "host";
const FILE: &str = "record.json";
const VERSION: u32 = 1;

/// Keys that we set, in the order in which we did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record(pub Vec<Entry>);

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Which.
    pub what: Key,
    /// What it had before we touched it first.
    pub before: Value,
    /// What we gave it. More than one: a change was begun, and nobody knows how far it came.
    pub ours: Vec<Value>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Stored {
    version: u32,
    boot_id: BootId,
    entries: Vec<Entry>,
}

impl Record {
    /// What we know of a key.
    pub fn entry(&self, key: &Key) -> Option<&Entry> {
        self.0.iter().find(|entry| entry.what == *key)
    }

    /// The record that has to stand before a plan is begun.
    #[must_use]
    pub fn before(&self, plan: &Plan) -> Self {
        let mut record = self.clone();
        for change in &plan.changes {
            match record.0.iter_mut().find(|entry| entry.what == change.key) {
                Some(entry) if entry.ours.contains(&change.to) => {}
                Some(entry) => entry.ours.push(change.to.clone()),
                None => record.0.push(Entry {
                    what: change.key.clone(),
                    before: change.from.clone(),
                    ours: vec![change.to.clone()],
                }),
            }
        }
        record
    }

    /// The record once it is done: only what is still ours.
    #[must_use]
    pub fn after(&self, plan: &Plan) -> Self {
        let kept = self.0.iter().filter(|entry| plan.wanted.iter().any(|want| want.key == entry.what));
        let settled = |entry: &Entry| {
            let mut entry = entry.clone();
            if let Some(want) = plan.wanted.iter().find(|want| want.key == entry.what) {
                entry.ours = vec![want.value.clone()];
            }
            entry
        };
        Self(kept.map(settled).collect())
    }

    /// Of both places. What an older boot wrote of its kernel says nothing any more.
    pub fn load(dirs: &Dirs) -> Result<Self, Error> {
        let boot = BootId::current()?;
        let mut entries = stored(&dirs.durable)?.map(|stored| stored.entries).unwrap_or_default();
        let live = stored(&dirs.state)?.filter(|stored| stored.boot_id == boot);
        entries.extend(live.map(|stored| stored.entries).unwrap_or_default());
        Ok(Self(entries))
    }

    /// In both places; where nothing is left to tell, the file goes.
    pub fn save(&self, dirs: &Dirs) -> Result<(), Error> {
        let of = |durable| self.0.iter().filter(move |entry| entry.what.is_durable() == durable).cloned();
        store(&dirs.durable, of(true).collect(), true)?;
        store(&dirs.state, of(false).collect(), false)
    }
}

fn path(root: &Root) -> Result<PathBuf, Error> {
    Ok(root.folder(&[FOLDER])?.join(FILE))
}

fn stored(root: &Root) -> Result<Option<Stored>, Error> {
    let path = path(root)?;
    let Some(bytes) = file::read(&path)? else { return Ok(None) };
    let damaged = |problem: String| Error::Record { path: path.clone(), problem };
    let stored: Stored = serde_json::from_slice(&bytes).map_err(|error| damaged(error.to_string()))?;
    if stored.version != VERSION {
        return Err(damaged(format!("it has format {}, this railctl reads {VERSION}", stored.version)));
    }
    Ok(Some(stored))
}

fn store(root: &Root, entries: Vec<Entry>, durable: bool) -> Result<(), Error> {
    let path = path(root)?;
    if entries.is_empty() {
        file::remove(&path)?;
        return Ok(());
    }
    root.create(&[FOLDER])?;
    let stored = Stored { version: VERSION, boot_id: BootId::current()?, entries };
    if !durable {
        return Ok(file::replace_json(&path, &stored)?);
    }
    let bytes = serde_json::to_vec(&stored)
        .map_err(|error| Error::Record { path: path.clone(), problem: error.to_string() })?;
    Ok(file::replace_durable(&path, &bytes)?)
}
