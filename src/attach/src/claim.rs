//! Who has a device: one small file per device beside the records, written before the first change.

use std::path::PathBuf;

use netns::NetNs;
use serde::{Deserialize, Serialize};
use state::{BootId, Dirs, Key, Netns, file};

use crate::rail::{FromPart, Made};
use crate::vf::Id;
use crate::{Attachments, Error, Failure, Found, Scene, Undo, attachment};

/// The claims of one kind, a folder of the state directory.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Claims<'a> {
    pub(crate) dirs: &'a Dirs,
    pub(crate) folder: &'static str,
}

/// On whose behalf a device is taken.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Claimant<'a> {
    pub(crate) dirs: &'a Dirs,
    /// Who wrote the record.
    pub(crate) plugin: &'a str,
    /// The record of an attachment of several interfaces, if it is one; its own otherwise.
    pub(crate) record: Option<&'a Key>,
    /// The interface.
    pub(crate) key: &'a Key,
}

/// The attachment that a device was given to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Owner {
    plugin: String,
    pub(crate) key: Key,
    /// That of an attachment of several interfaces.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    record: Option<Key>,
    netns: Netns,
    boot_id: BootId,
}

/// What became of the owner before this one.
pub(crate) enum Evicted {
    Free,
    Alive(Box<Owner>),
}

impl Owner {
    pub(crate) fn netns(&self) -> PathBuf {
        self.netns.path.clone()
    }

    fn recorded<U: Undo + FromPart>(
        &self,
        attachments: &Attachments,
        id: &Id,
    ) -> Result<Option<(U, Option<Netns>)>, Error> {
        let Some(record) = &self.record else {
            return Ok(match attachments.find::<U>(&self.key)? {
                Found::Attached { undo, netns } => Some((undo, netns)),
                Found::Nothing | Found::Damaged(_) => None,
            });
        };
        let Found::Attached { undo, netns } = attachments.find::<Made>(record)? else { return Ok(None) };
        Ok(undo.into_part::<U>(&id.to_string()).map(|part| (part, netns)))
    }
}

impl Claims<'_> {
    /// The owner; what an older boot wrote, or nobody can read, speaks of none.
    pub(crate) fn owner(&self, id: &Id) -> Result<Option<Owner>, Error> {
        let Some(bytes) = file::read(&self.path(id)?)? else { return Ok(None) };
        let current = BootId::current()?;
        Ok(serde_json::from_slice::<Owner>(&bytes).ok().filter(|owner| owner.boot_id == current))
    }

    /// Writes down that the device is the claimant's.
    pub(crate) fn take(&self, claimant: &Claimant<'_>, id: &Id, pod: &NetNs) -> Result<(), Error> {
        let Claimant { plugin, record, key, .. } = *claimant;
        let owner = Owner {
            plugin: plugin.to_owned(),
            key: key.clone(),
            record: record.cloned(),
            netns: attachment::identity(pod),
            boot_id: BootId::current()?,
        };
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

    /// Puts back what an owner had whose pod is gone, as its DEL would have done. The record of several devices stays
    /// for its own DEL, which finds that this one is somebody else's.
    pub(crate) fn evict<U: Undo + FromPart>(
        &self,
        id: &Id,
        put_back: impl FnOnce(&U, &mut Scene) -> Result<Vec<Error>, Error>,
    ) -> Result<Evicted, Error> {
        let Some(owner) = self.owner(id)? else { return Ok(Evicted::Free) };
        let attachments = Attachments::open(self.dirs, &owner.plugin)?;
        let Some((undo, netns)) = owner.recorded::<U>(&attachments, id)? else {
            return self.release(id, &owner.key).map(|()| Evicted::Free);
        };
        let mut scene = Scene::of(netns.as_ref(), None)?;
        if scene.pod.is_some() {
            return Ok(Evicted::Alive(Box::new(owner)));
        }
        tracing::info!(device = %id, owner = %owner.key, "putting back what a pod that is gone had");
        match Error::join(put_back(&undo, &mut scene)?) {
            None if owner.record.is_some() => Ok(Evicted::Free),
            None => attachments.forget(&owner.key).map(|()| Evicted::Free),
            Some(error) => Err(Failure::Leftover { key: owner.key.clone(), source: error }.into()),
        }
    }

    fn path(&self, id: &Id) -> Result<PathBuf, Error> {
        Ok(self.dirs.state.path(&[self.folder])?.join(id.to_string()))
    }
}
