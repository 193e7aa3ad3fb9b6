//! The files of sriov-cni and its like below /var/lib/cni: read so that what they attached can be detached, written so
//! that they can detach what was attached here.

mod allocation;
mod cache;
mod find;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use cni::Request;
use serde::{Deserialize, Serialize};
use state::{Dirs, file};

pub(super) use allocation::Allocation;
pub(crate) use allocation::{allocated_by, allocated_to};
pub(crate) use cache::written_since_boot;
pub use cache::{Ours, SriovCniCache};
pub use find::{Found, caches, find};
pub(crate) use find::{default_name, named};
pub(super) use find::{repair, repair_unknown};

use super::device::Id;
use attach::Error;

/// Which of the peer's files belong to an attachment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Files {
    /// `sriov` or `ib-sriov`: the folder below the peers' directory.
    pub folder: String,
    /// Name of the cache in it.
    pub cache: String,
    /// Whether the folder has allocation files, one per device.
    pub allocations: bool,
    /// `CNI_NETNS` of ADD, which is what an allocation file holds.
    pub netns: PathBuf,
}

impl Files {
    /// Those of an attachment, as sriov-cni would name them.
    pub fn of(folder: &str, request: &Request, netns: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
            cache: format!("{}-{}", request.env.container_id, request.env.ifname),
            allocations: true,
            netns: netns.to_owned(),
        }
    }

    /// The cache as the peer names it.
    pub fn cache_path(&self, dirs: &Dirs) -> Result<PathBuf, Error> {
        Ok(dirs.upstream.path(&[&self.folder])?.join(&self.cache))
    }

    /// Writes the cache.
    pub fn save(&self, dirs: &Dirs, cache: &SriovCniCache) -> Result<(), Error> {
        let path = self.cache_path(dirs)?;
        dirs.upstream.create(&[&self.folder])?;
        Ok(file::replace_json(&path, cache)?)
    }

    /// Removes the cache, and the allocation if it is still this attachment's.
    pub(super) fn forget(&self, dirs: &Dirs, id: &Id) -> Result<(), Error> {
        Allocation::of(dirs, self, id)?.give_up(&self.netns)?;
        self.forget_cache(dirs)
    }

    /// Removes a stale cache, and the allocation of the device that it may name, which is returned.
    pub(super) fn forget_all(&self, dirs: &Dirs) -> Result<Option<Id>, Error> {
        let cache = file::read(&self.cache_path(dirs)?)?.as_deref().and_then(SriovCniCache::parse);
        let id = cache.and_then(|cache| Id::parse(&cache.device).ok());
        match &id {
            Some(id) => self.forget(dirs, id)?,
            None => self.forget_cache(dirs)?,
        }
        Ok(id)
    }

    /// The namespace that the device is allocated to.
    pub(super) fn user(&self, dirs: &Dirs, device: &str) -> Result<Option<PathBuf>, Error> {
        Allocation::of(dirs, self, &Id::parse(device)?)?.user()
    }

    /// Removes the cache.
    pub fn forget_cache(&self, dirs: &Dirs) -> Result<(), Error> {
        file::remove(&self.cache_path(dirs)?)?;
        Ok(())
    }
}
