//! Who has a device: one small file per device beside the records, written before the first change.

use std::fmt::Display;
use std::path::PathBuf;

use netns::NetNs;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use state::{AttachmentKey, BootId, Dirs, Netns, file};

use crate::{Attachments, Error, Failure, Found, Undo, UndoContext, identity};

/// The undo of one device, alone in its record or among others.
pub trait Claimed: Undo {
    /// What the record of an attachment of several interfaces says of devices.
    type Shared: DeserializeOwned;
    /// The undo of `device` in such a record.
    fn of_device(shared: Self::Shared, device: &str) -> Option<Self>;
}

/// The claims of one kind, a folder of the state directory.
#[derive(Clone, Copy, Debug)]
pub struct Claims<'a> {
    /// Where the state directory is.
    pub dirs: &'a Dirs,
    /// The folder.
    pub folder: &'static str,
}

/// On whose behalf a device is taken.
#[derive(Clone, Copy, Debug)]
pub struct Claimant<'a> {
    /// Where its claims and records are.
    pub dirs: &'a Dirs,
    /// Who wrote the record.
    pub plugin: &'a str,
    /// The record of an attachment of several interfaces, if it is one; its own otherwise.
    pub record: Option<&'a AttachmentKey>,
    /// The interface.
    pub key: &'a AttachmentKey,
}

/// The attachment that a device was given to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    plugin: String,
    /// The interface.
    pub key: AttachmentKey,
    /// That of an attachment of several interfaces.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    record: Option<AttachmentKey>,
    netns: Netns,
    boot_id: BootId,
}

/// What became of the owner before this one.
pub enum Reclaimed {
    /// There is none, or none any more.
    Free,
    /// Its pod lives.
    Alive(Box<Owner>),
}

impl Owner {
    /// The namespace of its pod.
    pub fn netns(&self) -> PathBuf {
        self.netns.path.clone()
    }

    fn recorded<U: Claimed>(
        &self,
        attachments: &Attachments,
        id: &impl Display,
    ) -> Result<Option<(U, Option<Netns>)>, Error> {
        let Some(record) = &self.record else {
            return Ok(match attachments.find::<U>(&self.key)? {
                Found::Attached { undo, netns } => Some((undo, netns)),
                Found::Nothing | Found::Damaged(_) => None,
            });
        };
        let Found::Attached { undo, netns } = attachments.find::<U::Shared>(record)? else { return Ok(None) };
        Ok(U::of_device(undo, &id.to_string()).map(|part| (part, netns)))
    }
}

impl Claims<'_> {
    /// The owner; what an older boot wrote, or nobody can read, refers to none.
    pub fn owner(&self, id: &impl Display) -> Result<Option<Owner>, Error> {
        let Some(bytes) = file::read(&self.path(id)?)? else { return Ok(None) };
        let current = BootId::current()?;
        Ok(serde_json::from_slice::<Owner>(&bytes).ok().filter(|owner| owner.boot_id == current))
    }

    /// Writes down that the device is the claimant's.
    pub fn take(&self, claimant: &Claimant<'_>, id: &impl Display, pod: &NetNs) -> Result<(), Error> {
        let Claimant { plugin, record, key, .. } = *claimant;
        let owner = Owner {
            plugin: plugin.to_owned(),
            key: key.clone(),
            record: record.cloned(),
            netns: identity(pod),
            boot_id: BootId::current()?,
        };
        self.dirs.state.create(&[self.folder])?;
        let path = self.path(id)?;
        Ok(file::replace_json(&path, &owner)?)
    }

    /// Gives the device up, if it is still `key`'s.
    pub fn release(&self, id: &impl Display, key: &AttachmentKey) -> Result<(), Error> {
        if self.owner(id)?.is_none_or(|owner| owner.key == *key) {
            file::remove(&self.path(id)?)?;
        }
        Ok(())
    }

    /// Puts back what an owner had whose pod is gone, as its DEL would have done. The record of several devices stays
    /// for its own DEL, which finds that this one is somebody else's.
    pub fn reclaim<U: Claimed>(
        &self,
        id: &impl Display,
        put_back: impl FnOnce(&U, &mut UndoContext) -> Result<Vec<Error>, Error>,
    ) -> Result<Reclaimed, Error> {
        let Some(owner) = self.owner(id)? else { return Ok(Reclaimed::Free) };
        let attachments = Attachments::open(self.dirs, &owner.plugin)?;
        let Some((undo, netns)) = owner.recorded::<U>(&attachments, id)? else {
            return self.release(id, &owner.key).map(|()| Reclaimed::Free);
        };
        let mut context = UndoContext::of(netns.as_ref(), None)?;
        if context.pod.is_some() {
            return Ok(Reclaimed::Alive(Box::new(owner)));
        }
        tracing::info!(device = %id, owner = %owner.key, "putting back what a pod that is gone had");
        match Error::join(put_back(&undo, &mut context)?) {
            None if owner.record.is_some() => Ok(Reclaimed::Free),
            None => attachments.forget(&owner.key).map(|()| Reclaimed::Free),
            Some(error) => Err(Failure::Leftover { key: owner.key.clone(), source: error }.into()),
        }
    }

    fn path(&self, id: &impl Display) -> Result<PathBuf, Error> {
        Ok(self.dirs.state.path(&[self.folder])?.join(id.to_string()))
    }
}
