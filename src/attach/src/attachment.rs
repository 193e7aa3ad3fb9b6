//! The write-ahead life of one attachment: its record exists before the first change and goes after the last undo.

mod adding;
mod collect;
mod on_record;
#[cfg(test)]
mod tests;

use std::num::NonZeroU64;
use std::time::Duration;

use cni::Request;
use netns::NetNs;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use state::record::{Damage, Loaded};
use state::{AttachmentKey, Dirs, Lock, Netns, Record, Records, Saved};

pub use on_record::OnRecord;

use crate::{Error, Failure, UndoContext};

/// How long an ADD, or a DEL, waits for another of the same attachment. A slower one makes it fail with code 11, and the runtime
/// repeats it.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a plugin writes down before it acts, and can put back from that alone.
pub trait Undo: Serialize + DeserializeOwned {
    /// Puts everything back that may have been changed; what is gone already counts as put back. Goes on after a
    /// failure, and the error names them all.
    fn undo(&self, context: &mut UndoContext) -> Result<(), Error>;
    /// The IPAM plugin that gave each interface its addresses.
    fn ipams(&self) -> Vec<(String, String)> {
        Vec::new()
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
    /// Whose it is: the record without its body, which is the three that follow.
    head: Record<()>,
    phase: Phase,
    lo_without_ipv6: bool,
    undo: T,
    saved: Saved,
    _lock: Lock,
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

    /// Removes the record, whatever it says, and what a writer that was killed left of one.
    pub fn forget(&self, key: &AttachmentKey) -> Result<(), Error> {
        self.records.remove(key).map(drop).or_else(despite_disk)
    }

    /// Whether an unfinished ADD had to be undone.
    fn clear<T: Undo>(&self, key: &AttachmentKey, pod: &NetNs) -> Result<bool, Error> {
        match self.on_record::<T>(key)?.loaded {
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
        if same_pod && old.body.phase == Phase::Attached {
            return Err(Failure::Attached { key: old.key.clone(), netns: pod.path().to_owned() }.into());
        }
        if let Some(netns) = old.netns.as_ref().filter(|_| old.body.phase == Phase::Attached)
            && lives(netns)
        {
            let (there, here) = (netns.path.clone(), pod.path().to_owned());
            return Err(Failure::AttachedElsewhere { key: old.key.clone(), there, here }.into());
        }
        tracing::info!(attachment = %old.key, "undoing what an unfinished ADD left behind");
        let undone = self.undo_record(old, Some(pod.path()));
        Ok(undone.map_err(|source| Failure::Leftover { key: old.key.clone(), source })?)
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
