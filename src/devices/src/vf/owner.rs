//! Whose a VF is, by the claims of this suite and the peer's allocation files.

use std::path::{Path, PathBuf};

use attach::claim::{Claimant, Claims};
use netns::NetNs;
use state::{AttachmentKey, Dirs};

use super::device::Id;
use super::sriov_cni::{self, Allocation};
use super::{Error, VfUndo};
use crate::holders::{Holders, is_home};
use crate::users::Peers;

/// Whether an undo may touch the device.
pub(crate) enum Verdict {
    Ours,
    /// Names whose it is now.
    Other(String),
}

pub(super) fn holders(dirs: &Dirs) -> Holders<'_> {
    Holders { claims: Claims { dirs, folder: "devices" }, peers: Peers::Sriov }
}

/// Ours, unless a claim or the peer's allocation file names another pod that lives.
pub(super) fn judge(
    dirs: &Dirs,
    id: &Id,
    key: &AttachmentKey,
    files: &sriov_cni::Files,
) -> Result<Verdict, attach::Error> {
    if let Some(owner) = holders(dirs).other(id, key)? {
        return Ok(Verdict::Other(owner.key.to_string()));
    }
    let user = Allocation::of(dirs, files, id)?.user()?;
    match user.filter(|netns| *netns != files.netns && is_alive(netns)) {
        None => Ok(Verdict::Ours),
        // Which pod it is about, nobody has said.
        Some(netns) if files.netns.as_os_str().is_empty() && holders(dirs).superseded(id, key)?.is_none() => {
            Err(Error::Unnamed { device: id.to_string(), netns }.into())
        }
        Some(netns) => Ok(Verdict::Other(netns.display().to_string())),
    }
}

/// The same for a device of the VF, by another plugin of the chain: its key differs in nothing but the plugin.
pub(crate) fn judge_chained(
    dirs: &Dirs,
    id: &Id,
    key: &AttachmentKey,
    netns: PathBuf,
) -> Result<Verdict, attach::Error> {
    let files = sriov_cni::Files {
        folder: "sriov".to_owned(),
        allocations: true,
        netns,
        ..sriov_cni::Files::default()
    };
    judge(dirs, id, key, &files)
}

/// Reclaims the device for a new owner: what a pod had that is gone is put back, one that lives is an error. The caller has the
/// lock, and writes its record before it takes the device.
pub(super) fn reclaim(dirs: &Dirs, id: &Id, files: &sriov_cni::Files) -> Result<(), attach::Error> {
    let holders = holders(dirs);
    if let Some(owner) = holders.living(id)? {
        return Err(allocated(id, owner.key.to_string(), owner.netns()));
    }
    // Another namespace at that path by now, maybe the new owner's own, has nothing of an interface that is on the host.
    if let Some(netns) = Allocation::of(dirs, files, id)?.user()?.filter(|netns| is_alive(netns))
        && !is_home(id)?
    {
        return Err(allocated(id, "a pod".to_owned(), netns));
    }
    // The last user first: what it found, the one before had left.
    repair(dirs, id, files, holders.cache(id)?.as_deref())?;
    holders.reclaim::<VfUndo>(id, |undo, context| undo.undo_locked(dirs, id, context))?;
    repair(dirs, id, files, None)?;
    // Allocated yet: no word is left of what it was.
    match Allocation::of(dirs, files, id)?.user_of_this_boot()? {
        Some(netns) => sriov_cni::repair_unknown(dirs, files, id, netns),
        None => Ok(()),
    }
}

/// Puts back what pods of the peer left that are gone: its allocation file stays as long as that was not done.
fn repair(dirs: &Dirs, id: &Id, files: &sriov_cni::Files, spared: Option<&str>) -> Result<(), attach::Error> {
    match Allocation::of(dirs, files, id)?.user()? {
        Some(_) => sriov_cni::repair(dirs, files, id, spared),
        None => Ok(()),
    }
}

/// Takes the device, and tells the peer.
pub(super) fn take(
    claimant: &Claimant<'_>,
    id: &Id,
    pod: &NetNs,
    files: &sriov_cni::Files,
) -> Result<(), attach::Error> {
    holders(claimant.dirs).take(claimant, id, pod)?;
    Allocation::of(claimant.dirs, files, id)?.take(pod.path())
}

/// Gives the device up, if it is still `key`'s.
pub(super) fn release(dirs: &Dirs, id: &Id, key: &AttachmentKey) -> Result<(), attach::Error> {
    holders(dirs).release(id, key)
}

fn allocated(id: &Id, owner: String, netns: PathBuf) -> attach::Error {
    Error::Allocated { device: id.to_string(), owner, netns }.into()
}

/// As the peer sees it: what opens as a namespace is in use.
fn is_alive(netns: &Path) -> bool {
    NetNs::open(netns).is_ok()
}
