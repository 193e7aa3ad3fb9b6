use std::path::Path;

use attach::lease::{self, GivenBack};
use attach::{Attachments, Error, Found, Undo, UndoContext, key_of};
use cni::{Request, ValidAttachments};
use links::child::other_type;
use state::Dirs;

use super::{VfKind, VfUndo, caches, find_unrecorded};

/// DEL of a VF, by its record or else the upstream plugin's cache. The IPAM's DEL always runs, after the interface has gone.
pub fn del(request: &Request, kind: VfKind) -> Result<(), cni::Error> {
    let dirs = Dirs::from_env().map_err(Error::from)?;
    let attachments = Attachments::open(&dirs, kind.plugin())?;
    lease::end(request, &attachments, |errors| give_back(request, kind, &dirs, &attachments, errors))
}

fn give_back(
    request: &Request,
    kind: VfKind,
    dirs: &Dirs,
    attachments: &Attachments,
    errors: &mut Vec<Error>,
) -> Result<GivenBack, Error> {
    let key = key_of(request)?;
    let cni_netns = request.env.netns.as_deref();
    match attachments.find::<VfUndo>(&key)? {
        Found::Attached { undo, netns } => {
            let mut context = UndoContext::of(netns.as_ref(), cni_netns)?;
            errors.extend(attachments.release(&key, &undo, &mut context));
            return Ok(GivenBack::lent(undo.ipam));
        }
        Found::Damaged(damage) => {
            tracing::warn!(%damage, "the record of this attachment is damaged; its cache has to do");
        }
        Found::Nothing => {
            if let Some(given_back) = other_type::release(&key, kind.plugin(), cni_netns, errors)? {
                return Ok(given_back);
            }
        }
    }
    let mut context = UndoContext::at(cni_netns)?;
    let netns = cni_netns.unwrap_or(Path::new(""));
    let cached = find_unrecorded(kind, dirs, &key, netns, &mut context)?;
    if let Some(undo) = &cached {
        errors.extend(undo.undo(&mut context));
    }
    if errors.is_empty() {
        attachments.forget(&key)?;
    }
    Ok(GivenBack::unrecorded(cached.and_then(|undo| undo.ipam)))
}

/// GC of this network: VFs whose attachment is not valid any more, by record and by cache, then the IPAM's own GC.
pub fn gc(request: &Request, kind: VfKind, valid: &ValidAttachments) -> Result<(), cni::Error> {
    let dirs = Dirs::from_env().map_err(Error::from)?;
    let network = &request.config.name;
    let attachments = Attachments::open(&dirs, kind.plugin())?;
    let (released, mut errors) = attachments.collect::<VfUndo>(network, valid)?;
    for key in &released {
        tracing::info!(attachment = %key, "released: not among the valid attachments");
    }
    errors.extend(caches::collect(kind, &dirs, network, valid).unwrap_or_else(|error| vec![error]));
    lease::collect(request, &attachments, errors)
}
