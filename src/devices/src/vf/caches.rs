//! What the caches of the plugins that ours replace tell of attachments that have no record.

use std::path::{Path, PathBuf};

use attach::{Attachments, Error, Undo, UndoContext, containers_of_several};
use cni::ValidAttachments;
use netlink::Guid;
use state::{AttachmentKey, BootId, Dirs, file};

use super::{Attributes, Id, Netdev, RdmaBefore, VfKind, VfUndo, torn};
use crate::upstream::{Upstream, is_of_this_boot, names};

/// One of them, as far as an undo needs it.
#[derive(Debug, Default)]
pub(super) struct UpstreamCache {
    /// The config's `name`.
    pub(super) network: String,
    /// `deviceID`
    pub(super) device: String,
    /// What those of ours have besides: in which boot it was written, and the whole key.
    pub(super) ours: Option<(BootId, AttachmentKey)>,
    pub(super) driver: Option<String>,
    pub(super) netdev: Option<Netdev>,
    pub(super) before: Option<Attributes>,
    pub(super) ipam: Option<String>,
    pub(super) guid: Option<Guid>,
    pub(super) rdma: Option<RdmaBefore>,
    pub(super) isolated: Option<bool>,
}

impl UpstreamCache {
    /// The undo that it allows, of an attachment in the namespace `netns`.
    pub(super) fn undo(self, kind: VfKind, key: AttachmentKey, id: &Id, netns: PathBuf) -> VfUndo {
        VfUndo {
            driver: self.driver,
            netdev: self.netdev,
            before: self.before,
            ipam: self.ipam,
            guid: self.guid,
            rdma: self.rdma,
            isolated: self.isolated,
            ..VfUndo::of(kind, key, id, netns)
        }
    }

    /// Whose it is. The upstream plugins' file name is `CONTAINER-IFNAME`, and names of interfaces seldom have a dash.
    pub(super) fn key(&self, name: &str) -> Option<AttachmentKey> {
        if let Some((_, key)) = &self.ours {
            return Some(key.clone());
        }
        let (container, ifname) = name.rsplit_once('-')?;
        AttachmentKey::new(&self.network, container, ifname).ok()
    }
}

/// As the cache of an attachment tells it; a crash may have torn that. One that is about nothing any more is removed.
pub fn find_unrecorded(
    kind: VfKind,
    key: &AttachmentKey,
    netns: &Path,
    context: &mut UndoContext,
) -> Result<Option<VfUndo>, Error> {
    let dirs = &context.dirs.clone();
    let holders = kind.holders(dirs);
    let path = holders.cache_path(key)?;
    let Some(bytes) = file::read(&path)? else { return Ok(None) };
    let Some(cache) = kind.special().parse(&bytes) else {
        tracing::warn!(path = %path.display(), "this cache does not say which device it is about");
        let guessed = torn::find(kind, dirs, key, netns, context)?;
        if guessed.is_none() {
            holders.forget_cache(key)?;
        }
        return Ok(guessed);
    };
    match Id::parse(&cache.device) {
        Ok(id) if is_of_this_boot(&path, cache.ours.as_ref().map(|(boot_id, _)| boot_id))? => {
            Ok(Some(cache.undo(kind, key.clone(), &id, netns.to_owned())))
        }
        Ok(id) => holders.forget(&id, key, netns).map(|()| None),
        Err(_) => holders.forget_cache(key).map(|()| None),
    }
}

/// GC: undoes the attachments of `network` that only a cache names, and that are not valid any more.
pub(super) fn collect(
    kind: VfKind,
    dirs: &Dirs,
    attachments: &Attachments,
    network: &str,
    valid: &ValidAttachments,
) -> Result<Vec<Error>, Error> {
    let mut errors = Vec::new();
    let names = names(&kind.holders(dirs).folder()?);
    // After the names of the caches: an ADD writes its record before its cache.
    let of_rail = containers_of_several(dirs, network)?;
    for name in names {
        let Some(cache) = of_name(kind, dirs, &name)? else { continue };
        if cache.network != network || is_valid(&name, valid) {
            continue;
        }
        let Some(key) = cache.key(&name) else { continue };
        if of_rail.contains(&key.container_id) {
            tracing::info!(attachment = %key, "left alone: its container has a record of rail, which railctl gc judges");
            continue;
        }
        match attachments.unless_recorded(&key, || collect_one(kind, dirs, &key)) {
            Ok(true) => {
                tracing::info!(attachment = %key, "released: its cache is not among the valid attachments");
            }
            Ok(false) => tracing::info!(attachment = %key, "left alone: it has a record, or is under way"),
            Err(failed) => errors.push(failed),
        }
    }
    Ok(errors)
}

/// The pod is whoever has the VF, as long as no other attachment of it came later.
fn collect_one(kind: VfKind, dirs: &Dirs, key: &AttachmentKey) -> Result<(), Error> {
    let holders = kind.holders(dirs);
    // As it is now that nobody changes it.
    let Some(cache) = of_name(kind, dirs, &kind.special().upstream().cache(key))? else { return Ok(()) };
    let Ok(id) = Id::parse(&cache.device) else { return holders.forget_cache(key) };
    if let Some(since) = holders.superseded(&id, key)? {
        tracing::info!(attachment = %key, since, "its device is another pod's by now");
        return holders.forget_cache(key);
    }
    let netns = holders.user(&id)?.unwrap_or_default();
    let mut context = UndoContext::at(dirs, Some(&netns))?;
    let undo = find_unrecorded(kind, key, &netns, &mut context)?;
    undo.map_or(Ok(()), |undo| undo.undo(&mut context))
}

/// The cache of that name; `None` if it does not say which device it is about.
pub(super) fn of_name(kind: VfKind, dirs: &Dirs, name: &str) -> Result<Option<UpstreamCache>, Error> {
    let path = kind.holders(dirs).folder()?.join(name);
    if !path.is_file() {
        return Ok(None);
    }
    Ok(file::read(&path)?.and_then(|bytes| kind.special().parse(&bytes)))
}

/// The namespace that has the VF of an attachment, as sriov-cni's cache and allocation say.
pub(crate) fn user_of(dirs: &Dirs, key: &AttachmentKey) -> Result<Option<PathBuf>, Error> {
    let holders = VfKind::Ethernet.holders(dirs);
    let cache = of_name(VfKind::Ethernet, dirs, &Upstream::Sriov.cache(key))?;
    let id = cache.and_then(|cache| Id::parse(&cache.device).ok());
    id.map_or(Ok(None), |id| holders.user(&id))
}

/// Where the container's ID ends in a file name, only the list can tell.
fn is_valid(name: &str, valid: &ValidAttachments) -> bool {
    name.match_indices('-').any(|(at, _)| valid.contains(&name[..at], &name[at + 1..]))
}
