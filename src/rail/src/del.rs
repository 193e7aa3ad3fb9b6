use std::path::Path;

use attach::ipam::{Ipam, VALID, with_key};
use attach::{Attachments, Del, Error, Undo, UndoContext, Undone, key_of};
use cni::{Attachment, Request, ValidAttachments};
use devices::rdma::{self, RdmaUndo};
use devices::vf::{VfKind, VfUndo};
use links::child::other_type;
use serde_json::Value;
use state::{AttachmentKey, Dirs};

use super::{PLUGIN, RailsUndo};

/// DEL of all rails; `rails` are their requests, as far as the config can still be read.
pub fn del(request: &Request, rails: &[Request], ipam: &dyn Ipam) -> Result<(), cni::Error> {
    let cni_netns = request.env.netns.as_deref();
    Del::of_several(request, rails, ipam).run::<RailsUndo>(PLUGIN, |_, context| {
        let detached = detach_other_type(rails, cni_netns, context);
        Error::all([detached, undo_unrecorded(request, rails, context)])?;
        Ok(Undone::default())
    })
}

fn undo_unrecorded(request: &Request, rails: &[Request], context: &mut UndoContext) -> Result<(), Error> {
    let made = RailsUndo::of_caches(rails, context)?;
    made.with_config(rails, request.config.prev_result.as_ref(), context)?.undo(context)
}

/// Who changes a chain to one plugin has pods of the chain, whose plugins come off in turn. Goes on after a failure.
fn detach_other_type(
    rails: &[Request],
    cni_netns: Option<&Path>,
    context: &UndoContext,
) -> Result<(), Error> {
    let mut outcomes = Vec::new();
    for rail in rails {
        let (dirs, key) = (&context.dirs, &key_of(rail)?);
        outcomes.push(detach::<routing::RoutingUndo>(dirs, routing::PLUGIN, key, cni_netns));
        outcomes.push(detach::<RdmaUndo>(dirs, rdma::NAME, key, cni_netns));
        for kind in VfKind::ALL {
            outcomes.push(detach::<VfUndo>(dirs, kind.plugin(), key, cni_netns));
        }
        outcomes.push(other_type::release(key, PLUGIN, context, cni_netns).map(drop));
    }
    Error::all(outcomes)
}

/// By the record of that plugin, if there is one.
fn detach<T: Undo>(
    dirs: &Dirs,
    plugin: &str,
    key: &AttachmentKey,
    cni_netns: Option<&Path>,
) -> Result<(), Error> {
    Attachments::open(dirs, plugin)?.release::<T>(key, cni_netns).map(drop)
}

/// GC of this network: attachments that are not valid any more, then the IPAM's own GC.
pub fn gc(
    request: &Request,
    rails: &[Request],
    valid: &ValidAttachments,
    ipam: &dyn Ipam,
) -> Result<(), cni::Error> {
    let dirs = Dirs::from_env().map_err(Error::from)?;
    let attachments = Attachments::open(&dirs, PLUGIN)?;
    let (released, mut errors) = attachments.collect::<RailsUndo>(&request.config.name, valid)?;
    errors.extend(routing::forget_older_boots(&dirs));
    for key in &released {
        tracing::info!(attachment = %key, "released: not among the valid attachments");
    }
    let mut errors: Vec<_> = errors.into_iter().map(cni::Error::from).collect();
    let recorded = every_interface(&attachments, &request.config.name)?;
    let list = attach::ipam::valid(request, recorded.into_iter());
    let mut seen: Vec<&Value> = Vec::new();
    for rail in rails {
        let (Some(plugin), Some(config)) = (&rail.config.ipam_type, rail.config.at(&["ipam"])) else {
            continue;
        };
        if !seen.contains(&config) {
            seen.push(config);
            let told = with_key(rail, VALID, list.clone());
            errors.extend(told.and_then(|told| ipam.gc(&told, plugin)).err());
        }
    }
    cni::Error::join(errors).map_or(Ok(()), Err)
}

/// The runtime knows the first interface of an attachment; the IPAM has leases of all.
fn every_interface(attachments: &Attachments, network: &str) -> Result<Vec<Attachment>, Error> {
    let of =
        |key: &AttachmentKey, ifname: String| Attachment { container_id: key.container_id.clone(), ifname };
    // Of a record that cannot be read, the first is all that is known.
    let keys = attachments.keys(network)?;
    let mut all: Vec<_> = keys.iter().map(|key| of(key, key.ifname.clone())).collect();
    for (key, made) in attachments.existing::<RailsUndo>(network)? {
        all.extend(made.rails.into_iter().map(|rail| of(&key, rail.ifname)));
    }
    Ok(all)
}
