//! Whose a VF is, by the claims of this suite and the files of the plugin that ours replaces.

use std::path::Path;

use attach::{Failure, UndoContext};
use netlink::Rtnetlink;
use state::{AttachmentKey, Dirs};
use sysfs::Root;

use super::{Device, Error, Id, VfKind, VfUndo, caches};
use crate::holders::{Holders, is_alive};
use crate::rail::RailsOnRecord;

/// Whose the device is now, so that an undo must not touch it: a claim or an allocation names another pod that lives. `netns`
/// is empty where nobody has said which pod it is about.
pub(crate) fn taken_by(
    holders: Holders<'_>,
    id: &Id,
    key: &AttachmentKey,
    netns: &Path,
) -> Result<Option<String>, attach::Error> {
    if let Some(owner) = holders.other(id, key)? {
        return Ok(Some(owner.key.to_string()));
    }
    match holders.user(id)?.filter(|user| user != netns && is_alive(user)) {
        None => Ok(None),
        Some(user) if netns.as_os_str().is_empty() && holders.superseded(id, key)?.is_none() => {
            Err(Error::Unnamed { device: id.to_string(), netns: user }.into())
        }
        Some(user) => Ok(Some(user.display().to_string())),
    }
}

/// Reclaims the device for a new owner: what a pod had that is gone is put back, one that lives is an error. The caller has the
/// lock, and writes its record before it takes the device.
pub(super) fn reclaim(kind: VfKind, dirs: &Dirs, id: &Id) -> Result<(), attach::Error> {
    let holders = kind.holders(dirs);
    holders.require_free(id)?;
    // The last user first: what it found, the one before had left.
    let claimed = holders.cache(id)?;
    repair(kind, dirs, id, claimed.as_deref())?;
    holders.reclaim(id, RailsOnRecord::vf, |undo: &VfUndo, context| undo.undo_locked(id, context))?;
    if claimed.is_some() {
        repair(kind, dirs, id, None)?;
    }
    repair_unknown(kind, dirs, id)
}

/// Puts back what pods left that are gone, from their caches but for the `spared` one, whose record says more.
fn repair(kind: VfKind, dirs: &Dirs, id: &Id, spared: Option<&str>) -> Result<(), attach::Error> {
    if !kind.special().is_repairable(dirs, id)? {
        return Ok(());
    }
    let holders = kind.holders(dirs);
    for name in holders.users(id)?.caches().filter(|name| Some(*name) != spared) {
        let Some(cache) = caches::of_name(kind, dirs, name)? else { continue };
        let Some(key) = cache.key(name) else { continue };
        tracing::info!(device = %id, cache = name, "putting back what a pod that is gone had");
        let undo = cache.undo(kind, key.clone(), id, holders.user(id)?.unwrap_or_default());
        let errors = undo.undo_locked(id, &mut UndoContext::on_host(dirs))?;
        if let Some(error) = attach::Error::join(errors) {
            return Err(Failure::Leftover { key, source: error }.into());
        }
    }
    Ok(())
}

/// Puts back what a pod left that is gone, and of which no cache is left that can be read.
fn repair_unknown(kind: VfKind, dirs: &Dirs, id: &Id) -> Result<(), attach::Error> {
    let Some(device) = Device::find(&Root::system(), id)? else { return Ok(()) };
    let guessed = kind.special().guess_user(dirs, &device, &mut Rtnetlink::open()?)?;
    let Some(undo) = guessed else { return Ok(()) };
    let errors = undo.undo_locked(id, &mut UndoContext::on_host(dirs))?;
    attach::Error::join(errors).map_or(Ok(()), Err)
}
