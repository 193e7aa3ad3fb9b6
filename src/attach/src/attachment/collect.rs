use std::collections::HashSet;
use std::time::Duration;

use cni::ValidAttachments;
use serde::de::IgnoredAny;
use serde_json::Value;
use state::AttachmentKey;
use state::record::{Damage, Entry, Loaded};

use super::on_record::understood;
use super::{Attachments, Body, Undo};
use crate::{Error, Failure};

impl Attachments {
    /// GC: undoes every attachment of `network` that is not valid any more, and drops the records of older boots.
    /// Returns the keys that were released, and goes on after a failure.
    pub fn collect<T: Undo>(
        &self,
        network: &str,
        valid: &ValidAttachments,
    ) -> Result<(Vec<AttachmentKey>, Vec<Error>), Error> {
        let (mut released, mut errors) = (Vec::new(), Vec::new());
        // A writer that was killed may have left a second file.
        let mut seen = HashSet::new();
        for entry in self.records.list::<IgnoredAny>(network)? {
            match entry {
                Entry::Ours { key, .. } if valid.contains(&key.container_id, &key.ifname) => (),
                Entry::Ours { key, .. } if !seen.insert(key.clone()) => (),
                Entry::Ours { key, .. } => match self.collect_one::<T>(&key) {
                    Ok(true) => released.push(key),
                    Ok(false) => {
                        tracing::info!(attachment = %key, "left alone: an ADD or a DEL of it is under way");
                    }
                    Err(failed) => errors.push(failed),
                },
                Entry::Unreadable { error, .. } => errors.push(error.into()),
                Entry::Foreign { path } => {
                    tracing::warn!(path = %path.display(), "left alone: not a record of this suite");
                }
            }
        }
        self.records.sweep_lock()?;
        Ok((released, errors))
    }

    /// The whole records of `network`.
    pub fn existing<T: Undo>(&self, network: &str) -> Result<Vec<(AttachmentKey, T)>, Error> {
        let whole = |entry| match entry {
            Entry::Ours { key, loaded } => match loaded.and_then(understood) {
                Loaded::Present(record) => Some((key, record.body.undo)),
                _ => None,
            },
            _ => None,
        };
        Ok(self.records.list::<Body<Value>>(network)?.into_iter().filter_map(whole).collect())
    }

    /// Whose attachments of `network` have a record, whatever is in it.
    pub fn keys(&self, network: &str) -> Result<Vec<AttachmentKey>, Error> {
        Ok(self.records.keys(network)?)
    }

    /// For a GC by the caches of the plugins that ours replace: calls `act` unless the attachment has a whole record, or an ADD
    /// or a DEL of it is under way. An ADD writes its cache too, and GC may find that before the list of valid attachments has it.
    /// Whether `act` was called.
    pub fn unless_recorded(
        &self,
        key: &AttachmentKey,
        act: impl FnOnce() -> Result<(), Error>,
    ) -> Result<bool, Error> {
        self.unless_under_way(key, || match self.records.load::<Body<IgnoredAny>>(key)? {
            Loaded::Present(_) => Ok(false),
            _ => act().map(|()| true),
        })
    }

    /// Acts under the attachment's lock. False where somebody else has that.
    fn unless_under_way(
        &self,
        key: &AttachmentKey,
        act: impl FnOnce() -> Result<bool, Error>,
    ) -> Result<bool, Error> {
        let _lock = match self.lock_within(key, Duration::ZERO) {
            Err(error) if error.code() == cni::code::TRY_AGAIN => return Ok(false),
            lock => lock?,
        };
        act()
    }

    /// False for one that somebody is at.
    fn collect_one<T: Undo>(&self, key: &AttachmentKey) -> Result<bool, Error> {
        self.unless_under_way(key, || self.collect_locked::<T>(key).map(|()| true))
    }

    /// As it is now that nobody changes it.
    fn collect_locked<T: Undo>(&self, key: &AttachmentKey) -> Result<(), Error> {
        match self.on_record::<T>(key)?.loaded {
            Loaded::Present(record) => {
                self.undo_record(&record, None)?;
                self.forget(key)
            }
            // Nothing of it is in the kernel, or another file has it whole.
            Loaded::Void(_) | Loaded::Absent | Loaded::Damaged(Damage::Unfinished) => self.forget(key),
            Loaded::Damaged(damage @ Damage::Version(_)) => {
                Err(Failure::OtherVersion { key: key.clone(), damage }.into())
            }
            // Which namespace it was about, nobody knows any more, and the link may be up in it. While there is a record, the IPAM
            // keeps the addresses.
            Loaded::Damaged(damage) => Err(Failure::Damaged { key: key.clone(), damage }.into()),
        }
    }
}
