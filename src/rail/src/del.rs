use std::path::Path;

use attach::ipam::{Ipam, VALID, with_key};
use attach::{Attachments, Error, Found, Undo, UndoContext, key_of};
use cni::{Attachment, Request, ValidAttachments};
use devices::MadeRail;
use devices::rdma::{self, RdmaUndo};
use devices::vf::{VfKind, VfUndo};
use links::child::other_type;
use serde_json::Value;
use state::{AttachmentKey, Dirs};

use super::{PLUGIN, RailsUndo};

/// DEL of all rails; `rails` are their requests, as far as the config can still be read. The record goes last.
pub fn del(request: &Request, rails: &[Request], ipam: &dyn Ipam) -> Result<(), cni::Error> {
    let dirs = Dirs::from_env().map_err(Error::from)?;
    let attachments = Attachments::open(&dirs, PLUGIN)?;
    // What is no key has no record, and no lease: its ADD was refused.
    let Ok(key) = key_of(request) else { return Ok(()) };
    let _lock = attachments.lock(&key)?;
    if attachments.exists_elsewhere(&key, request.env.netns.as_deref()) {
        return Ok(());
    }
    let (mut errors, mut made, mut recorded) = (Vec::new(), RailsUndo::default(), false);
    match undo(&dirs, &attachments, request, &key, rails, &mut errors) {
        Ok(undone) => (made, recorded) = undone,
        Err(error) => errors.push(error),
    }
    let mut errors: Vec<_> = errors.into_iter().map(cni::Error::from).collect();
    if errors.is_empty() {
        let held = leases(request, rails, &made.rails);
        errors.extend(held.filter_map(|(mut of, plugin)| {
            of.env.unrecorded = !(recorded && made.silences());
            ipam.del(&of, &plugin).err()
        }));
    } else {
        tracing::warn!(
            "the addresses stay taken until the interfaces are seen to be gone: DEL has to be repeated"
        );
    }
    if errors.is_empty() {
        attachments.forget(&key)?;
    }
    cni::Error::join(errors).map_or(Ok(()), Err)
}

/// What there was, and whether a record told it.
fn undo(
    dirs: &Dirs,
    attachments: &Attachments,
    request: &Request,
    key: &AttachmentKey,
    rails: &[Request],
    errors: &mut Vec<Error>,
) -> Result<(RailsUndo, bool), Error> {
    let cni_netns = request.env.netns.as_deref();
    let mut recorded = true;
    let (made, mut context) = match attachments.find::<RailsUndo>(key)? {
        Found::Attached { undo, netns } => (undo, UndoContext::of(dirs, netns.as_ref(), cni_netns)?),
        unusable => {
            if let Found::Damaged(damage) = unusable {
                tracing::warn!(%damage, "the record of this attachment is damaged; the config and the caches of sriov-cni, ib-sriov-cni and rdma-cni are used instead");
            }
            recorded = false;
            detach_other_type(dirs, rails, cni_netns, errors)?;
            let mut context = UndoContext::at(dirs, cni_netns)?;
            context.attachment = Some(key.clone());
            let made = RailsUndo::of_caches(dirs, rails, &mut context)?;
            (made.with_config(rails, request.config.prev_result.as_ref(), &context)?, context)
        }
    };
    context.attachment = Some(key.clone());
    errors.extend(made.undo(&mut context).err());
    errors.extend(attachments.put_back_lo(key, &mut context).err());
    Ok((made, recorded))
}

/// Who changes a chain to one plugin has pods of the chain, whose plugins come off in turn.
fn detach_other_type(
    dirs: &Dirs,
    rails: &[Request],
    cni_netns: Option<&Path>,
    errors: &mut Vec<Error>,
) -> Result<(), Error> {
    for rail in rails {
        let key = key_of(rail)?;
        detach::<routing::RoutingUndo>(dirs, routing::PLUGIN, &key, cni_netns, errors)?;
        detach::<RdmaUndo>(dirs, rdma::NAME, &key, cni_netns, errors)?;
        for kind in VfKind::ALL {
            detach::<VfUndo>(dirs, kind.plugin(), &key, cni_netns, errors)?;
        }
        let given_back = other_type::release(dirs, &key, PLUGIN, cni_netns)?;
        errors.extend(given_back.and_then(|given_back| given_back.undone.err()));
    }
    Ok(())
}

/// By the record of that plugin, if there is one.
fn detach<T: Undo>(
    dirs: &Dirs,
    plugin: &str,
    key: &AttachmentKey,
    cni_netns: Option<&Path>,
    errors: &mut Vec<Error>,
) -> Result<(), Error> {
    let attachments = Attachments::open(dirs, plugin)?;
    if let Found::Attached { undo, netns } = attachments.find::<T>(key)? {
        let mut context = UndoContext::of(dirs, netns.as_ref(), cni_netns)?;
        errors.extend(attachments.release(key, &undo, &mut context).err());
    }
    Ok(())
}

/// Who may hold addresses of which IPAM plugin: the rails of the config, and those of the record that it has not.
fn leases<'a>(
    request: &'a Request,
    rails: &'a [Request],
    made: &'a [MadeRail],
) -> impl Iterator<Item = (Request, String)> + 'a {
    let recorded = |ifname: &str| made.iter().find(|rail| rail.ifname == ifname)?.ipam.clone();
    let of_config = rails.iter().filter_map(move |rail| {
        let plugin = rail.config.ipam_type.clone().or_else(|| recorded(&rail.env.ifname))?;
        Some((rail.clone(), plugin))
    });
    let is_other = |other: &&MadeRail| rails.iter().all(|rail| rail.env.ifname != other.ifname);
    let of_record = made.iter().filter(is_other).filter_map(|other| {
        let mut rail = request.clone();
        rail.env.ifname.clone_from(&other.ifname);
        Some((rail, other.ipam.clone()?))
    });
    of_config.chain(of_record)
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
