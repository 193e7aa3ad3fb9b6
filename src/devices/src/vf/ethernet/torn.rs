use std::path::Path;

use attach::Error;
use netlink::Rtnetlink;
use state::{AttachmentKey, Dirs};

use crate::holders::is_alive;
use crate::upstream::Allocation;
use crate::upstream::names;
use crate::vf::caches::UpstreamCache;
use crate::vf::netdev::require_on_host;
use crate::vf::torn::{default_name, nobody};
use crate::vf::{self, Attributes, Device, Id, Netdev, VfKind, VfUndo};

/// If it is allocated to the pod.
pub(super) fn find_on_host(
    dirs: &Dirs,
    key: &AttachmentKey,
    netns: &Path,
    host: &mut Rtnetlink,
) -> Result<Option<Device>, Error> {
    for (id, allocation) in Allocation::all(dirs)? {
        if allocation.user()?.as_deref() != Some(netns) {
            continue;
        }
        let Some(device) = Device::find(&sysfs::Root::system(), &id)? else { continue };
        // A dying namespace hands it over late.
        require_on_host(&device, host)?;
        if device.link(host)?.is_some_and(|link| link.name == key.ifname) {
            return Ok(Some(device));
        }
    }
    require_named(dirs, netns).map(|()| None)
}

pub(super) fn unknown(id: &Id, name: String) -> UpstreamCache {
    tracing::warn!(
        device = %id,
        "what it was is not known: it gets the usual name, and its PF's defaults: no VLAN, no MAC, no rates, no trust, \
         link state auto; spoofchk stays what it is"
    );
    UpstreamCache {
        netdev: Some(Netdev { name, ..Netdev::default() }),
        before: Some(Attributes::defaults()),
        ..UpstreamCache::default()
    }
}

/// If it is allocated yet: no word is left of what it was.
pub(super) fn guess_user(
    dirs: &Dirs,
    device: &Device,
    host: &mut Rtnetlink,
) -> Result<Option<VfUndo>, Error> {
    let Some(netns) = Allocation::of(dirs, device.id())?.user_of_this_boot()? else { return Ok(None) };
    require_on_host(device, host)?;
    let name = device.link(host)?.map_or_else(String::new, |link| link.name);
    // The name that it had in the pod, or its own.
    let is_pods = names(&VfKind::Ethernet.holders(dirs).folder()?)
        .iter()
        .any(|cache| cache.strip_suffix(&name).is_some_and(|container| container.ends_with('-')));
    let name = if is_pods { default_name(device, host)? } else { name };
    let (key, id) = (nobody(String::new(), String::new()), device.id());
    Ok(Some(unknown(id, name).undo(VfKind::Ethernet, key, id, netns)))
}

/// Without `CNI_NETNS` the device of a living pod cannot be told from those of others.
fn require_named(dirs: &Dirs, netns: &Path) -> Result<(), Error> {
    if !netns.as_os_str().is_empty() {
        return Ok(());
    }
    let holders = VfKind::Ethernet.holders(dirs);
    for (id, allocation) in Allocation::all(dirs)? {
        let Some(netns) = allocation.user()?.filter(|user| is_alive(user)) else { continue };
        if holders.users(&id)?.caches().next().is_none() {
            return Err(vf::Error::Unnamed { device: id.to_string(), netns }.into());
        }
    }
    Ok(())
}
