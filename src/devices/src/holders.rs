//! Who holds a device, by the claims of this suite and by what the plugins that ours replace have written since.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use attach::{Error, despite_disk};
use netlink::Rtnetlink;
use netns::NetNs;
use state::{AttachmentKey, Dirs, file};
use sysfs::Root;

use crate::claim::Owner;
use crate::upstream::{Upstream, Users};
use crate::vf::{self, Device, Id};

/// The [claims](crate::claim) on devices that one plugin lends, and where the one that it replaces says the same.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Holders<'a> {
    pub(crate) dirs: &'a Dirs,
    pub(crate) upstream: Upstream,
}

impl<'a> Holders<'a> {
    pub(crate) fn of(upstream: Upstream, dirs: &'a Dirs) -> Self {
        Self { dirs, upstream }
    }

    /// The owner, if it is another than `key` and its claim counts.
    pub(crate) fn other(&self, id: &Id, key: &AttachmentKey) -> Result<Option<Owner>, Error> {
        let Some(owner) = self.owner(id)?.filter(|owner| owner.key != *key) else { return Ok(None) };
        Ok(if self.counts(id, &owner)? { Some(owner) } else { None })
    }

    /// An error if a pod that lives has it.
    pub(crate) fn require_free(&self, id: &Id) -> Result<(), Error> {
        let allocated = |owner: String, netns| vf::Error::Allocated { device: id.to_string(), owner, netns };
        if let Some(owner) = self.living(id)? {
            return Err(allocated(owner.key.to_string(), owner.netns().to_owned()).into());
        }
        // The path may have been used again. If the interface is on the host, no pod has it.
        match self.user(id)?.filter(|netns| is_alive(netns)) {
            Some(netns) if !is_on_host(id)? => Err(allocated("a pod".to_owned(), netns).into()),
            _ => Ok(()),
        }
    }

    /// The owner, if its pod lives and its claim counts: nobody else gets the device. A claim of a living pod that does not
    /// count goes: the device was taken from it.
    fn living(&self, id: &Id) -> Result<Option<Owner>, Error> {
        let Some(owner) = self.owner(id)? else { return Ok(None) };
        if owner.context(self.dirs)?.pod.is_none() {
            return Ok(None);
        }
        if self.counts(id, &owner)? {
            return Ok(Some(owner));
        }
        self.release(id, &owner.key).map(|()| None)
    }

    /// A claim counts if the upstream plugin's files name the same pod. If they name nobody: if the pod lives and the interface
    /// is not on the host.
    fn counts(&self, id: &Id, owner: &Owner) -> Result<bool, Error> {
        let since = self.since(id)?.unwrap_or(SystemTime::UNIX_EPOCH);
        match self.users(id)?.name(&self.upstream.cache(&owner.key), owner.netns(), since) {
            Some(named) => Ok(named),
            None => Ok(owner.context(self.dirs)?.pod.is_some() && !is_on_host(id)?),
        }
    }

    /// Another attachment that the upstream plugin made with the device after that of `key`, by the name of its cache.
    pub(crate) fn superseded(&self, id: &Id, key: &AttachmentKey) -> Result<Option<String>, Error> {
        let is_own = self.owner(id)?.is_some_and(|owner| owner.key == *key);
        let since = if is_own { self.since(id)? } else { None };
        Ok(self.users(id)?.after(&self.upstream.cache(key), since).map(str::to_owned))
    }

    /// Whether it is another's than that of `key`, of which no word is left that names the device.
    pub(crate) fn is_others(&self, id: &Id, key: &AttachmentKey) -> Result<bool, Error> {
        let claimed = self.owner(id)?.is_some_and(|owner| owner.key != *key);
        Ok(claimed || self.users(id)?.caches().next().is_some())
    }

    /// Whether anybody has it, or has not given it back.
    pub(crate) fn is_lent(&self, id: &Id) -> Result<bool, Error> {
        Ok(self.owner(id)?.is_some() || self.users(id)?.caches().next().is_some())
    }

    /// What the upstream plugin's files say of its users.
    pub(crate) fn users(&self, id: &Id) -> Result<Users, Error> {
        Users::find(self.dirs, self.upstream, id)
    }

    /// The namespace that it is allocated to, where the upstream plugin writes that down.
    pub(crate) fn user(&self, id: &Id) -> Result<Option<PathBuf>, Error> {
        let allocation = self.upstream.allocation(self.dirs, id)?;
        allocation.map_or(Ok(None), |allocation| allocation.user())
    }

    /// The name that the upstream plugin would give to the cache of whoever claims the device.
    pub(crate) fn cache(&self, id: &Id) -> Result<Option<String>, Error> {
        Ok(self.owner(id)?.map(|owner| self.upstream.cache(&owner.key)))
    }

    /// The folder of the caches.
    pub(crate) fn folder(&self) -> Result<PathBuf, Error> {
        Ok(self.dirs.upstream.path(&[self.upstream.name()])?)
    }

    /// The cache of an attachment.
    pub(crate) fn cache_path(&self, key: &AttachmentKey) -> Result<PathBuf, Error> {
        Ok(self.folder()?.join(self.upstream.cache(key)))
    }

    /// Writes a cache: what is left to go by when the record is lost, for the upstream plugin, too.
    pub(crate) fn save(&self, key: &AttachmentKey, cache: &impl serde::Serialize) -> Result<(), Error> {
        let path = self.cache_path(key)?;
        self.dirs.upstream.create(&[self.upstream.name()])?;
        Ok(file::replace_json(&path, cache)?)
    }

    /// Removes a cache.
    pub(crate) fn forget_cache(&self, key: &AttachmentKey) -> Result<(), Error> {
        file::remove(&self.cache_path(key)?)?;
        Ok(())
    }

    /// Gives the device to the owner, and tells the upstream plugin.
    pub(crate) fn lend(&self, id: &Id, owner: &Owner) -> Result<(), Error> {
        self.take(id, owner)?;
        let allocation = self.upstream.allocation(self.dirs, id)?;
        allocation.map_or(Ok(()), |allocation| allocation.take(owner.netns()))
    }

    /// Removes all that says that the device is `key`'s, in the namespace `netns`; what says that it is another's stays. So does
    /// what is on a read-only disk, which counts for nothing once the pod is gone.
    pub(crate) fn forget(&self, id: &Id, key: &AttachmentKey, netns: &Path) -> Result<(), Error> {
        if let Some(allocation) = self.upstream.allocation(self.dirs, id)? {
            allocation.give_up(netns).or_else(despite_disk)?;
        }
        self.forget_cache(key).or_else(despite_disk)?;
        self.release(id, key).or_else(despite_disk)
    }
}

/// As the upstream plugins see it: what opens as a namespace is in use.
pub(crate) fn is_alive(netns: &Path) -> bool {
    NetNs::open(netns).is_ok()
}

/// Whether the device's interface is on the host, so that no pod has it.
pub(crate) fn is_on_host(id: &Id) -> Result<bool, Error> {
    let device = Device::find(&Root::system(), id)?;
    device.map_or(Ok(false), |device| Ok(device.link(&mut Rtnetlink::open()?)?.is_some()))
}
