//! Who has a device: one small file per device beside the records, written before the first change.
//!
//! The plugins that ours replace neither read nor remove these. What happened since a claim was written, their own files
//! tell: whether it still counts is decided where those are known.

use std::fmt::Display;
use std::path::PathBuf;
use std::time::SystemTime;

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

impl Owner {
    /// The namespace of its pod.
    pub fn netns(&self) -> PathBuf {
        self.netns.path.clone()
    }

    /// Its namespace, if that lives.
    pub fn context(&self) -> Result<UndoContext, Error> {
        UndoContext::of(Some(&self.netns), None)
    }

    fn recorded<U: Claimed>(&self, attachments: &Attachments, id: &impl Display) -> Result<Option<U>, Error> {
        let Some(record) = &self.record else {
            return Ok(match attachments.find::<U>(&self.key)? {
                Found::Attached { undo, .. } => Some(undo),
                Found::Nothing | Found::Damaged(_) => None,
            });
        };
        let Found::Attached { undo, .. } = attachments.find::<U::Shared>(record)? else { return Ok(None) };
        Ok(U::of_device(undo, &id.to_string()))
    }
}

impl Claims<'_> {
    /// The owner; what an older boot wrote, or nobody can read, refers to none.
    pub fn owner(&self, id: &impl Display) -> Result<Option<Owner>, Error> {
        let path = self.path(id)?;
        let Some(bytes) = file::read(&path)? else { return Ok(None) };
        let current = BootId::current()?;
        match serde_json::from_slice::<Owner>(&bytes) {
            Ok(owner) => Ok(Some(owner).filter(|owner| owner.boot_id == current)),
            Err(reason) => {
                tracing::warn!(path = %path.display(), %reason, "this claim cannot be read: it counts as nobody's");
                Ok(None)
            }
        }
    }

    /// When it was claimed.
    pub fn since(&self, id: &impl Display) -> Result<Option<SystemTime>, Error> {
        let written = std::fs::metadata(self.path(id)?).and_then(|file| file.modified());
        Ok(written.ok())
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
    ) -> Result<(), Error> {
        let Some(owner) = self.owner(id)? else { return Ok(()) };
        let attachments = Attachments::open(self.dirs, &owner.plugin)?;
        let Some(undo) = owner.recorded::<U>(&attachments, id)? else {
            return self.release(id, &owner.key);
        };
        tracing::info!(device = %id, owner = %owner.key, "putting back what a pod that is gone had");
        match Error::join(put_back(&undo, &mut owner.context()?)?) {
            None if owner.record.is_some() => Ok(()),
            None => attachments.forget(&owner.key),
            Some(error) => Err(Failure::Leftover { key: owner.key.clone(), source: error }.into()),
        }
    }

    fn path(&self, id: &impl Display) -> Result<PathBuf, Error> {
        Ok(self.dirs.state.path(&[self.folder])?.join(id.to_string()))
    }
}
