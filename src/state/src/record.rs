//! What one plugin did for one attachment and how to undo it, in place before the first change to the kernel.
//!
//! A record appears whole, by a rename. What an ADD gets to know later is appended to its file as another version of all of
//! it, before the change that it is about; the last whole version counts.

mod entry;
mod key;
mod netns;

use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

pub use entry::{Damage, Entry, Loaded};
pub use key::AttachmentKey;
pub use netns::Netns;

use crate::{BootId, Dirs, Error, Lock, Root, file, name};

const VERSION: u32 = 1;
const FOLDER: &str = "attachments";
/// Versions are appended up to this size: those of eight rails are one to three pages each.
const LONGEST: u64 = 16 * 1024;

/// The record of one attachment; `body` is the plugin's own.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct Record<T> {
    /// Of the record's own format.
    pub version: u32,
    /// The plugin that wrote it.
    pub plugin: String,
    /// Equal to the one in the file's name.
    pub key: AttachmentKey,
    /// `None` for a plugin that ran without a namespace.
    pub netns: Option<Netns>,
    /// Of the boot in which it was written.
    pub boot_id: BootId,
    /// Seconds since 1970.
    pub created: u64,
    /// What has to be put back.
    #[serde(rename = "undo")]
    pub body: T,
}

impl Record<()> {
    /// Of the same attachment, with a body.
    pub fn with<T>(&self, body: T) -> Record<T> {
        let Self { version, plugin, key, netns, boot_id, created, body: () } = self.clone();
        Record { version, plugin, key, netns, boot_id, created, body }
    }
}

/// A record in place, open for later versions of it.
#[derive(Debug)]
pub struct Saved {
    path: PathBuf,
    file: File,
    end: u64,
}

impl Saved {
    /// Nobody has removed or replaced it since, and no append was left half done.
    fn is_as_left(&self) -> Result<bool, Error> {
        let metadata = self.file.metadata().map_err(|error| Error::io("inspect", &self.path, &error))?;
        Ok(metadata.nlink() > 0 && metadata.len() == self.end)
    }
}

/// One plugin's records, a file each: `attachments/<network>/<container>,<plugin>,<ifname>`.
#[derive(Clone, Debug)]
pub struct Records {
    root: Root,
    plugin: String,
    boot_id: BootId,
}

/// Plugin and key of every record in the network's folder, in whatever state it is.
pub fn names(dirs: &Dirs, network: &str) -> Result<Vec<(String, AttachmentKey)>, Error> {
    let names = file::names(&dirs.state.folder(&[FOLDER, network])?)?;
    Ok(names.iter().filter_map(|name| AttachmentKey::parse(network, name.to_str()?)).collect())
}

/// The whole records of this boot that `wanted` picks by plugin and key, whichever plugin wrote them. What lies there besides
/// is told to `skipped`: a foreign file does not hide the others.
pub fn whole(
    dirs: &Dirs,
    wanted: impl Fn(&str, &AttachmentKey) -> bool,
    mut skipped: impl FnMut(Error),
) -> Result<Vec<Record<serde_json::Value>>, Error> {
    let (root, boot_id) = (&dirs.state, BootId::current()?);
    let mut found = Vec::new();
    for network in file::names(&root.folder(&[FOLDER])?)?.iter().filter_map(|name| name.to_str()) {
        let listed = root.folder(&[FOLDER, network]).and_then(|folder| Ok((file::names(&folder)?, folder)));
        let Ok((names, folder)) = listed.map_err(&mut skipped) else { continue };
        for name in names {
            let parsed = name.to_str().and_then(|name| AttachmentKey::parse(network, name));
            let Some((plugin, key)) = parsed.filter(|(plugin, key)| wanted(plugin, key)) else { continue };
            let Ok(bytes) = file::read(&folder.join(&name)).map_err(&mut skipped) else { continue };
            let decoded = bytes.map(|bytes| entry::decode(&bytes, &plugin, &key, &boot_id));
            if let Some(Ok(Loaded::Present(record))) = decoded {
                found.push(record);
            }
        }
    }
    Ok(found)
}

impl Records {
    /// Those of the running boot; touches no file of ours.
    pub fn open(dirs: &Dirs, plugin: &str) -> Result<Self, Error> {
        Self::open_at_boot(dirs, plugin, BootId::current()?)
    }

    /// As [`Records::open`] after another boot.
    pub fn open_at_boot(dirs: &Dirs, plugin: &str, boot_id: BootId) -> Result<Self, Error> {
        name::id("plugin name", plugin)?;
        Ok(Self { root: dirs.state.clone(), plugin: plugin.to_owned(), boot_id })
    }

