//! Attachments whose cache a crash has torn: which device they had, and what it is to be again, as far as anything tells.

use std::path::Path;

use attach::{Error, UndoContext};
use netlink::Rtnetlink;
use state::{AttachmentKey, Dirs};
use sysfs::Root;

use super::netdev::SPARE_NAME;
use super::{Device, Id, VfKind, VfUndo};

/// The device whose interface has the attachment's name: in the pod or, when that is gone, on the host. What it was called
/// there, and how its PF had it, nobody knows.
pub(super) fn find(
    kind: VfKind,
    dirs: &Dirs,
    key: &AttachmentKey,
    netns: &Path,
    context: &mut UndoContext,
) -> Result<Option<VfUndo>, Error> {
    context.attachment = Some(key.clone());
    let is_anothers = context.is_anothers(&key.ifname)?;
    let special = kind.special();
    let found = match &mut context.pod {
        Some(_) if is_anothers => None,
        Some(pod) => named(&key.ifname, &mut pod.netlink)?,
        None => special.find_on_host(dirs, key, netns, context.host()?)?,
    };
    let Some(device) = found else { return Ok(None) };
    if !special.is_guessable(&device) || kind.holders(dirs).is_others(device.id(), key)? {
        return Ok(None);
    }
    let name = default_name(&device, context.host()?)?;
    Ok(Some(special.unknown(device.id(), name).undo(kind, key.clone(), device.id(), netns.to_owned())))
}

/// The device of the link of that name.
pub(super) fn named(ifname: &str, route: &mut Rtnetlink) -> Result<Option<Device>, Error> {
    let id = route.link_by_name(ifname)?.and_then(|link| Id::parse(&link.device?).ok());
    id.map_or(Ok(None), |id| Device::find(&Root::system(), &id))
}

/// As most drivers and rules name a VF.
pub(super) fn default_name(device: &Device, host: &mut Rtnetlink) -> Result<String, Error> {
    match device.pf() {
        Some(pf) => Ok(format!("{}v{}", pf.link(device.id(), host)?.name, pf.vf)),
        None => Ok(SPARE_NAME.to_owned()),
    }
}

/// The key of an attachment whose network nobody has said.
pub(super) fn nobody(container_id: String, ifname: String) -> AttachmentKey {
    AttachmentKey { network: String::new(), container_id, ifname }
}
