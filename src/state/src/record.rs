//! What one plugin did for one attachment and how to undo it, in place before the first change to the kernel.

mod entry;
mod key;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

pub use entry::{Damage, Entry, Loaded};
pub use key::Key;

use crate::{BootId, Dirs, Error, Root, file, name};

const VERSION: u32 = 1;
const FOLDER: &str = "attachments";

/// The network namespace as it was at ADD. Device and inode tell it from a later one at the same path.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct Netns {
    /// Of the nsfs mount.
    pub dev: u64,
    /// Of the namespace.
    pub ino: u64,
    /// `CNI_NETNS`.
    pub path: PathBuf,
}

/// The record of one attachment; `undo` is the plugin's own.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct Record<T> {
    /// Of the record's own format.
    pub version: u32,
    /// The plugin that wrote it.
    pub plugin: String,
    /// Equal to the one in the file's name.
    pub key: Key,
    /// `None` for a plugin that ran without a namespace.
    pub netns: Option<Netns>,
    /// Of the boot in which it was written.
    pub boot_id: BootId,
    /// Seconds since 1970.
    pub created: u64,
    /// What has to be put back.
    pub undo: T,
}

/// One plugin's records, a file each: `attachments/<network>/<container>,<plugin>,<ifname>`.
#[derive(Clone, Debug)]
pub struct Records {
    root: Root,
    plugin: String,
    boot_id: BootId,
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
    pub fn draft<T>(&self, key: Key, netns: Option<Netns>, undo: T) -> Record<T> {
        let created = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |age| age.as_secs());
        let (plugin, boot_id) = (self.plugin.clone(), self.boot_id.clone());
        Record { version: VERSION, plugin, key, netns, boot_id, created, undo }
    }

    /// Puts the record in place, whole, over an older one of the same key.
    pub fn save<T: Serialize>(&self, record: &Record<T>) -> Result<(), Error> {
        let path = self.path(&record.key)?;
        let bytes = entry::encode(&path, record)?;
        if file::absent_as_none(file::replace(&path, &bytes))?.is_some() {
            return Ok(());
        }
        // The folder is missing once per network and boot only.
        self.root.create(&[FOLDER, &record.key.network])?;
        file::replace(&path, &bytes)
    }

    /// What is known of the attachment.
    pub fn load<T: DeserializeOwned>(&self, key: &Key) -> Result<Loaded<T>, Error> {
        let bytes = file::read(&self.path(key)?)?;
        Ok(bytes.map_or(Loaded::Absent, |bytes| self.judge(key, &bytes)))
    }

    /// Removes the record after the last undo, or what a killed writer left of one; false when there was no record.
    pub fn remove(&self, key: &Key) -> Result<bool, Error> {
        file::remove(&self.path(key)?)
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

    /// The networks that have, or had, a record in this boot, by name.
    pub fn networks(&self) -> Result<Vec<String>, Error> {
        let names = file::names(&self.root.folder(&[FOLDER])?)?;
        Ok(names.into_iter().filter_map(|name| name.into_string().ok()).collect())
    }

    fn entry<T: DeserializeOwned>(&self, network: &str, folder: &Path, name: &OsStr) -> Option<Entry<T>> {
        let path = folder.join(name);
        let text = name.to_str().unwrap_or_default();
        let unfinished = text.strip_prefix(file::TEMPORARY);
        let Some((plugin, key)) = Key::parse(network, unfinished.unwrap_or(text)) else {
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

    fn judge<T: DeserializeOwned>(&self, key: &Key, bytes: &[u8]) -> Loaded<T> {
        entry::decode(bytes, &self.plugin, key, &self.boot_id).unwrap_or_else(Loaded::Damaged)
    }

    fn path(&self, key: &Key) -> Result<PathBuf, Error> {
        let file_name = key.file_name(&self.plugin)?;
        Ok(self.root.folder(&[FOLDER, &key.network])?.join(file_name))
    }
}

#[cfg(test)]
mod tests;
