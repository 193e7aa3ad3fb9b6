use std::time::Duration;

use cni::ValidAttachments;
use state::record::{Damage, Entry, Loaded};
use state::{AttachmentKey, Record};

use super::{Attachments, Held, Undo};
use crate::{Error, Failure, UndoContext};

impl Attachments {
    /// GC: undoes every attachment of `network` that is not valid any more, and drops the records of older boots.
    /// Returns the keys that were released, and goes on after a failure.
    pub fn collect<T: Undo>(
        &self,
        network: &str,
        valid: &ValidAttachments,
    ) -> Result<(Vec<AttachmentKey>, Vec<Error>), Error> {
        let (mut released, mut errors) = (Vec::new(), Vec::new());
        for entry in self.records.list::<Held<T>>(network)? {
            match entry {
                Entry::Ours { key, .. } if valid.contains(&key.container_id, &key.ifname) => (),
                Entry::Ours { key, .. } => match self.collect_one::<T>(&key) {
                    Ok(true) => released.push(key),
                    Ok(false) => {
                        tracing::info!(attachment = %key, "left alone: an ADD or a DEL of it is under way");
                    }
                    Err(failed) => errors.extend(failed),
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
            Entry::Ours { key, loaded: Loaded::Present(record) } => {
                let Record { undo: Held { undo, .. }, .. } = record;
                Some((key, undo))
            }
            _ => None,
        };
        Ok(self.records.list::<Held<T>>(network)?.into_iter().filter_map(whole).collect())
    }

    /// False for one that somebody is at.
    fn collect_one<T: Undo>(&self, key: &AttachmentKey) -> Result<bool, Vec<Error>> {
        let _lock = match self.lock_within(key, Duration::ZERO) {
            Err(error) if error.code() == cni::code::TRY_AGAIN => return Ok(false),
            lock => lock.map_err(|error| vec![error])?,
        };
        // As it is now that nobody changes it.
        let loaded = self.records.load::<Held<T>>(key).map_err(|error| vec![error.into()])?;
        let failed = self.collect_loaded(key, loaded);
        if failed.is_empty() { Ok(true) } else { Err(failed) }
    }

    fn collect_loaded<T: Undo>(&self, key: &AttachmentKey, loaded: Loaded<Held<T>>) -> Vec<Error> {
        match loaded {
            Loaded::Present(record) => self.undo_record(&record),
            // Nothing of it is in the kernel, or another file has it whole.
            Loaded::Void(_) | Loaded::Absent | Loaded::Damaged(Damage::Unfinished) => {
                self.forget(key).err().into_iter().collect()
            }
            Loaded::Damaged(damage @ Damage::Version(_)) => {
                vec![Failure::OtherVersion { key: key.clone(), damage }.into()]
            }
            // Which namespace it was about, nobody knows any more; what is in that ends with it. What is not, as a VF,
            // the plugin finds by its claim or its cache. Said once: the next GC finds no file.
            Loaded::Damaged(damage) => {
                let dropped = Failure::Dropped { key: key.clone(), damage }.into();
                std::iter::once(dropped).chain(self.forget(key).err()).collect()
            }
        }
    }

    fn undo_record<T: Undo>(&self, record: &Record<Held<T>>) -> Vec<Error> {
        match UndoContext::of(record.netns.as_ref(), None) {
            Ok(mut context) => self.release(&record.key, &record.undo.undo, &mut context),
            Err(error) => vec![error],
        }
    }
}
