use std::path::Path;

use attach::lease::{self, GivenBack};
use attach::{Attachments, Error, Found, Undo, UndoContext, key_of};
use cni::{Request, ValidAttachments};
use state::{AttachmentKey, Dirs};

use super::sriov_cni::{self, Files, SriovCniCache};
use super::{Id, Plugin, VfUndo, owner};
use links::child::other_type;

/// DEL of a VF, by its record or else the peer's cache. The IPAM's DEL always runs, after the interface has gone.
pub fn del(request: &Request, plugin: Plugin) -> Result<(), cni::Error> {
    let dirs = Dirs::from_env().map_err(Error::from)?;
    let attachments = Attachments::open(&dirs, plugin.name)?;
    lease::end(request, &attachments, |errors| give_back(request, plugin, &dirs, &attachments, errors))
}

fn give_back(
    request: &Request,
    plugin: Plugin,
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
            if let Some(given_back) = other_type::release(&key, plugin.name, cni_netns, errors)? {
                return Ok(given_back);
            }
        }
    }
    let files = Files::of(plugin.name, request, cni_netns.unwrap_or(Path::new("")));
    let ipam = unrecorded(dirs, &key, &files, &mut UndoContext::at(cni_netns)?, errors)?;
    if errors.is_empty() {
        attachments.forget(&key)?;
    }
    Ok(GivenBack::unrecorded(ipam))
}

/// What the plugin that ours replaced attached, or ours before a reboot.
fn unrecorded(
    dirs: &Dirs,
    key: &AttachmentKey,
    files: &Files,
    context: &mut UndoContext,
    errors: &mut Vec<Error>,
) -> Result<Option<String>, Error> {
    let Some(undo) = find_unrecorded(dirs, key, files, context)? else { return Ok(None) };
    errors.extend(undo.undo(context));
    Ok(undo.ipam.clone())
}

/// As the peer's cache tells it. One that is about nothing any more is removed.
pub fn find_unrecorded(
    dirs: &Dirs,
    key: &AttachmentKey,
    files: &Files,
    context: &mut UndoContext,
) -> Result<Option<Box<VfUndo>>, Error> {
    match sriov_cni::find(dirs, key, files, context)? {
        sriov_cni::Found::Nothing => Ok(None),
        sriov_cni::Found::Stale => {
            if let Some(id) = files.forget_all(dirs)? {
                owner::release(dirs, &id, key)?;
            }
            Ok(None)
        }
        sriov_cni::Found::Undo(undo) => Ok(Some(undo)),
    }
}

/// GC of this network: VFs whose attachment is not valid any more, by record and by cache, then the IPAM's own GC.
pub fn gc(request: &Request, plugin: Plugin, valid: &ValidAttachments) -> Result<(), cni::Error> {
    let dirs = Dirs::from_env().map_err(Error::from)?;
    let attachments = Attachments::open(&dirs, plugin.name)?;
    let (released, mut errors) = attachments.collect::<VfUndo>(&request.config.name, valid)?;
    for key in &released {
        tracing::info!(attachment = %key, "released: not among the valid attachments");
    }
    errors.extend(
        collect_caches(&dirs, plugin, &request.config.name, valid).unwrap_or_else(|error| vec![error]),
    );
    lease::collect(request, &attachments, errors)
}

fn collect_caches(
    dirs: &Dirs,
    plugin: Plugin,
    network: &str,
    valid: &ValidAttachments,
) -> Result<Vec<Error>, Error> {
    let mut errors = Vec::new();
    for (path, cache) in sriov_cni::caches(dirs, plugin.name)? {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if cache.name != network || is_valid(name, valid) {
            continue;
        }
        let Some(key) = cache.key(name) else { continue };
        match collect_cache(dirs, plugin, &key, &cache, name)? {
            failed if failed.is_empty() => {
                tracing::info!(attachment = %key, "released: not among the valid attachments");
            }
            failed => errors.extend(failed),
        }
    }
    Ok(errors)
}

fn collect_cache(
    dirs: &Dirs,
    plugin: Plugin,
    key: &AttachmentKey,
    cache: &SriovCniCache,
    name: &str,
) -> Result<Vec<Error>, Error> {
    let mut files = Files {
        folder: plugin.name.to_owned(),
        cache: name.to_owned(),
        allocations: true,
        ..Files::default()
    };
    if let Some(since) = owner::holders(dirs).superseded(&Id::parse(&cache.device)?, key)? {
        tracing::info!(attachment = %key, since, "its device is another pod's by now");
        return files.forget_cache(dirs).map(|()| Vec::new());
    }
    files.netns = files.user(dirs, &cache.device)?.unwrap_or_default();
    let mut context = UndoContext::at(Some(&files.netns))?;
    let mut errors = Vec::new();
    unrecorded(dirs, key, &files, &mut context, &mut errors)?;
    Ok(errors)
}

/// Where the container's ID ends in a peer's file name, only the list can tell.
fn is_valid(name: &str, valid: &ValidAttachments) -> bool {
    let dashes = name.match_indices('-').map(|(at, _)| at);
    dashes.into_iter().any(|at| valid.contains(&name[..at], &name[at + 1..]))
}
