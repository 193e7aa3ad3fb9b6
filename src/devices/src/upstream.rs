//! What the files of the plugins that ours replace say of a device's users: they and ours both write and remove them.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use attach::Error;
use serde::Deserialize;
use state::{AttachmentKey, BootId, Dirs, file};

use crate::vf::Id;

/// The plugin that ours replaces: whose files they are, and how these name an attachment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Upstream {
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
struct CacheHead {
    #[serde(rename = "deviceID")]
    device: String,
    railcni: Option<Ours>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Ours {
    boot_id: BootId,
}

impl Upstream {
    /// Its CNI type, which is also the folder of its files.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Sriov => "sriov",
            Self::IbSriov => "ib-sriov",
            Self::Rdma => "rdma",
        }
    }

    /// The folder of our claims on what it lends.
    pub(crate) fn claims(self) -> &'static str {
        match self {
            Self::Sriov => "devices",
            Self::IbSriov => "ib-devices",
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

    /// The file that says who uses a device, where there is such a one.
    pub(crate) fn allocation(self, dirs: &Dirs, id: &Id) -> Result<Option<Allocation>, Error> {
        (self == Self::Sriov).then(|| Allocation::of(dirs, id)).transpose()
    }
}

impl Users {
    pub(crate) fn find(dirs: &Dirs, upstream: Upstream, id: &Id) -> Result<Self, Error> {
        let allocation = upstream.allocation(dirs, id)?;
        let allocated = allocation.map_or(Ok(None), |allocation| allocation.user())?;
        let folder = dirs.upstream.path(&[upstream.name()])?;
        let mut caches = Vec::new();
        for name in names(&folder) {
            if let Some(written) = about(&folder.join(&name), id)? {
                caches.push((written, name));
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
    if !path.is_file() {
        return Ok(None);
    }
    let Some(cache) = file::read(path)?.and_then(|bytes| serde_json::from_slice::<CacheHead>(&bytes).ok())
    else {
        return Ok(None);
    };
    if Id::parse(&cache.device).ok().as_ref() != Some(id) {
        return Ok(None);
    }
    let current = is_of_this_boot(path, cache.railcni.map(|ours| ours.boot_id).as_ref())?;
    Ok(written(path).filter(|_| current))
}

fn written(path: &Path) -> Option<SystemTime> {
    std::fs::metadata(path).and_then(|file| file.modified()).ok()
}

/// Whether the kernel that a cache refers to still runs. Of those that are not ours only the file's age tells.
pub(crate) fn is_of_this_boot(path: &Path, ours: Option<&BootId>) -> Result<bool, Error> {
    match ours {
        Some(boot_id) => Ok(*boot_id == BootId::current()?),
        None => Ok(written_since_boot(path)),
    }
}

/// Unreadable times count as "now": a device that was put back is put back once more, to no effect.
fn written_since_boot(path: &Path) -> bool {
    match (written(path), booted()) {
        (Some(written), Some(booted)) => written >= SystemTime::UNIX_EPOCH + Duration::from_secs(booted),
        _ => true,
    }
}

/// Seconds since 1970, from `btime` of /proc/stat.
fn booted() -> Option<u64> {
    let stat = std::fs::read_to_string("/proc/stat").ok()?;
    stat.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()
}

/// The names of a folder's files, sorted; none where there is no folder.
pub(crate) fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<_> = entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.sort_unstable();
    names
}

/// sriov-cni's file that says who uses a device: `sriov/pci/ID` below the upstream plugins' directory holds the path of a namespace.
pub(crate) struct Allocation {
    path: PathBuf,
}

impl Allocation {
    pub(crate) fn of(dirs: &Dirs, id: &Id) -> Result<Self, Error> {
        Ok(Self { path: dirs.upstream.path(&["sriov", "pci"])?.join(id.to_string()) })
    }

    /// All of them, each with its device.
    pub(crate) fn all(dirs: &Dirs) -> Result<Vec<(Id, Self)>, Error> {
        let names = names(&dirs.upstream.path(&["sriov", "pci"])?);
        let ids = names.iter().filter_map(|name| Id::parse(name).ok());
        ids.map(|id| Self::of(dirs, &id).map(|allocation| (id, allocation))).collect()
    }

    /// The namespace that it names; an empty file is a torn one and names nobody.
    pub(crate) fn user(&self) -> Result<Option<PathBuf>, Error> {
        let bytes = file::read(&self.path)?.unwrap_or_default();
        let text = bytes.trim_ascii();
        Ok((!text.is_empty()).then(|| PathBuf::from(OsStr::from_bytes(text))))
    }

    /// The same, if the kernel that it refers to still runs.
    pub(crate) fn user_of_this_boot(&self) -> Result<Option<PathBuf>, Error> {
        if is_of_this_boot(&self.path, None)? { self.user() } else { Ok(None) }
    }

    /// The lock's folder, which is made first, lies below.
    pub(crate) fn take(&self, netns: &Path) -> Result<(), Error> {
        Ok(file::replace(&self.path, netns.as_os_str().as_bytes())?)
    }

    /// Removes it if it names `netns`, or nobody.
    pub(crate) fn give_up(&self, netns: &Path) -> Result<(), Error> {
        if self.user()?.is_none_or(|user| user == netns) {
            file::remove(&self.path)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
