use std::time::Duration;

use attach::{Attachments, Del, Error, Undo, UndoContext, Undone, lease};
use cni::{Interface, Request, ValidAttachments};
use netlink::{HwAddr, LinkChange, Rtnetlink};
use state::Dirs;

use super::link;
use super::pod_link::NAMESPACE_ENDS;
use super::{PodLink, elsewhere, other_type};

/// DEL of a child link.
pub(super) fn del(request: &Request, plugin: &str) -> Result<(), cni::Error> {
    Del::of(request).run::<PodLink>(plugin, |key, context| {
        if let Some(undone) = other_type::release(key, plugin, context, request.env.netns.as_deref())? {
            return Ok(undone);
        }
        unrecorded(request, plugin, context)?;
        Ok(Undone::default())
    })
}

/// Interface groups of links that are on their way out: a number of our own and the first link's index.
const LEAVING: u32 = 211 << 23;

/// Deletes links of one pod, within one grace period of the kernel, and what answers for their addresses yet. Goes on after a
/// failure.
pub fn delete_all<'a>(
    links: impl Iterator<Item = &'a PodLink>,
    context: &mut UndoContext,
) -> Result<(), Error> {
    let links: Vec<&PodLink> = links.collect();
    if let Some(pod) = &mut context.pod {
        // A pod that changes its links and addresses without end keeps no DEL from its own.
        pod.netlink.accept_unsettled_dumps(true);
    }
    let (mut indexes, mut missing, mut errors) = (Vec::new(), Vec::new(), Vec::new());
    for &link in &links {
        match find(link, context) {
            Ok(Some(index)) => indexes.push(index),
            Ok(None) => missing.push(link),
            Err(error) => errors.push(error),
        }
    }
    let mut may_hide = false;
    if let Some(pod) = &mut context.pod {
        errors.extend(delete_found(&indexes, &mut pod.netlink));
        may_hide = elsewhere::may_hide(&mut pod.netlink).unwrap_or(true);
    }
    errors.extend(missing.iter().filter_map(|link| delete_refunded(link, context).err()));
    let hidden = if may_hide { &links } else { &missing };
    errors.extend(hidden.iter().filter_map(|link| elsewhere::delete(link, context).err()));
    errors.extend(elsewhere::silence(&links, context).err());
    Error::join(errors).map_or(Ok(()), Err)
}

fn delete_found(indexes: &[u32], route: &mut Rtnetlink) -> Vec<Error> {
    let Err(error) = delete_together(indexes, route) else { return Vec::new() };
    // The pod may have put into the group what cannot be deleted, such as its lo.
    tracing::warn!(%error, "the links of the pod cannot be deleted together: one by one");
    indexes.iter().filter_map(|&index| link::delete(index, route).err()).collect()
}

/// In the pod.
fn find(link: &PodLink, context: &mut UndoContext) -> Result<Option<u32>, Error> {
    if link.is_anothers(context)? {
        return Ok(None);
    }
    let Some(pod) = &mut context.pod else { return Ok(None) };
    Ok(link.find(&mut pod.netlink)?.map(|link| link.index))
}

/// One that is not in the pod any more: the kernel gave it to the host.
fn delete_refunded(link: &PodLink, context: &mut UndoContext) -> Result<(), Error> {
    if context.pod.is_none() { link.delete_refunded(context, NAMESPACE_ENDS) } else { Ok(()) }
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

/// Length of an `IPoIB` address.
const IPOIB: usize = 20;
/// How long one that may have gone long ago is waited for.
const MAY_BE_GONE: Duration = Duration::from_secs(1);

/// A link that the plugin which ours replaced made before the upgrade: its name and kind say enough in the pod, and where
/// it outlives that, its hardware address on the host.
fn unrecorded(request: &Request, kind: &str, context: &mut UndoContext) -> Result<(), Error> {
    let link = PodLink { refunded: address(request), ..PodLink::named(&request.env.ifname, kind, None) };
    if context.pod.is_some() {
        return link.undo(context);
    }
    link.delete_refunded(context, MAY_BE_GONE)
}

/// As the result of ADD has it. Only that of `IPoIB`, which names queue pair and port, tells a link from all others.
fn address(request: &Request) -> Option<HwAddr> {
    let interfaces = &request.config.prev_result.as_ref()?.interfaces;
    let is_ours =
        |interface: &&Interface| interface.name == request.env.ifname && interface.sandbox.is_some();
    let address: HwAddr = interfaces.iter().find(is_ours)?.mac.as_ref()?.parse().ok()?;
    Some(address).filter(|address| address.as_bytes().len() == IPOIB)
}

/// GC of this network: links whose attachment is not valid any more, then the IPAM's own GC.
pub(super) fn gc(request: &Request, plugin: &str, valid: &ValidAttachments) -> Result<(), cni::Error> {
    let attachments = Attachments::open(&Dirs::from_env().map_err(Error::from)?, plugin)?;
    let (released, errors) = attachments.collect::<PodLink>(&request.config.name, valid)?;
    for key in &released {
        tracing::info!(attachment = %key, "released: not among the valid attachments");
    }
    lease::collect(request, &attachments, errors)
}
