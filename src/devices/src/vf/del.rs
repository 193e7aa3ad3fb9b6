use std::path::Path;

use attach::{Attachments, Del, Error, Undo, Undone, lease};
use cni::{Request, ValidAttachments};
use links::child::other_type;
use state::Dirs;

use super::{VfKind, VfUndo, caches, find_unrecorded};

/// DEL of a VF, by its record or else the upstream plugin's cache.
pub fn del(request: &Request, kind: VfKind) -> Result<(), cni::Error> {
    let cni_netns = request.env.netns.as_deref();
    Del::of(request).run::<VfUndo>(kind.plugin(), |key, context| {
        if let Some(undone) = other_type::release(key, kind.plugin(), context, cni_netns)? {
            return Ok(undone);
        }
        let netns = cni_netns.unwrap_or(Path::new(""));
        let Some(undo) = find_unrecorded(kind, key, netns, context)? else { return Ok(Undone::default()) };
        undo.undo(context)?;
        Ok(Undone::by(&undo))
    })
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
