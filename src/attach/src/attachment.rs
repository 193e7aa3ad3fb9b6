//! The write-ahead life of one attachment: its record exists before the first change and goes after the last undo.

mod adding;
mod collect;
#[cfg(test)]
mod tests;

use std::num::NonZeroU64;
use std::path::Path;
use std::time::Duration;

use cni::Request;
use netns::NetNs;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Serialize};
use state::record::{Damage, Loaded};
use state::{AttachmentKey, Dirs, Lock, Netns, Record, Records, Saved};

use crate::{Error, Failure, UndoContext, loopback};

/// How long an ADD, or a DEL, waits for another of the same attachment. A slower one makes it fail with code 11, and the runtime
/// repeats it.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a plugin writes down before it acts, and can put back from that alone.
pub trait Undo: Serialize + DeserializeOwned {
    /// Puts everything back that may have been changed; what is gone already counts as put back. Goes on after a
    /// failure, and the error names them all.
    fn undo(&self, context: &mut UndoContext) -> Result<(), Error>;
    /// The IPAM plugin that gave its addresses, for a config that names none any more.
    fn ipam(&self) -> Option<&str> {
        None
    }
    /// Whether the undo also removes the addresses from other links of the pod. That of a VF does not; then the IPAM's DEL does
    /// it.
    fn silences(&self) -> bool {
        false
    }
}

/// Whether ADD got to its end. A record that did not is a leftover that anybody may undo.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Phase {
    Adding,
    Attached,
}

/// What the record of an attachment holds.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Body<T> {
    phase: Phase,
    /// IPv6 was off on the pod's lo.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    lo_without_ipv6: bool,
    undo: T,
}

/// One plugin's records of attachments.
#[derive(Debug)]
pub struct Attachments {
    dirs: Dirs,
    records: Records,
}

/// An ADD for which nothing is in the way, and that has changed nothing.
#[derive(Debug)]
pub struct Prepared {
    attachments: Attachments,
    key: AttachmentKey,
    netns: Netns,
    superseded: bool,
    lock: Lock,
}

/// An ADD under way: call [`Adding::attached`] at its end, or [`Adding::roll_back`].
#[derive(Debug)]
#[must_use = "an ADD ends as attached or failed"]
pub struct Adding<T> {
    attachments: Attachments,
    record: Record<Body<T>>,
    saved: Saved,
    _lock: Lock,
}

/// What DEL and CHECK found at the place of a record.
#[derive(Debug)]
pub enum Found<T> {
    /// Nothing that concerns the running kernel.
    Nothing,
    /// The undo of a whole record, and the namespace that it is about.
    Attached {
        /// As the plugin wrote it at ADD.
        undo: T,
        /// As it was at ADD.
        netns: Option<Netns>,
    },
    /// A record that cannot be trusted: only what needs no record can be undone.
    Damaged(String),
}

impl<T> Found<T> {
    /// For CHECK: the undo, if it is of an attachment in `pod`, or how the record fails to be that. An attachment made
    /// by the plugin that ours replaced has no record, and that is no fault.
    pub fn about(self, pod: &NetNs) -> Result<Option<T>, String> {
        match self {
            Self::Attached { netns: Some(netns), .. } if !is(pod, &netns) => {
                Err(format!("the record is about another namespace than {}", pod.path().display()))
            }
            Self::Attached { undo, .. } => Ok(Some(undo)),
            Self::Damaged(damage) => Err(format!("the record is damaged: {damage}")),
            Self::Nothing => Ok(None),
        }
    }
}

impl Attachments {
    /// Those of `plugin`, below the state directory.
    pub fn open(dirs: &Dirs, plugin: &str) -> Result<Self, Error> {
        Ok(Self { dirs: dirs.clone(), records: Records::open(dirs, plugin)? })
    }

    /// Where it all is.
    pub(crate) fn dirs(&self) -> &Dirs {
        &self.dirs
    }

    /// Prepares an ADD: what one of the same key left behind when it was killed is undone now. An attachment that
    /// exists is an error, because CNI has no second ADD without a DEL. Until the ADD ends, no other ADD or DEL of the
    /// attachment begins.
    pub fn prepare<T: Undo>(self, key: AttachmentKey, pod: &NetNs) -> Result<Prepared, Error> {
        let lock = self.records.lock(&key, PATIENCE)?;
        let superseded = self.clear::<T>(&key, pod)?;
        Ok(Prepared { attachments: self, key, netns: identity(pod), superseded, lock })
    }

    /// For a DEL, from before it looks to its end: waits for an ADD that is under way. `None` on a disk that takes nothing more,
    /// where no ADD gets anywhere either.
    pub fn lock(&self, key: &AttachmentKey) -> Result<Option<Lock>, Error> {
        self.lock_within(key, PATIENCE)
    }

    fn lock_within(&self, key: &AttachmentKey, patience: Duration) -> Result<Option<Lock>, Error> {
        self.records.lock(key, patience).map(Some).or_else(|error| despite_disk(error).map(|()| None))
    }

    /// The attachment of `key` as its record has it.
    pub fn find<T: DeserializeOwned>(&self, key: &AttachmentKey) -> Result<Found<T>, Error> {
        Ok(match self.records.load::<Body<T>>(key)? {
            Loaded::Present(record) => Found::Attached { undo: record.undo.undo, netns: record.netns },
            Loaded::Damaged(damage) => Found::Damaged(damage.to_string()),
            Loaded::Absent | Loaded::Void(_) => Found::Nothing,
        })
    }

