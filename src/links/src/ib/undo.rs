use std::time::Duration;

use attach::claim::Claims;
use attach::wait::here as wait_here;
use attach::{Error, Pod, Scene, Undo};
use netlink::{Guid, Link, LinkChange, Rdma, Route};
use netns::NetNs;
use serde::{Deserialize, Serialize};
use state::{Dirs, Key};
use sysfs::Root;

use super::rebind::{RdmaBefore, guid_of, rebind};
use super::{lock, peer};
use crate::vf::{Admin, Attributes, Device, Id, Netdev, SPARE_NAME, await_home};

/// As for an interface that comes home: the others are on their way, too.
const ARRIVALS: Duration = Duration::from_secs(10);

/// An InfiniBand VF as it was before a pod got it.
#[derive(Debug, Serialize, Deserialize)]
pub struct IbUndo {
    /// The owner.
    pub key: Key,
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

pub(super) fn claims(dirs: &Dirs) -> Claims<'_> {
    Claims { dirs, folder: "ib-devices" }
}

impl Undo for IbUndo {
    fn undo(&self, scene: &mut Scene) -> Vec<Error> {
        self.undo_with_lock(scene).unwrap_or_else(|error| vec![error])
    }
}

impl IbUndo {
    fn undo_with_lock(&self, scene: &mut Scene) -> Result<Vec<Error>, Error> {
        let dirs = Dirs::from_env()?;
        let id = Id::parse(&self.device)?;
        let Some(device) = Device::find(&Root::system(), &id)? else {
            tracing::warn!(device = self.device, "the device is gone, and with it all that was changed");
            return self.forget(&dirs, &id).map(|()| Vec::new());
        };
        let _lock = lock::acquire(&dirs, &device)?;
        self.undo_locked(&dirs, &id, scene)
    }

    /// The undo, by someone who has the PF's lock.
    pub(super) fn undo_locked(&self, dirs: &Dirs, id: &Id, scene: &mut Scene) -> Result<Vec<Error>, Error> {
        if let Some(owner) = claims(dirs).owner(id)?.filter(|owner| owner.key != self.key) {
            tracing::warn!(device = self.device, owner = %owner.key, "left alone: it belongs to another pod now");
            peer::forget(dirs, &self.key)?;
            return Ok(Vec::new());
        }
        let device = Device::find(&Root::system(), id)?;
        let errors = device.map(|device| self.put_back(dirs, &device, scene)).unwrap_or_default();
        if errors.is_empty() {
            self.forget(dirs, id)?;
        }
        Ok(errors)
    }

    fn forget(&self, dirs: &Dirs, id: &Id) -> Result<(), Error> {
        peer::forget(dirs, &self.key)?;
        claims(dirs).release(id, &self.key)
    }

    /// The interface leaves the pod before the RDMA device does, whose move builds it anew.
    fn put_back(&self, dirs: &Dirs, device: &Device, scene: &mut Scene) -> Vec<Error> {
        let mut errors = Vec::new();
        errors.extend(self.leave_pod(device.id(), scene).err());
        errors.extend(self.return_rdma(scene).err());
        let administered = self.restore_attributes(device, scene);
        // Bound anew before that, it would have the pod's GUID again, and its own would be waited for in vain.
        let guid = self.guid.filter(|_| administered.is_ok());
        errors.extend(administered.err());
        // Without its driver it has no interface.
        match self.restore_driver(device).and_then(|()| self.restore_netdev(dirs, device, guid, scene)) {
            Ok(more) => errors.extend(more),
            Err(error) => errors.push(error),
        }
        errors
    }

    fn leave_pod(&self, id: &Id, scene: &mut Scene) -> Result<(), Error> {
        let Some(netdev) = &self.netdev else { return Ok(()) };
        netdev.leave(id, self.index, &self.ifname, scene)
    }

    fn return_rdma(&self, scene: &mut Scene) -> Result<(), Error> {
        match (&scene.pod, &self.rdma) {
            (Some(pod), Some(rdma)) if self.isolated => send_home(pod, &rdma.name),
            _ => Ok(()),
        }
    }

    fn restore_attributes(&self, device: &Device, scene: &mut Scene) -> Result<(), Error> {
        self.before.as_ref().map_or(Ok(()), |before| Admin::restore(device, before, scene.host()?))
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
        scene: &mut Scene,
    ) -> Result<Vec<Error>, Error> {
        let Some(netdev) = &self.netdev else { return Ok(Vec::new()) };
        let host = scene.host()?;
        let mut link = await_home(device, host)?;
        // The peer's cache does not tell which driver it was.
        let driver = self.driver.as_deref().or(device.driver());
        if let Some(driver) = driver
            && guid.is_some_and(|guid| guid_of(&link) != Some(guid))
        {
            link = rebind(dirs, device.id(), driver, guid, self.rdma.as_ref(), host)?;
        } else if let Some(rdma) = &self.rdma {
            rdma.restore(device)?;
        }
        if link.name != netdev.name && regain_name(dirs, netdev, &link, host)? {
            link.name.clone_from(&netdev.name);
        }
        Ok(netdev.restore(host, &link))
    }
}

/// `ib_ipoib` gives each interface the first name that is free, and a namespace that ends gives back several, one after
/// another: one that is still to be put back may have the name of this one, and when it makes way, the next to arrive may
/// have it before this one does. False if it is the name of a stranger.
fn regain_name(dirs: &Dirs, netdev: &Netdev, link: &Link, host: &mut Route) -> Result<bool, Error> {
    let regained = wait_here(ARRIVALS, || {
        if !make_way(dirs, &netdev.name, host)? {
            return Ok(Some(false));
        }
        Ok(netdev.rename(host, link)?.then_some(true))
    })?;
    Ok(regained.unwrap_or(false))
}

/// Takes a name from an interface that gets its own when its turn comes; false if it is nobody's that we know.
fn make_way(dirs: &Dirs, name: &str, host: &mut Route) -> Result<bool, Error> {
    let Some(holder) = host.link_by_name(name)? else { return Ok(true) };
    let Some(Ok(id)) = holder.device.as_deref().map(Id::parse) else { return Ok(false) };
    if claims(dirs).owner(&id)?.is_none() {
        return Ok(false);
    }
    let change = LinkChange { name: Some(SPARE_NAME.to_owned()), ..LinkChange::default() };
    match host.set_link(holder.index, &change) {
        Err(error) if !error.is_gone() && !error.is_busy() => Err(error.into()),
        _ => Ok(true),
    }
}

/// The kernel moves a device out of the namespace of the thread that asks, and of no other (`rdma_dev_change_netns` in
/// drivers/infiniband/core/device.c).
fn send_home(pod: &Pod, name: &str) -> Result<(), Error> {
    let home = NetNs::current()?;
    pod.netns.run(|| {
        let mut inside = Rdma::open()?;
        match inside.device_by_name(name)? {
            Some(device) => Ok(inside.move_device(device.index, home.fd())?),
            None => Ok(()),
        }
    })?
}
