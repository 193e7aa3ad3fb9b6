//! Who holds a device, by the claims of this suite and by what the plugins that ours replace have written since.

use std::ops::Deref;
use std::time::SystemTime;

use attach::Error;
use attach::claim::{Claims, Owner};
use netlink::Rtnetlink;
use state::AttachmentKey;
use sysfs::Root;

use crate::users::{Peers, Users};
use crate::vf::{Device, Id};

/// The claims of one kind, and where those plugins say the same.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Holders<'a> {
    pub(crate) claims: Claims<'a>,
    pub(crate) peers: Peers,
}

impl<'a> Deref for Holders<'a> {
    type Target = Claims<'a>;

    fn deref(&self) -> &Claims<'a> {
        &self.claims
    }
}

impl Holders<'_> {
    /// The owner, if it is another than `key` and its claim counts.
    pub(crate) fn other(&self, id: &Id, key: &AttachmentKey) -> Result<Option<Owner>, Error> {
        let Some(owner) = self.owner(id)?.filter(|owner| owner.key != *key) else { return Ok(None) };
        Ok(if self.counts(id, &owner)? { Some(owner) } else { None })
    }

    /// The owner, if its pod lives and its claim counts: nobody else gets the device. A claim of a living pod that does not
    /// count goes: the device was taken from it.
    pub(crate) fn living(&self, id: &Id) -> Result<Option<Owner>, Error> {
        let Some(owner) = self.owner(id)? else { return Ok(None) };
        if owner.context()?.pod.is_none() {
            return Ok(None);
        }
        if self.counts(id, &owner)? {
            return Ok(Some(owner));
        }
        self.release(id, &owner.key).map(|()| None)
    }

    /// While the peers' files name the owner; where they name nobody, while it lives and may have the device.
    fn counts(&self, id: &Id, owner: &Owner) -> Result<bool, Error> {
        let users = Users::find(self.dirs, self.peers, id)?;
        let since = self.since(id)?.unwrap_or(SystemTime::UNIX_EPOCH);
        match users.name(&self.peers.cache(&owner.key), &owner.netns(), since) {
            Some(named) => Ok(named),
            None => Ok(owner.context()?.pod.is_some() && !is_home(id)?),
        }
    }

    /// Another attachment that a peer made with the device after that of `key`, by the name of its cache.
    pub(crate) fn superseded(&self, id: &Id, key: &AttachmentKey) -> Result<Option<String>, Error> {
        let is_own = self.owner(id)?.is_some_and(|owner| owner.key == *key);
        let since = if is_own { self.since(id)? } else { None };
        let users = Users::find(self.dirs, self.peers, id)?;
        Ok(users.after(&self.peers.cache(key), since).map(str::to_owned))
    }

    /// Whether it is another's than that of `key`, of which no word is left that names the device.
    pub(crate) fn is_others(&self, id: &Id, key: &AttachmentKey) -> Result<bool, Error> {
        let claimed = self.owner(id)?.is_some_and(|owner| owner.key != *key);
        Ok(claimed || Users::find(self.dirs, self.peers, id)?.caches().next().is_some())
    }

    /// Whether anybody has it, or has not given it back.
    pub(crate) fn is_lent(&self, id: &Id) -> Result<bool, Error> {
        let claimed = self.owner(id)?.is_some();
        Ok(claimed || Users::find(self.dirs, self.peers, id)?.caches().next().is_some())
    }

    /// The name that the peers would give to the cache of whoever claims the device.
    pub(crate) fn cache(&self, id: &Id) -> Result<Option<String>, Error> {
        Ok(self.owner(id)?.map(|owner| self.peers.cache(&owner.key)))
    }
}

/// Whether the device's interface is on the host, so that no pod has it.
pub(crate) fn is_home(id: &Id) -> Result<bool, Error> {
    let device = Device::find(&Root::system(), id)?;
    device.map_or(Ok(false), |device| Ok(device.link(&mut Rtnetlink::open()?)?.is_some()))
}