    /// A record to be filled in and saved.
    pub fn draft<T>(&self, key: AttachmentKey, netns: Option<Netns>, body: T) -> Record<T> {
        let created = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |age| age.as_secs());
        let (plugin, boot_id) = (self.plugin.clone(), self.boot_id.clone());
        Record { version: VERSION, plugin, key, netns, boot_id, created, body }
    }

    /// Puts the record in place, whole, over an older one of the same key.
    pub fn save<T: Serialize>(&self, record: &Record<T>) -> Result<Saved, Error> {
        let path = self.path(&record.key)?;
        let bytes = entry::encode(&path, record)?;
        if bytes.len() as u64 > file::LIMIT / 2 {
            return Err(Error::TooMuch { path, bytes: bytes.len() as u64, limit: file::LIMIT / 2 });
        }
        let file = if let Some(file) = file::absent_as_none(file::place(&path, &bytes))? {
            file
        } else {
            // The folder is missing once per network and boot only.
            self.root.create(&[FOLDER, &record.key.network])?;
            file::place(&path, &bytes)?
        };
        Ok(Saved { path, file, end: bytes.len() as u64 })
    }

    /// Adds a later version of a record that was saved: one write, where [`save`](Self::save) makes and moves a file.
    pub fn update<T: Serialize>(&self, saved: &mut Saved, record: &Record<T>) -> Result<(), Error> {
        let bytes = entry::encode(&saved.path, record)?;
        let end = saved.end + bytes.len() as u64;
        if end > LONGEST || !saved.is_as_left()? {
            *saved = self.save(record)?;
            return Ok(());
        }
        file::append(&saved.file, &saved.path, saved.end, &bytes)?;
        saved.end = end;
        Ok(())
    }

    /// Keeps others from adding or undoing the attachment, until it is dropped. No file is left of it then.
    pub fn lock(&self, key: &AttachmentKey, timeout: Duration) -> Result<Lock, Error> {
        self.root.lock_slot(&["locks"], FOLDER, key.slot(&self.plugin), timeout)
    }

    /// Removes what one that was killed has left of its lock.
    pub fn sweep_lock(&self) -> Result<(), Error> {
        Lock::sweep_slots(&self.root.folder(&["locks"])?.join(FOLDER));
        Ok(())
    }

    /// What is known of the attachment.
    pub fn load<T: DeserializeOwned>(&self, key: &AttachmentKey) -> Result<Loaded<T>, Error> {
        if !key.fits(&self.plugin) {
            return Ok(Loaded::Absent);
        }
        match file::read(&self.path(key)?) {
            // A version before wrote what it could not read.
            Err(error @ Error::TooLong { .. }) => Ok(Loaded::Damaged(Damage::Contents(error.to_string()))),
            bytes => Ok(bytes?.map_or(Loaded::Absent, |bytes| self.judge(key, &bytes))),
        }
    }

    /// Removes the record after the last undo, or what a killed writer left of one; false when there was no record.
    pub fn remove(&self, key: &AttachmentKey) -> Result<bool, Error> {
        if key.fits(&self.plugin) { file::remove(&self.path(key)?) } else { Ok(false) }
    }

    /// Every file of this plugin in the network's folder, by name; none that is bad hides another.
    pub fn list<T: DeserializeOwned>(&self, network: &str) -> Result<Vec<Entry<T>>, Error> {
        let folder = self.root.folder(&[FOLDER, network])?;
        let mut entries = Vec::new();
        for file_name in file::names(&folder)? {
            entries.extend(self.entry(network, &folder, &file_name));
        }
        Ok(entries)
    }

    /// The keys of this plugin's records in the network's folder, by the names of their files alone.
    pub fn keys(&self, network: &str) -> Result<Vec<AttachmentKey>, Error> {
        let names = file::names(&self.root.folder(&[FOLDER, network])?)?;
        let parsed = names.iter().filter_map(|name| AttachmentKey::parse(network, name.to_str()?));
        Ok(parsed.filter(|(plugin, _)| *plugin == self.plugin).map(|(_, key)| key).collect())
    }

    /// The networks that have, or had, a record in this boot, by name; whatever else lies there is none.
    pub fn networks(&self) -> Result<Vec<String>, Error> {
        let folder = self.root.folder(&[FOLDER])?;
        let is_network = |name: &String| {
            name::id("network name", name).is_ok()
                && fs::symlink_metadata(folder.join(name)).is_ok_and(|found| found.is_dir())
        };
        let names = file::names(&folder)?.into_iter().filter_map(|name| name.into_string().ok());
        Ok(names.filter(is_network).collect())
    }

    fn entry<T: DeserializeOwned>(&self, network: &str, folder: &Path, name: &OsStr) -> Option<Entry<T>> {
        let path = folder.join(name);
        let text = name.to_str().unwrap_or_default();
        let unfinished = text.strip_prefix(file::TEMPORARY);
        let Some((plugin, key)) = AttachmentKey::parse(network, unfinished.unwrap_or(text)) else {
            return Some(Entry::Foreign { path });
        };
        if plugin != self.plugin {
            return None;
        }
        if unfinished.is_some() {
            return Some(Entry::Ours { key, loaded: Loaded::Damaged(Damage::Unfinished) });
        }
        match file::read(&path) {
            Ok(bytes) => Some(Entry::Ours { loaded: self.judge(&key, &bytes?), key }),
            Err(error) => Some(Entry::Unreadable { key, error }),
        }
    }

    fn judge<T: DeserializeOwned>(&self, key: &AttachmentKey, bytes: &[u8]) -> Loaded<T> {
        entry::decode(bytes, &self.plugin, key, &self.boot_id).unwrap_or_else(Loaded::Damaged)
    }

    fn path(&self, key: &AttachmentKey) -> Result<PathBuf, Error> {
        let file_name = key.file_name(&self.plugin)?;
        Ok(self.root.folder(&[FOLDER, &key.network])?.join(file_name))
    }
}

#[cfg(test)]
mod tests;
