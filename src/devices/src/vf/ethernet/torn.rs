use std::path::{Path, PathBuf};

use attach::Error;
use netlink::Rtnetlink;
use state::{AttachmentKey, Dirs};

use super::Ethernet;
use super::sriov_cni::SriovCniCache;
use crate::allocation::Allocation;
use crate::holders::is_alive;
use crate::users::names;
use crate::vf::caches::UpstreamCache;
use crate::vf::netdev::require_on_host;
use crate::vf::torn::{Torn, default_name, nobody};
use crate::vf::{self, Attributes, Device, Id, Netdev, VfKind, VfUndo};

impl Torn for Ethernet {
    /// If it is allocated to the pod.
    fn find_on_host(
        &self,
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

    fn guess(&self, key: AttachmentKey, id: &Id, name: String, netns: PathBuf) -> VfUndo {
        tracing::warn!(
            device = %id,
            "what it was is not known: it gets the usual name, and its PF's defaults: no VLAN, no MAC, no rates, no trust, \
             link state auto; spoofchk stays what it is"
        );
        VfUndo {
            netdev: Some(Netdev { name, ..Netdev::default() }),
            before: Some(Attributes::defaults()),
            ..SriovCniCache::default().undo(key, id, netns)
        }
    }

    /// If it is allocated yet: no word is left of what it was.
    fn guess_user(
        &self,
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
        Ok(Some(self.guess(nobody(String::new(), String::new()), device.id(), name, netns)))
    }
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
