use attach::{Attachments, Error, Found, Undo, UndoContext, key_of, lease};
use cni::{Request, ValidAttachments};
use state::Dirs;

use super::{IbUndo, NAME, ib_sriov_cni};

/// DEL of an InfiniBand VF, by its record or else the peer's cache. The IPAM's DEL always runs, after the interface has
/// gone; a VF with a user space driver never had addresses.
pub fn del(request: &Request) -> Result<(), cni::Error> {
    let dirs = Dirs::from_env().map_err(Error::from)?;
    let attachments = Attachments::open(&dirs, NAME)?;
    lease::end(request, &attachments, |errors| give_back(request, &dirs, &attachments, errors))
}

/// Returns the IPAM plugin of the record, for a config that names none any more.
fn give_back(
    request: &Request,
    dirs: &Dirs,
    attachments: &Attachments,
    errors: &mut Vec<Error>,
) -> Result<Option<String>, Error> {
    let key = key_of(request)?;
    let cni_netns = request.env.netns.as_deref();
    match attachments.find::<IbUndo>(&key)? {
        Found::Attached { undo, netns } => {
            let mut context = UndoContext::of(netns.as_ref(), cni_netns)?;
            errors.extend(attachments.release(&key, &undo, &mut context));
            return Ok(undo.ipam);
        }
        Found::Damaged(damage) => {
            tracing::warn!(%damage, "the record of this attachment is damaged; its cache has to do");
        }
        Found::Nothing => (),
    }
    let mut context = UndoContext::at(cni_netns)?;
    let cached = ib_sriov_cni::find(dirs, &key, &mut context)?;
    if let Some(undo) = &cached {
        errors.extend(undo.undo(&mut context));
    }
    if errors.is_empty() {
        ib_sriov_cni::forget(dirs, &key)?;
        attachments.forget(&key)?;
    }
    Ok(cached.and_then(|undo| undo.ipam))
}

/// GC of this network: VFs whose attachment is not valid any more, by record and by cache, then the IPAM's own GC.
pub fn gc(request: &Request, valid: &ValidAttachments) -> Result<(), cni::Error> {
    let dirs = Dirs::from_env().map_err(Error::from)?;
    let attachments = Attachments::open(&dirs, NAME)?;
    let (released, mut errors) = attachments.collect::<IbUndo>(&request.config.name, valid)?;
    for undo in ib_sriov_cni::stale(&dirs, &request.config.name, valid)? {
        match undo.undo(&mut UndoContext::default()) {
            failed if failed.is_empty() => {
                tracing::info!(attachment = %undo.key, "released: its cache is not among the valid attachments");
            }
            failed => errors.extend(failed),
        }
    }
    for key in &released {
        tracing::info!(attachment = %key, "released: not among the valid attachments");
    }
    lease::collect(request, errors)
}
