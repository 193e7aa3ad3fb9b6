use attach::{Error, Undo, UndoContext};
use netlink::Rtnetlink;
use serde::{Deserialize, Serialize};
use state::{AttachmentKey, Dirs, Lock};
use sysfs::Root;

use super::apply::Admin;
use super::device::{Device, Id};
use super::name::rename_when_free;
use super::netdev::{Netdev, await_on_host, is_at_hand, require_home_alone};
use super::owner::{self, Verdict};
use super::{Attributes, lock, sriov_cni};

/// Everything about a VF as it was before a pod got it, from which it can be put back without the pod.
#[derive(Debug, Serialize, Deserialize)]
pub struct VfUndo {
    /// `CNI_CONTAINERID` and the like: the owner.
    pub key: AttachmentKey,
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
    pub peer: sriov_cni::Files,
    /// The lock that an ADD under way has; an undo from a record takes its own.
    #[serde(skip)]
    pub lock: Option<Lock>,
}

impl Undo for VfUndo {
    fn undo(&self, context: &mut UndoContext) -> Vec<Error> {
        self.undo_with_lock(context).unwrap_or_else(|error| vec![error])
    }
}

impl VfUndo {
    fn undo_with_lock(&self, context: &mut UndoContext) -> Result<Vec<Error>, Error> {
        let dirs = Dirs::from_env()?;
        let id = Id::parse(&self.device)?;
        let _lock = match self.lock {
            Some(_) => None,
            None => Some(lock::acquire(&dirs, &self.peer.folder, &id)?),
        };
        self.undo_locked(&dirs, &id, context)
    }

    /// The undo, by someone who has the VF's lock.
    pub(super) fn undo_locked(
        &self,
        dirs: &Dirs,
        id: &Id,
        context: &mut UndoContext,
    ) -> Result<Vec<Error>, Error> {
        let Some(device) = Device::find(&Root::system(), id)? else {
            tracing::warn!(device = self.device, "the device is gone, and with it all that was changed");
            return self.forget(dirs, id).map(|()| Vec::new());
        };
        if let Verdict::Other(owner) = self.judge(dirs, &device, context)? {
            tracing::warn!(device = self.device, owner, "left alone: it belongs to another pod now");
            return self.forget(dirs, id).map(|()| Vec::new());
        }
        let errors = self.put_back(&device, context)?;
        if errors.is_empty() {
            self.forget(dirs, id)?;
        }
        Ok(errors)
    }

    fn judge(&self, dirs: &Dirs, device: &Device, context: &mut UndoContext) -> Result<Verdict, Error> {
        let id = device.id();
        let verdict = owner::judge(dirs, id, &self.key, &self.peer)?;
        if matches!(verdict, Verdict::Other(_)) || self.is_at_hand(device, context)? {
            return Ok(verdict);
        }
        Ok(owner::holders(dirs).superseded(id, &self.key)?.map_or(verdict, Verdict::Other))
    }

    /// Of a device for user space nobody can tell.
    fn is_at_hand(&self, device: &Device, context: &mut UndoContext) -> Result<bool, Error> {
        Ok(self.netdev.is_some() && is_at_hand(device, self.index, &self.ifname, context)?)
    }

    /// What is somebody else's by now stays.
    fn forget(&self, dirs: &Dirs, id: &Id) -> Result<(), Error> {
        self.peer.forget(dirs, id)?;
        owner::release(dirs, id, &self.key)
    }

    /// The interface is home before the PF takes the pod's VLAN from it: while it is away, whoever has it could work
    /// without.
    fn put_back(&self, device: &Device, context: &mut UndoContext) -> Result<Vec<Error>, Error> {
        self.move_to_host(device.id(), context)?;
        if self.netdev.is_some() {
            require_home_alone(device, context)?;
        }
        let mut errors = Vec::new();
        errors.extend(self.restore_attributes(device, context).err());
        // Without its driver it has no interface.
        match self.restore_driver(device).and_then(|()| self.restore_netdev(device, context)) {
            Ok(more) => errors.extend(more),
            Err(error) => errors.push(error),
        }
        Ok(errors)
    }

    fn move_to_host(&self, id: &Id, context: &mut UndoContext) -> Result<(), Error> {
        let Some(netdev) = &self.netdev else { return Ok(()) };
        netdev.move_to_host(id, self.index, &self.ifname, context)
    }

    fn restore_attributes(&self, device: &Device, context: &mut UndoContext) -> Result<(), Error> {
        self.before.as_ref().map_or(Ok(()), |before| Admin::restore(device, before, context.host()?))
    }

    /// A workload that was allowed to may have unbound it, or given it to vfio-pci.
    fn restore_driver(&self, device: &Device) -> Result<(), Error> {
        device.restore_driver(self.driver.as_deref(), self.driver_override.as_deref())
    }

    fn restore_netdev(&self, device: &Device, context: &mut UndoContext) -> Result<Vec<Error>, Error> {
        let Some(netdev) = &self.netdev else { return Ok(Vec::new()) };
        let host: &mut Rtnetlink = context.host()?;
        let mut link = await_on_host(device, host)?;
        if link.name != netdev.name && rename_when_free(&Dirs::from_env()?, netdev, &link, host)? {
            link.name.clone_from(&netdev.name);
        }
        Ok(netdev.restore(host, &link))
    }
}
