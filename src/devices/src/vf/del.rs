use std::path::Path;

use attach::lease::{self, GivenBack};
use attach::{Attachments, Error, Undo, UndoContext};
use cni::{Request, ValidAttachments};
use links::child::other_type;
use state::{AttachmentKey, Dirs};

use super::{VfKind, VfUndo, caches, find_unrecorded};

/// DEL of a VF, by its record or else the upstream plugin's cache. The IPAM's DEL comes last, and only once the interface is gone: until
/// then its addresses stay taken.
pub fn del(request: &Request, kind: VfKind) -> Result<(), cni::Error> {
    let dirs = Dirs::from_env().map_err(Error::from)?;
    let attachments = Attachments::open(&dirs, kind.plugin())?;
    lease::end::<VfUndo>(request, &attachments, |key, damage| {
        give_back_unrecorded(request, kind, &dirs, &attachments, key, damage)
    })
}

fn give_back_unrecorded(
    request: &Request,
    kind: VfKind,
    dirs: &Dirs,
    attachments: &Attachments,
    key: &AttachmentKey,
    damage: Option<String>,
) -> Result<GivenBack, Error> {
    let cni_netns = request.env.netns.as_deref();
    if let Some(damage) = damage {
        tracing::warn!(%damage, "the record of this attachment is damaged; its cache has to do");
    } else if let Some(given_back) = other_type::release(dirs, key, kind.plugin(), cni_netns)? {
        return Ok(given_back);
    }
    let mut context = UndoContext::at(dirs, cni_netns)?;
    let netns = cni_netns.unwrap_or(Path::new(""));
    let Some(undo) = find_unrecorded(kind, dirs, key, netns, &mut context)? else {
        return Ok(GivenBack::unrecorded(attachments.forget(key)));
    };
    let undone = undo.undo(&mut context).and_then(|()| attachments.forget(key));
    Ok(GivenBack::by(&undo, undone))
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
    errors.extend(
        caches::collect(kind, &dirs, &attachments, network, valid).unwrap_or_else(|error| vec![error]),
    );
    lease::collect(request, &attachments, errors)
}
