use attach::claim::Claims;
use attach::{Error, Pod, Undo, UndoContext};
use netlink::{Guid, Rdma};
use netns::NetNs;
use serde::{Deserialize, Serialize};
use state::{AttachmentKey, Dirs};
use sysfs::Root;

use super::rebind::{RdmaBefore, guid_of, rdma_anywhere, rebind};
use super::{ib_sriov_cni, lock};
use crate::holders::Holders;
use crate::users::Peers;
use crate::vf::{
    Admin, Attributes, Device, Id, Netdev, await_on_host, is_at_hand, rename_when_free, require_home_alone,
};

/// An InfiniBand VF as it was before a pod got it.
#[derive(Debug, Serialize, Deserialize)]
pub struct IbUndo {
    /// The owner.
    pub key: AttachmentKey,
    /// PCI address
    pub device: String,
    /// The driver.
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
    /// The GUID that the interface had.
    pub guid: Option<Guid>,
    /// Link state and GUIDs as the PF had them, as far as they were to change.
    pub before: Option<Attributes>,
    /// The RDMA device, with whatever GUID.
    pub rdma: Option<RdmaBefore>,
    /// Whether the RDMA device went along.
    pub isolated: bool,
    /// The IPAM plugin that gave its addresses.
    pub ipam: Option<String>,
}

pub(crate) fn holders(dirs: &Dirs) -> Holders<'_> {
    Holders { claims: Claims { dirs, folder: "ib-devices" }, peers: Peers::IbSriov }
}

impl Undo for IbUndo {
    fn undo(&self, context: &mut UndoContext) -> Vec<Error> {
        self.undo_with_lock(context).unwrap_or_else(|error| vec![error])
    }
}

impl IbUndo {
    fn undo_with_lock(&self, context: &mut UndoContext) -> Result<Vec<Error>, Error> {
        let dirs = Dirs::from_env()?;
        let id = Id::parse(&self.device)?;
        let Some(device) = Device::find(&Root::system(), &id)? else {
            tracing::warn!(device = self.device, "the device is gone, and with it all that was changed");
            return self.forget(&dirs, &id).map(|()| Vec::new());
        };
        let _lock = lock::acquire(&dirs, &device)?;
        self.undo_locked(&dirs, &id, context)
    }

    /// The undo, by someone who has the PF's lock.
    pub(super) fn undo_locked(
        &self,
        dirs: &Dirs,
        id: &Id,
        context: &mut UndoContext,
    ) -> Result<Vec<Error>, Error> {
        let Some(device) = Device::find(&Root::system(), id)? else {
            return self.forget(dirs, id).map(|()| Vec::new());
        };
        if let Some(owner) = self.other(dirs, &device, context)? {
            tracing::warn!(device = self.device, owner, "left alone: it belongs to another pod now");
            return self.forget(dirs, id).map(|()| Vec::new());
        }
        let errors = self.put_back(dirs, &device, context)?;
        if errors.is_empty() {
            self.forget(dirs, id)?;
        }
        Ok(errors)
    }

    /// Who has the device now: by a claim or, where it is neither in the pod nor on the host, by a peer's cache since.
    fn other(
        &self,
        dirs: &Dirs,
        device: &Device,
        context: &mut UndoContext,
    ) -> Result<Option<String>, Error> {
        let holders = holders(dirs);
        if let Some(owner) = holders.other(device.id(), &self.key)? {
            return Ok(Some(owner.key.to_string()));
        }
        if self.netdev.is_some() && is_at_hand(device, self.index, &self.ifname, context)? {
            return Ok(None);
        }
        holders.superseded(device.id(), &self.key)
    }

    /// What is somebody else's by now stays.
    fn forget(&self, dirs: &Dirs, id: &Id) -> Result<(), Error> {
        ib_sriov_cni::forget(dirs, &self.key)?;
        holders(dirs).release(id, &self.key)
    }

    /// The interface leaves the pod before the RDMA device does, whose move builds it again; and it is home before the PF
    /// takes the pod's GUID from it.
    fn put_back(&self, dirs: &Dirs, device: &Device, context: &mut UndoContext) -> Result<Vec<Error>, Error> {
        self.move_to_host(device.id(), context)?;
        self.move_rdma_to_host(device, context)?;
        if self.netdev.is_some() {
            require_home_alone(device, context)?;
        }
        let mut errors = Vec::new();
        let administered = self.restore_attributes(device, context);
        // Bound again before that, it would have the pod's GUID again, and its own would be waited for in vain.
        let guid = self.guid.filter(|_| administered.is_ok());
        errors.extend(administered.err());
        // Without its driver it has no interface.
        match self.restore_driver(device).and_then(|()| self.restore_netdev(dirs, device, guid, context)) {
            Ok(more) => errors.extend(more),
            Err(error) => errors.push(error),
        }
        Ok(errors)
    }

    fn move_to_host(&self, id: &Id, context: &mut UndoContext) -> Result<(), Error> {
        let Some(netdev) = &self.netdev else { return Ok(()) };
        netdev.move_to_host(id, self.index, &self.ifname, context)
    }

    fn move_rdma_to_host(&self, device: &Device, context: &mut UndoContext) -> Result<(), Error> {
        match (&context.pod, &self.rdma) {
            (Some(pod), Some(rdma)) if self.isolated => {
                move_to_host(pod, &rdma_anywhere(device).unwrap_or_else(|| rdma.name.clone()))
            }
            _ => Ok(()),
        }
    }

    fn restore_attributes(&self, device: &Device, context: &mut UndoContext) -> Result<(), Error> {
        self.before.as_ref().map_or(Ok(()), |before| Admin::restore(device, before, context.host()?))
    }

    /// The rebind of an ADD that was ended in it, too, is made up for here.
    fn restore_driver(&self, device: &Device) -> Result<(), Error> {
        device.restore_driver(self.driver.as_deref(), self.driver_override.as_deref())
    }

    fn restore_netdev(
        &self,
        dirs: &Dirs,
        device: &Device,
        guid: Option<Guid>,
        context: &mut UndoContext,
    ) -> Result<Vec<Error>, Error> {
        let Some(netdev) = &self.netdev else { return Ok(Vec::new()) };
        let host = context.host()?;
        let mut link = await_on_host(device, host)?;
        // The peer's cache does not tell which driver it was.
        let driver = self.driver.as_deref().or(device.driver());
        if let Some(driver) = driver
            && guid.is_some_and(|guid| guid_of(&link) != Some(guid))
        {
            link = rebind(dirs, device.id(), driver, guid, self.rdma.as_ref(), host)?;
        } else if let Some(rdma) = &self.rdma {
            rdma.restore(device)?;
        }
        if link.name != netdev.name && rename_when_free(dirs, netdev, &link, host)? {
            link.name.clone_from(&netdev.name);
        }
        Ok(netdev.restore(host, &link))
    }
}

/// The kernel moves a device out of the namespace of the thread that asks, and of no other (`rdma_dev_change_netns` in
/// drivers/infiniband/core/device.c).
fn move_to_host(pod: &Pod, name: &str) -> Result<(), Error> {
    let host_netns = NetNs::current()?;
    pod.netns.run(|| {
        let mut inside = Rdma::open()?;
        match inside.device_by_name(name)? {
            Some(device) => Ok(inside.move_device(device.index, host_netns.fd())?),
            None => Ok(()),
        }
    })?
}
