//! What the files of the plugins that ours replace say of a device's users: they and ours both write and remove them.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use attach::Error;
use serde::Deserialize;
use state::{AttachmentKey, BootId, Dirs, file};

use crate::vf::Id;
use crate::vf::sriov_cni::{allocated_to, written_since_boot};

/// Whose files they are, and how these name an attachment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Peers {
    /// `sriov/CONTAINER-IFNAME`, and a file for each device that is in use.
    Sriov,
    /// `ib-sriov/CONTAINER-IFNAME`
    IbSriov,
    /// `rdma/NETWORK-CONTAINER-IFNAME`
    Rdma,
}

/// Who has a device, as those files have it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Users {
    /// The namespace that it is allocated to, where that is written down.
    allocated: Option<PathBuf>,
    /// When which cache of this boot was written that is about it, the newest first: each is, at the end of an ADD.
    caches: Vec<(SystemTime, String)>,
}

/// What all their caches have in common, and what ours add.
#[derive(Deserialize)]
struct Cache {
    #[serde(rename = "deviceID")]
    device: String,
    railcni: Option<Ours>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Ours {
    boot_id: BootId,
}

impl Peers {
    fn folder(self) -> &'static str {
        match self {
            Self::Sriov => "sriov",
            Self::IbSriov => "ib-sriov",
            Self::Rdma => "rdma",
        }
    }

    /// The name of an attachment's cache.
    pub(crate) fn cache(self, key: &AttachmentKey) -> String {
        match self {
            Self::Sriov | Self::IbSriov => format!("{}-{}", key.container_id, key.ifname),
            Self::Rdma => format!("{}-{}-{}", key.network, key.container_id, key.ifname),
        }
    }
}

impl Users {
    pub(crate) fn find(dirs: &Dirs, peers: Peers, id: &Id) -> Result<Self, Error> {
        let allocated = if peers == Peers::Sriov { allocated_to(dirs, id)? } else { None };
        let mut caches = Vec::new();
        for path in paths(&dirs.upstream.path(&[peers.folder()])?) {
            if let Some(written) = about(&path, id)? {
                caches.extend(name(&path).map(|name| (written, name)));
            }
        }
        caches.sort_unstable_by(|one, other| other.cmp(one));
        Ok(Self { allocated, caches })
    }

    /// Whether they say that the device is that attachment's, which took it `since` then; `None` where they say nothing.
    pub(crate) fn name(&self, cache: &str, netns: &Path, since: SystemTime) -> Option<bool> {
        let allocated = self.allocated.as_ref().map(|allocated| allocated == netns);
        if allocated == Some(false) || self.after(cache, Some(since)).is_some() {
            return Some(false);
        }
        let cached = self.caches.iter().any(|(_, name)| name == cache);
        (cached || allocated.is_some()).then_some(true)
    }

    /// Another attachment's cache that is younger than that one's and than `since`.
    pub(crate) fn after(&self, cache: &str, since: Option<SystemTime>) -> Option<&str> {
        let own = self.caches.iter().find(|(_, name)| name == cache).map(|(written, _)| *written);
        let (written, newest) = self.caches.first()?;
        let later = own.max(since).is_none_or(|own| *written > own);
        (newest != cache && later).then_some(newest)
    }

    /// The caches, the newest first.
    pub(crate) fn caches(&self) -> impl Iterator<Item = &str> {
        self.caches.iter().map(|(_, name)| name.as_str())
    }
}

/// When the cache was written, if it is about the device and of this boot.
fn about(path: &Path, id: &Id) -> Result<Option<SystemTime>, Error> {
    let Some(cache) = file::read(path)?.and_then(|bytes| serde_json::from_slice::<Cache>(&bytes).ok()) else {
        return Ok(None);
    };
    if Id::parse(&cache.device).ok().as_ref() != Some(id) {
        return Ok(None);
    }
    let current = match cache.railcni {
        Some(ours) => ours.boot_id == BootId::current()?,
        None => written_since_boot(path),
    };
    Ok(written(path).filter(|_| current))
}

fn written(path: &Path) -> Option<SystemTime> {
    std::fs::metadata(path).and_then(|file| file.modified()).ok()
}

fn paths(directory: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).filter(|path| path.is_file()).collect()
}

fn name(path: &Path) -> Option<String> {
    Some(path.file_name()?.to_str()?.to_owned())
}

#[cfg(test)]
mod tests;
