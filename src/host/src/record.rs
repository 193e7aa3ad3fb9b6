//! What there was before, for the undo. What dies with a boot is recorded where it dies with it, what stays is recorded on disk.

#[cfg(test)]
mod tests;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use state::{BootId, Dirs, Root, file};

use crate::Error;
use crate::key::{Key, Value};
use crate::plan::{Links, Plan};

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
    /// Index of the link that it was set on; `None` where it goes with none, and in records of a version that did not say so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index: Option<u32>,
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
            let values = [Some(change.to.clone()), change.key.between()];
            let known = record.0.iter().position(|entry| entry.what == change.key);
            let place = known.unwrap_or(record.0.len());
            if known.is_none() {
                record.0.push(Entry {
                    what: change.key.clone(),
                    before: change.from.clone(),
                    ours: Vec::new(),
                    index: plan.index_of(&change.key),
                });
            }
            let ours = &mut record.0[place].ours;
            for value in values.into_iter().flatten() {
                if !ours.contains(&value) {
                    ours.push(value);
                }
            }
        }
        for key in plan.adopted.iter().filter(|key| self.entry(key).is_none()) {
            let (what, index) = (key.clone(), plan.index_of(key));
            record.0.push(Entry { what, before: Value::Absent, ours: vec![Value::Present], index });
        }
        record
    }

    /// Without what was set on links whose names others have by now, and the names. Pure.
    #[must_use]
    pub fn of_links(self, links: &Links) -> (Self, Vec<String>) {
        let is_another = |entry: &Entry| {
            let now = entry.what.link().and_then(|link| links.get(link));
            entry.index.is_some() && now.is_some() && entry.index != now.copied()
        };
        let (gone, kept): (Vec<_>, Vec<_>) = self.0.into_iter().partition(is_another);
        let mut names: Vec<String> =
            gone.iter().filter_map(|entry| entry.what.link()).map(str::to_owned).collect();
        names.sort();
        names.dedup();
        (Self(kept), names)
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
