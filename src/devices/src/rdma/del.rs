use std::path::PathBuf;

use attach::{Attachments, Del, Error, Pod, Undo, UndoContext, Undone, containers_of_several};
use cni::{Request, ValidAttachments};
use state::{AttachmentKey, Dirs};

use super::undo::holders;
use super::{NAME, RdmaUndo, rdma_cni};
use crate::vf::{self, Id, VfKind};

/// DEL: the device comes back from wherever it is, by its record or else as rdma-cni's cache tells it.
pub fn del(request: &Request) -> Result<(), cni::Error> {
    let netns = request.env.netns.clone().unwrap_or_default();
    Del::without_addresses(request).run::<RdmaUndo>(NAME, |key, context| {
        let dirs = context.dirs.clone();
        let pod = if context.is_anothers(&key.ifname)? { None } else { context.pod.as_mut() };
        let undo = find_unrecorded(&dirs, key, netns, pod)?;
        undo.map_or(Ok(()), |undo| undo.undo(context))?;
        Ok(Undone::default())
    })
}

/// As rdma-cni's cache tells it. One that is about nothing any more is removed.
pub fn find_unrecorded(
    dirs: &Dirs,
    key: &AttachmentKey,
    netns: PathBuf,
    pod: Option<&mut Pod>,
) -> Result<Option<RdmaUndo>, Error> {
    let found = rdma_cni::find(dirs, key, netns, pod)?;
    if found.is_none() {
        holders(dirs).forget_cache(key)?;
    }
    Ok(found)
}

/// GC of this network: devices whose attachment is not valid any more, by record and by cache.
pub fn gc(request: &Request, valid: &ValidAttachments) -> Result<(), cni::Error> {
    let dirs = Dirs::from_env().map_err(Error::from)?;
    let network = &request.config.name;
    let attachments = Attachments::open(&dirs, NAME)?;
    let (released, mut errors) = attachments.collect::<RdmaUndo>(network, valid)?;
    for key in &released {
        tracing::info!(attachment = %key, "released: not among the valid attachments");
    }
    let keys = rdma_cni::keys(&dirs, network)?;
    // After the names of the caches: an ADD writes its record before its cache.
    let of_rail = containers_of_several(&dirs, network)?;
    for key in keys {
        if valid.contains(&key.container_id, &key.ifname) {
            continue;
        }
        if of_rail.contains(&key.container_id) {
            tracing::info!(attachment = %key, "left alone: its container has a record of rail, which railctl gc judges");
            continue;
        }
        errors.extend(attachments.unless_recorded(&key, || collect_cache(&dirs, &key)).err());
    }
    Error::join(errors).map_or(Ok(()), |error| Err(error.into()))
}

/// The pod is whoever has the VF, as long as no other attachment of it came later.
fn collect_cache(dirs: &Dirs, key: &AttachmentKey) -> Result<(), Error> {
    // One that cannot be read is about the device of the VF.
    let mut lent_to = UndoContext::at(dirs, vf::user_of(dirs, key)?.as_deref())?;
    let found = find_unrecorded(dirs, key, PathBuf::new(), lent_to.pod.as_mut())?;
    let Some(undo) = found else { return Ok(()) };
    let id = Id::parse(&undo.device)?;
    if let Some(since) = holders(dirs).superseded(&id, key)? {
        tracing::info!(attachment = %key, since, "its device is another pod's by now");
        return holders(dirs).forget_cache(key);
    }
    let netns = VfKind::Ethernet.holders(dirs).user(&id)?.unwrap_or_default();
    let mut context = UndoContext::at(dirs, Some(&netns))?;
    RdmaUndo { netns, ..undo }.undo(&mut context)
}
