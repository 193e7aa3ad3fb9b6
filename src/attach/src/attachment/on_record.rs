use std::path::Path;

use netns::NetNs;
use serde::de::DeserializeOwned;
use serde_json::Value;
use state::record::{Damage, Loaded};
use state::{AttachmentKey, Netns, Record};

use super::{Attachments, Body, Phase, Undo, is, lives};
use crate::{Error, UndoContext, loopback};

/// What there is at the place of a record, read once.
#[derive(Debug)]
pub struct OnRecord<T> {
    pub(super) loaded: Loaded<Body<T>>,
    /// The namespace of an attachment whose ADD got to its end, even if its undo is not understood.
    attached: Option<Netns>,
}

impl Attachments {
    /// The attachment of `key`, as its record has it now.
    pub fn on_record<T: DeserializeOwned>(&self, key: &AttachmentKey) -> Result<OnRecord<T>, Error> {
        let loaded = self.records.load::<Body<Value>>(key)?;
        let attached = match &loaded {
            Loaded::Present(record) if record.body.phase == Phase::Attached => record.netns.clone(),
            _ => None,
        };
        Ok(OnRecord { loaded: loaded.and_then(understood), attached })
    }

    /// Undoes an attachment by its record, in its pod if that lives; `None` without a record that can be trusted, which a damaged
    /// one is not.
    pub(crate) fn undo<T: Undo>(
        &self,
        on_record: OnRecord<T>,
        cni_netns: Option<&Path>,
    ) -> Result<Option<T>, Error> {
        let Some(record) = on_record.whole() else { return Ok(None) };
        self.undo_record(&record, cni_netns)?;
        Ok(Some(record.body.undo))
    }

    /// Undoes an attachment by its record, and forgets it; `None` without one. The record stays, for the next try, if anything
    /// could not be undone.
    pub fn release<T: Undo>(
        &self,
        key: &AttachmentKey,
        cni_netns: Option<&Path>,
    ) -> Result<Option<T>, Error> {
        let undone = self.undo(self.on_record(key)?, cni_netns)?;
        if undone.is_some() {
            self.forget(key)?;
        }
        Ok(undone)
    }

    pub(super) fn undo_record<T: Undo>(
        &self,
        record: &Record<Body<T>>,
        cni_netns: Option<&Path>,
    ) -> Result<(), Error> {
        let Body { lo_without_ipv6, undo, .. } = &record.body;
        self.undo_of(record, undo, *lo_without_ipv6, cni_netns)
    }

    /// The undo itself, and the pod's lo as it was; `record` says whose it is.
    pub(super) fn undo_of<T: Undo, B>(
        &self,
        record: &Record<B>,
        undo: &T,
        lo_without_ipv6: bool,
        cni_netns: Option<&Path>,
    ) -> Result<(), Error> {
        let mut context = UndoContext::of(&self.dirs, record.netns.as_ref(), cni_netns)?;
        context.attachment = Some(record.key.clone());
        let undone = undo.undo(&mut context);
        let pod = context.pod.as_mut().filter(|_| lo_without_ipv6);
        Error::all([undone, pod.map_or(Ok(()), loopback::put_back)])
    }
}

/// The undo of a plugin's own. By way of a [`Value`], every type of undo shares one reader of records.
pub(super) fn understood<T: DeserializeOwned>(body: Body<Value>) -> Result<Body<T>, Damage> {
    let Body { phase, lo_without_ipv6, undo } = body;
    let undo = serde_json::from_value(undo).map_err(|error| Damage::Contents(error.to_string()))?;
    Ok(Body { phase, lo_without_ipv6, undo })
}

impl<T> OnRecord<T> {
    /// The undo of a whole record of this boot.
    pub fn undo(self) -> Option<T> {
        self.whole().map(|record| record.body.undo)
    }

    /// For CHECK: the undo, if it is of an attachment in `pod`, or how the record fails to be that. An attachment made
    /// by the plugin that ours replaced has no record, and that is no fault.
    pub fn about(self, pod: &NetNs) -> Result<Option<T>, String> {
        match self.loaded {
            Loaded::Damaged(damage) => Err(format!("the record is damaged: {damage}")),
            Loaded::Present(Record { netns: Some(netns), .. }) if !is(pod, &netns) => {
                Err(format!("the record is about another namespace than {}", pod.path().display()))
            }
            Loaded::Present(record) => Ok(Some(record.body.undo)),
            Loaded::Absent | Loaded::Void(_) => Ok(None),
        }
    }

    /// For a DEL: whether the attachment is in a living pod, and `cni_netns` is another namespace. Then this DEL belongs to an
    /// earlier pod with the same container ID, or to an ADD that was refused, and does nothing.
    pub fn is_elsewhere(&self, key: &AttachmentKey, cni_netns: Option<&Path>) -> bool {
        let attached = self.attached.as_ref();
        let Some((netns, path)) = attached.zip(cni_netns).filter(|(netns, path)| netns.path != *path) else {
            return false;
        };
        let is_other = NetNs::open(path).is_ok_and(|pod| !is(&pod, netns));
        let exists = is_other && lives(netns);
        if exists {
            tracing::warn!(
                attachment = %key, netns = %path.display(), attached_to = %netns.path.display(),
                "left alone: it is attached to another living pod than that of CNI_NETNS"
            );
        }
        exists
    }

    /// The whole record; a damaged one is told of.
    pub(super) fn whole(self) -> Option<Record<Body<T>>> {
        match self.loaded {
            Loaded::Present(record) => Some(record),
            Loaded::Damaged(damage) => {
                tracing::warn!(%damage, "the record of this attachment is damaged: what else tells of it has to do");
                None
            }
            Loaded::Absent | Loaded::Void(_) => None,
        }
    }
}