    /// For a DEL: whether the attachment is in a living pod, and `cni_netns` is another namespace. Then this DEL belongs to an
    /// earlier pod with the same container ID, or to an ADD that was refused, and does nothing.
    pub fn exists_elsewhere(&self, key: &AttachmentKey, cni_netns: Option<&Path>) -> bool {
        let Some(path) = cni_netns else { return false };
        let Ok(Loaded::Present(record)) = self.records.load::<Body<IgnoredAny>>(key) else { return false };
        let Some(netns) = record.netns.filter(|netns| netns.path != path) else { return false };
        let is_other = NetNs::open(path).is_ok_and(|pod| !is(&pod, &netns));
        let exists = record.undo.phase == Phase::Attached && is_other && lives(&netns);
        if exists {
            tracing::warn!(
                attachment = %key, netns = %path.display(), attached_to = %netns.path.display(),
                "left alone: it is attached to another living pod than that of CNI_NETNS"
            );
        }
        exists
    }

    /// Undoes an attachment and forgets it. The record stays, for the next try, if anything could not be undone.
    pub fn release<T: Undo>(
        &self,
        key: &AttachmentKey,
        undo: &T,
        context: &mut UndoContext,
    ) -> Result<(), Error> {
        context.attachment = Some(key.clone());
        Error::all([undo.undo(context), self.put_back_lo(key, context)])?;
        self.forget(key)
    }

    /// What [`Adding::wake_lo`] has changed, for an undo that goes without [`release`](Self::release).
    pub fn put_back_lo(&self, key: &AttachmentKey, context: &mut UndoContext) -> Result<(), Error> {
        match self.records.load::<Body<serde_json::Value>>(key)? {
            Loaded::Present(record) => record.undo.put_back_lo(context),
            _ => Ok(()),
        }
    }

    /// Removes the record, whatever it says, and what a writer that was killed left of one.
    pub fn forget(&self, key: &AttachmentKey) -> Result<(), Error> {
        self.records.remove(key).map(drop).or_else(despite_disk)
    }

    /// Whether an unfinished ADD had to be undone.
    fn clear<T: Undo>(&self, key: &AttachmentKey, pod: &NetNs) -> Result<bool, Error> {
        match self.records.load::<Body<T>>(key)? {
            Loaded::Present(old) => self.supersede(&old, pod).map(|()| true),
            // Whole, but for another version to read: what it refers to exists, and only DEL may take it for lost.
            Loaded::Damaged(damage @ Damage::Version(_)) => {
                Err(Failure::OtherVersion { key: key.clone(), damage }.into())
            }
            Loaded::Damaged(damage) => {
                tracing::warn!(attachment = %key, %damage, "an old record is replaced");
                Ok(true)
            }
            Loaded::Absent | Loaded::Void(_) => Ok(false),
        }
    }

    fn supersede<T: Undo>(&self, old: &Record<Body<T>>, pod: &NetNs) -> Result<(), Error> {
        let same_pod = old.netns.as_ref().is_some_and(|netns| is(pod, netns));
        if same_pod && old.undo.phase == Phase::Attached {
            return Err(Failure::Attached { key: old.key.clone(), netns: pod.path().to_owned() }.into());
        }
        if let Some(netns) = old.netns.as_ref().filter(|_| old.undo.phase == Phase::Attached)
            && lives(netns)
        {
            let (there, here) = (netns.path.clone(), pod.path().to_owned());
            return Err(Failure::AttachedElsewhere { key: old.key.clone(), there, here }.into());
        }
        tracing::info!(attachment = %old.key, "undoing what an unfinished ADD left behind");
        let mut context = UndoContext::of(&self.dirs, old.netns.as_ref(), Some(pod.path()))?;
        let undone = old.undo.undo(&old.key, &mut context);
        Ok(undone.map_err(|source| Failure::Leftover { key: old.key.clone(), source })?)
    }
}

impl<T: Undo> Body<T> {
    fn undo(&self, key: &AttachmentKey, context: &mut UndoContext) -> Result<(), Error> {
        context.attachment = Some(key.clone());
        Error::all([self.undo.undo(context), self.put_back_lo(context)])
    }
}

impl<T> Body<T> {
    fn put_back_lo(&self, context: &mut UndoContext) -> Result<(), Error> {
        context.pod.as_mut().filter(|_| self.lo_without_ipv6).map_or(Ok(()), loopback::put_back)
    }
}

/// For an undo: that the disk is full or read-only is no reason to leave the pod as it is.
pub fn despite_disk(error: impl Into<Error>) -> Result<(), Error> {
    let error = error.into();
    if !matches!(error.failure(), Failure::State(error) if error.is_of_disk()) {
        return Err(error);
    }
    tracing::warn!(%error, "going on without: what is to be undone comes first");
    Ok(())
}

/// The name of the attachment that a request is about.
pub fn key_of(request: &Request) -> Result<AttachmentKey, Error> {
    Ok(AttachmentKey::new(&request.config.name, &request.env.container_id, &request.env.ifname)?)
}

/// How a record names a namespace.
pub fn identity(pod: &NetNs) -> Netns {
    let id = pod.id();
    let cookie = pod.cookie().map_or(0, NonZeroU64::get);
    Netns { dev: id.dev, ino: id.ino, cookie, path: pod.path().to_owned() }
}

/// Whether the path of a record still leads to its namespace.
fn lives(netns: &Netns) -> bool {
    NetNs::open(&netns.path).is_ok_and(|pod| is(&pod, netns))
}

/// Whether `pod` is the namespace of a record. Paths are used again and again, and inodes, too.
pub fn is(pod: &NetNs, netns: &Netns) -> bool {
    may_be(pod, netns) && identity(pod).is_same(netns)
}

/// The same before the cookie is known, which is asked of those alone that may be.
pub(crate) fn may_be(pod: &NetNs, netns: &Netns) -> bool {
    let id = pod.id();
    (id.dev, id.ino) == (netns.dev, netns.ino)
}
