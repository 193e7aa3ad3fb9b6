use cni::{Request, ValidAttachments, delegate};
use state::{Dirs, Key};

use super::{IbUndo, NAME, peer};
use crate::{Attachments, Error, Found, Scene, Undo};

pub(super) fn key_of(request: &Request) -> Result<Key, Error> {
    Ok(Key::new(&request.config.name, &request.env.container_id, &request.env.ifname)?)
}

/// DEL of an InfiniBand VF, by its record or else the peer's cache. The IPAM's DEL always runs, after the interface has
/// gone; a VF with a user space driver never had addresses.
pub fn del(request: &Request) -> Result<(), cni::Error> {
    let mut errors = Vec::new();
    let ipam = match give_back(request, &mut errors) {
        Ok(recorded) => request.config.ipam_type.clone().or(recorded),
        Err(error) => {
            errors.push(error);
            request.config.ipam_type.clone()
        }
    };
    let mut errors: Vec<_> = errors.into_iter().map(cni::Error::from).collect();
    errors.extend(ipam.and_then(|ipam| delegate::del(request, &ipam).err()));
    cni::Error::join(errors).map_or(Ok(()), Err)
}

/// Returns the IPAM plugin of the record, for a config that names none any more.
fn give_back(request: &Request, errors: &mut Vec<Error>) -> Result<Option<String>, Error> {
    let dirs = Dirs::from_env()?;
    let attachments = Attachments::open(&dirs, NAME)?;
    let key = key_of(request)?;
    let cni_netns = request.env.netns.as_deref();
    match attachments.find::<IbUndo>(&key)? {
        Found::Attached { undo, netns } => {
            let mut scene = Scene::of(netns.as_ref(), cni_netns)?;
            errors.extend(attachments.release(&key, &undo, &mut scene));
            return Ok(undo.ipam);
        }
        Found::Damaged(damage) => {
            tracing::warn!(%damage, "the record of this attachment is damaged; its cache has to do");
        }
        Found::Nothing => (),
    }
    let cached = peer::find(&dirs, &key)?;
    if let Some(undo) = &cached {
        errors.extend(undo.undo(&mut Scene::at(cni_netns)?));
    }
    if errors.is_empty() {
        peer::forget(&dirs, &key)?;
        attachments.forget(&key)?;
    }
    Ok(cached.and_then(|undo| undo.ipam))
}

/// GC of this network: VFs whose attachment is not valid any more, by record and by cache, then the IPAM's own GC.
pub fn gc(request: &Request, valid: &ValidAttachments) -> Result<(), cni::Error> {
    let dirs = Dirs::from_env().map_err(Error::from)?;
    let attachments = Attachments::open(&dirs, NAME)?;
    let (released, mut errors) = attachments.collect::<IbUndo>(&request.config.name, valid)?;
    for undo in peer::stale(&dirs, &request.config.name, valid)? {
        tracing::info!(attachment = %undo.key, "released: its cache is not among the valid attachments");
        errors.extend(undo.undo(&mut Scene::default()));
    }
    for key in &released {
        tracing::info!(attachment = %key, "released: not among the valid attachments");
    }
    let mut errors: Vec<_> = errors.into_iter().map(cni::Error::from).collect();
    errors.extend(request.config.ipam_type.as_ref().and_then(|ipam| delegate::gc(request, ipam).err()));
    cni::Error::join(errors).map_or(Ok(()), Err)
}
