//! Who has a device: one small file per device beside the records, written before the first change.
//!
//! The plugins that ours replace neither read nor remove these, so a claim can be out of date: [`holders`](crate::holders) compares
//! it with their files and decides whether it still counts.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use attach::{Attachments, Error, Failure, Undo, UndoContext, identity};
use netns::NetNs;
use serde::{Deserialize, Serialize};
use state::{AttachmentKey, BootId, Dirs, Netns, file};

use crate::holders::Holders;
use crate::rail::RailsOnRecord;
use crate::vf::Id;

/// The attachment that a device is given to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    /// Who wrote the record.
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
    /// An interface of `plugin` in `pod`; `record` is the key of an attachment of several interfaces, if it is in one.
    pub fn new(
        plugin: &str,
        key: AttachmentKey,
        record: Option<&AttachmentKey>,
        pod: &NetNs,
    ) -> Result<Self, Error> {
        let (plugin, record) = (plugin.to_owned(), record.cloned());
        Ok(Self { plugin, key, record, netns: identity(pod), boot_id: BootId::current()? })
    }

    /// The namespace of its pod.
    pub(crate) fn netns(&self) -> &Path {
        &self.netns.path
    }

    /// Its namespace, if that lives.
    pub(crate) fn context(&self, dirs: &Dirs) -> Result<UndoContext, Error> {
        UndoContext::of(dirs, Some(&self.netns), None)
    }

    fn recorded<U: Undo>(
        &self,
        attachments: &Attachments,
        id: &Id,
        of_device: impl FnOnce(RailsOnRecord, &str) -> Option<U>,
    ) -> Result<Option<U>, Error> {
        let Some(record) = &self.record else {
            return Ok(attachments.on_record::<U>(&self.key)?.undo());
        };
        let rails = attachments.on_record::<RailsOnRecord>(record)?.undo();
        Ok(rails.and_then(|rails| of_device(rails, &id.to_string())))
    }
}

impl Holders<'_> {
    /// The owner; what an older boot wrote, or nobody can read, refers to none.
    pub(crate) fn owner(&self, id: &Id) -> Result<Option<Owner>, Error> {
        let path = self.claim(id)?;
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
    pub(crate) fn since(&self, id: &Id) -> Result<Option<SystemTime>, Error> {
        let written = std::fs::metadata(self.claim(id)?).and_then(|file| file.modified());
        Ok(written.ok())
    }

    /// Writes down that the device is the owner's.
    pub(crate) fn take(&self, id: &Id, owner: &Owner) -> Result<(), Error> {
        self.dirs.state.create(&[self.upstream.claims()])?;
        Ok(file::replace_json(&self.claim(id)?, owner)?)
    }

    /// Gives the device up, if it is still `key`'s.
    pub(crate) fn release(&self, id: &Id, key: &AttachmentKey) -> Result<(), Error> {
        if self.owner(id)?.is_none_or(|owner| owner.key == *key) {
            file::remove(&self.claim(id)?)?;
        }
        Ok(())
    }

    /// Puts back what an owner had whose pod is gone, as its DEL would have done; `of_device` picks it from a record of several
    /// rails, which stays for its own DEL: that finds that this device is somebody else's.
    pub(crate) fn reclaim<U: Undo>(
        &self,
        id: &Id,
        of_device: impl FnOnce(RailsOnRecord, &str) -> Option<U>,
        put_back: impl FnOnce(&U, &mut UndoContext) -> Result<Vec<Error>, Error>,
    ) -> Result<(), Error> {
        let Some(owner) = self.owner(id)? else { return Ok(()) };
        let attachments = Attachments::open(self.dirs, &owner.plugin)?;
        let Some(undo) = owner.recorded(&attachments, id, of_device)? else {
            return self.release(id, &owner.key);
        };
        tracing::info!(device = %id, owner = %owner.key, "putting back what a pod that is gone had");
        match Error::join(put_back(&undo, &mut owner.context(self.dirs)?)?) {
            None if owner.record.is_some() => Ok(()),
            None => attachments.forget(&owner.key),
            Some(error) => Err(Failure::Leftover { key: owner.key.clone(), source: error }.into()),
        }
    }

    fn claim(&self, id: &Id) -> Result<PathBuf, Error> {
        Ok(self.dirs.state.path(&[self.upstream.claims()])?.join(id.to_string()))
    }
}
