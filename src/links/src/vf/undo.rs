use attach::{Error, Scene, Undo};
use netlink::Route;
use serde::{Deserialize, Serialize};
use state::{Dirs, Key, Lock};
use sysfs::Root;

use super::apply::Admin;
use super::device::{Device, Id};
use super::netdev::{Netdev, await_home};
use super::owner::{self, Verdict};
use super::{Attributes, lock, peer};

/// Everything about a VF as it was before a pod got it, from which it can be put back without the pod.
#[derive(Debug, Serialize, Deserialize)]
pub struct VfUndo {
    /// `CNI_CONTAINERID` and the like: the owner.
    pub key: Key,
    /// PCI address, or name of the auxiliary device.
    pub device: String,
    /// The driver; a workload may have unbound it.
    pub driver: Option<String>,
    /// The driver that alone may have it, empty for any; `None` is unknown.
    #[serde(default)]
    pub driver_override: Option<String>,
    /// `CNI_IFNAME`
    pub ifname: String,
    /// Index in the pod, once it is there.
    pub index: Option<u32>,
    /// `None` with a user space driver.
    pub netdev: Option<Netdev>,
    /// Its attributes as its PF had them; `None` without a PF on this machine.
    pub before: Option<Attributes>,
    /// The IPAM plugin that gave its addresses.
    pub ipam: Option<String>,
    /// The files that the plugin which ours replaces would have written.
    pub peer: peer::Files,
    /// The lock that an ADD under way has; an undo from a record takes its own.
    #[serde(skip)]
    pub lock: Option<Lock>,
}

impl Undo for VfUndo {
    fn undo(&self, scene: &mut Scene) -> Vec<Error> {
        self.undo_with_lock(scene).unwrap_or_else(|error| vec![error])
    }
}

impl VfUndo {
    fn undo_with_lock(&self, scene: &mut Scene) -> Result<Vec<Error>, Error> {
        let dirs = Dirs::from_env()?;
        let id = Id::parse(&self.device)?;
        let _lock = match self.lock {
            Some(_) => None,
            None => Some(lock::acquire(&dirs, &self.peer.folder, &id)?),
        };
        self.undo_locked(&dirs, &id, scene)
    }

    /// The undo, by someone who has the VF's lock.
    pub(super) fn undo_locked(&self, dirs: &Dirs, id: &Id, scene: &mut Scene) -> Result<Vec<Error>, Error> {
        if let Verdict::Other(owner) = owner::judge(dirs, id, &self.key, &self.peer)? {
            tracing::warn!(device = self.device, owner, "left alone: it belongs to another pod now");
            self.peer.forget_cache(dirs)?;
            return Ok(Vec::new());
        }
        let errors = Device::find(&Root::system(), id)?.map(|device| self.put_back(&device, scene));
        if errors.is_none() {
            tracing::warn!(device = self.device, "the device is gone, and with it all that was changed");
        }
        let errors = errors.unwrap_or_default();
        if errors.is_empty() {
            self.peer.forget(dirs, id)?;
            owner::release(dirs, id, &self.key)?;
        }
        Ok(errors)
    }

    /// The interface leaves the pod before the PF takes the pod's VLAN from it.
    fn put_back(&self, device: &Device, scene: &mut Scene) -> Vec<Error> {
        let mut errors = Vec::new();
        errors.extend(self.leave_pod(device.id(), scene).err());
        errors.extend(self.restore_attributes(device, scene).err());
        // Without its driver it has no interface.
        match self.restore_driver(device).and_then(|()| self.restore_netdev(device, scene)) {
            Ok(more) => errors.extend(more),
            Err(error) => errors.push(error),
        }
        errors
    }

    fn leave_pod(&self, id: &Id, scene: &mut Scene) -> Result<(), Error> {
        let Some(netdev) = &self.netdev else { return Ok(()) };
        netdev.leave(id, self.index, &self.ifname, scene)
    }

    fn restore_attributes(&self, device: &Device, scene: &mut Scene) -> Result<(), Error> {
        self.before.as_ref().map_or(Ok(()), |before| Admin::restore(device, before, scene.host()?))
    }

    /// A workload that was allowed to may have unbound it, or given it to vfio-pci.
    fn restore_driver(&self, device: &Device) -> Result<(), Error> {
        device.restore_driver(self.driver.as_deref(), self.driver_override.as_deref())
    }

    fn restore_netdev(&self, device: &Device, scene: &mut Scene) -> Result<Vec<Error>, Error> {
        let Some(netdev) = &self.netdev else { return Ok(Vec::new()) };
        let host: &mut Route = scene.host()?;
        let link = await_home(device, host)?;
        Ok(netdev.restore(host, &link))
    }
}
