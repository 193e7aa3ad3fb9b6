//! Who has a device: one small file per device beside the records, written before the first change.

use std::path::PathBuf;

use netns::NetNs;
use serde::{Deserialize, Serialize};
use state::{BootId, Dirs, Key, Netns, file};

use crate::vf::Id;
use crate::{Attachments, Error, Found, Scene, Undo, attachment};

/// The claims of one kind, a folder of the state directory.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Claims<'a> {
    pub(crate) dirs: &'a Dirs,
    pub(crate) folder: &'static str,
}

/// The attachment that a device was given to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Owner {
    plugin: String,
    pub(crate) key: Key,
    netns: Netns,
    boot_id: BootId,
}

/// What became of the owner before this one.
pub(crate) enum Evicted {
    Free,
    Alive(Owner),
}

impl Owner {
    pub(crate) fn netns(&self) -> PathBuf {
        self.netns.path.clone()
    }
}

impl Claims<'_> {
    /// The owner; what an older boot wrote, or nobody can read, speaks of none.
    pub(crate) fn owner(&self, id: &Id) -> Result<Option<Owner>, Error> {
        let Some(bytes) = file::read(&self.path(id)?)? else { return Ok(None) };
        let current = BootId::current()?;
        Ok(serde_json::from_slice::<Owner>(&bytes).ok().filter(|owner| owner.boot_id == current))
    }

    /// Writes down that the device is `key`'s.
    pub(crate) fn take(&self, plugin: &str, id: &Id, key: &Key, pod: &NetNs) -> Result<(), Error> {
        let netns = attachment::identity(pod);
        let owner = Owner { plugin: plugin.to_owned(), key: key.clone(), netns, boot_id: BootId::current()? };
        self.dirs.state.create(&[self.folder])?;
        let path = self.path(id)?;
        let encode =
            |error: serde_json::Error| state::Error::Encode { path: path.clone(), reason: error.to_string() };
        Ok(file::replace(&path, &serde_json::to_vec(&owner).map_err(encode)?)?)
    }

    /// Gives the device up, if it is still `key`'s.
    pub(crate) fn release(&self, id: &Id, key: &Key) -> Result<(), Error> {
        if self.owner(id)?.is_none_or(|owner| owner.key == *key) {
            file::remove(&self.path(id)?)?;
        }
        Ok(())
    }

    /// Puts back what an owner had whose pod is gone, as its DEL would have done.
    pub(crate) fn evict<U: Undo>(
        &self,
        id: &Id,
        put_back: impl FnOnce(&U, &mut Scene) -> Result<Vec<Error>, Error>,
    ) -> Result<Evicted, Error> {
        let Some(owner) = self.owner(id)? else { return Ok(Evicted::Free) };
        let attachments = Attachments::open(self.dirs, &owner.plugin)?;
        let Found::Attached { undo, netns } = attachments.find::<U>(&owner.key)? else {
            return self.release(id, &owner.key).map(|()| Evicted::Free);
        };
        let mut scene = Scene::of(netns.as_ref(), None)?;
        if scene.pod.is_some() {
            return Ok(Evicted::Alive(owner));
        }
        tracing::info!(device = %id, owner = %owner.key, "putting back what a pod that is gone had");
        match Error::join(put_back(&undo, &mut scene)?) {
            None => attachments.forget(&owner.key).map(|()| Evicted::Free),
            Some(error) => Err(Error::Leftover { key: owner.key.clone(), source: Box::new(error) }),
        }
    }

    fn path(&self, id: &Id) -> Result<PathBuf, Error> {
        Ok(self.dirs.state.path(&[self.folder])?.join(id.to_string()))
    }
}
