use attach::{Attachments, Error, Found, Undo, UndoContext, key_of, lease};
use cni::{Request, ValidAttachments};
use netlink::{LinkChange, Rtnetlink};
use state::{AttachmentKey, Dirs};

use super::{PodLink, link};

/// DEL of a child link. The IPAM's DEL always runs, after the link is gone.
pub(super) fn del(request: &Request, plugin: &str) -> Result<(), cni::Error> {
    let attachments = Attachments::open(&Dirs::from_env().map_err(Error::from)?, plugin)?;
    lease::end(request, &attachments, |errors| delete_link(request, &attachments, plugin, errors))
}

/// Interface groups of links that are on their way out: a number of our own and the first link's index.
const LEAVING: u32 = 211 << 23;

/// Deletes links of one pod, within one grace period of the kernel. Goes on after a failure.
pub fn delete_all<'a>(links: impl Iterator<Item = &'a PodLink>, context: &mut UndoContext) -> Vec<Error> {
    let Some(pod) = &mut context.pod else {
        return links.filter_map(|link| link.delete_refunded(context).err()).collect();
    };
    let (mut indexes, mut errors) = (Vec::new(), Vec::new());
    for link in links {
        match link.find(&mut pod.netlink) {
            Ok(found) => indexes.extend(found.map(|link| link.index)),
            Err(error) => errors.push(error),
        }
    }
    let route = &mut pod.netlink;
    if let Err(error) = delete_together(&indexes, route) {
        // The pod may have put into the group what cannot be deleted, such as its lo.
        tracing::warn!(%error, "the links of the pod cannot be deleted together: one by one");
        errors.extend(indexes.into_iter().filter_map(|index| link::delete(index, route).err()));
    }
    errors
}

/// One by one, each would wait for a grace period of its own.
fn delete_together(indexes: &[u32], route: &mut Rtnetlink) -> Result<(), Error> {
    let first = match indexes {
        [] => return Ok(()),
        [one] => return link::delete(*one, route),
        [first, ..] => first,
    };
    let group = LEAVING | first & 0x007f_ffff;
    let mut batch = route.batch();
    for index in indexes {
        batch.set_link(*index, &LinkChange { group: Some(group), ..LinkChange::default() });
    }
    for outcome in batch.outcomes()? {
        outcome.or_else(|error| if error.is_gone() { Ok(()) } else { Err(error) })?;
    }
    match route.delete_group(group) {
        Err(error) if !error.is_gone() => Err(error.into()),
        _ => Ok(()),
    }
}

/// Returns the IPAM plugin of the record, for a config that names none any more.
fn delete_link(
    request: &Request,
    attachments: &Attachments,
    kind: &str,
    errors: &mut Vec<Error>,
) -> Result<Option<String>, Error> {
    let key = key_of(request)?;
    let cni_netns = request.env.netns.as_deref();
    match attachments.find::<PodLink>(&key)? {
        Found::Attached { undo, netns } => {
            let mut context = UndoContext::of(netns.as_ref(), cni_netns)?;
            errors.extend(attachments.release(&key, &undo, &mut context));
            Ok(undo.ipam)
        }
        unusable => {
            if let Found::Damaged(damage) = unusable {
                tracing::warn!(%damage, "the record of this attachment is damaged; the link is deleted by its name");
            }
            errors.extend(unrecorded(&key, kind, &mut UndoContext::at(cni_netns)?));
            attachments.forget(&key)?;
            Ok(None)
        }
    }
}

/// A link that the plugin which ours replaced made before the upgrade: its name and kind say enough.
fn unrecorded(key: &AttachmentKey, kind: &str, context: &mut UndoContext) -> Vec<Error> {
    PodLink::named(&key.ifname, kind, None).undo(context)
}

/// GC of this network: links whose attachment is not valid any more, then the IPAM's own GC.
pub(super) fn gc(request: &Request, plugin: &str, valid: &ValidAttachments) -> Result<(), cni::Error> {
    let attachments = Attachments::open(&Dirs::from_env().map_err(Error::from)?, plugin)?;
    let (released, errors) = attachments.collect::<PodLink>(&request.config.name, valid)?;
    for key in &released {
        tracing::info!(attachment = %key, "released: not among the valid attachments");
    }
    lease::collect(request, errors)
}
