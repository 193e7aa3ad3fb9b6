use attach::lease::{self, GivenBack};
use attach::{Attachments, Error, Found, Undo, UndoContext, key_of};
use cni::{Request, ValidAttachments};
use state::Dirs;

use super::{IbUndo, NAME, ib_sriov_cni};
use links::child::other_type;

/// DEL of an InfiniBand VF, by its record or else the peer's cache. The IPAM's DEL always runs, after the interface has
/// gone; a VF with a user space driver never had addresses.
pub fn del(request: &Request) -> Result<(), cni::Error> {
    let dirs = Dirs::from_env().map_err(Error::from)?;
    let attachments = Attachments::open(&dirs, NAME)?;
    lease::end(request, &attachments, |errors| give_back(request, &dirs, &attachments, errors))
}

fn give_back(
    request: &Request,
    dirs: &Dirs,
    attachments: &Attachments,
    errors: &mut Vec<Error>,
) -> Result<GivenBack, Error> {
    let key = key_of(request)?;
    let cni_netns = request.env.netns.as_deref();
    match attachments.find::<IbUndo>(&key)? {
        Found::Attached { undo, netns } => {
            let mut context = UndoContext::of(netns.as_ref(), cni_netns)?;
            errors.extend(attachments.release(&key, &undo, &mut context));
            return Ok(GivenBack::lent(undo.ipam));
        }
        Found::Damaged(damage) => {
            tracing::warn!(%damage, "the record of this attachment is damaged; its cache has to do");
        }
        Found::Nothing => {
            if let Some(given_back) = other_type::release(&key, NAME, cni_netns, errors)? {
                return Ok(given_back);
            }
        }
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
    Ok(GivenBack::unrecorded(cached.and_then(|undo| undo.ipam)))
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
    lease::collect(request, &attachments, errors)
}
