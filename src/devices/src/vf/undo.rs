use std::path::{Path, PathBuf};

use attach::locks::acquire_all;
use attach::{Error, Undo, UndoContext};
use netlink::Guid;
use serde::{Deserialize, Serialize};
use state::{AttachmentKey, Dirs};
use sysfs::Root;

use super::apply::Admin;
use super::ethernet::SriovCniFiles;
use super::infiniband::RdmaBefore;
use super::name::rename_when_free;
use super::netdev::{Netdev, await_on_host, is_at_hand, require_on_host_alone};
use super::owner::taken_by;
use super::{Attributes, Device, Id, VfKind};

/// Everything about a VF as it was before a pod got it, from which it can be put back without the pod.
#[derive(Debug, Serialize, Deserialize)]
pub struct VfUndo {
    /// `CNI_CONTAINERID` and the like: the owner.
    pub key: AttachmentKey,
    /// PCI address, or name of the auxiliary device.
    pub device: String,
    /// The driver; a workload may have unbound it. `None` is unknown, too.
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
    /// Its attributes as its PF had them; `None` without a PF on this machine. Of `InfiniBand` only those that were to change.
    pub before: Option<Attributes>,
    /// The IPAM plugin that gave its addresses.
    pub ipam: Option<String>,
    /// The files that sriov-cni would have written: there are such for every Ethernet VF, and for no other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peer: Option<SriovCniFiles>,
    /// `InfiniBand`: the GUID that the interface had.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guid: Option<Guid>,
    /// `InfiniBand`: the RDMA device, with whatever GUID.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rdma: Option<RdmaBefore>,
    /// `InfiniBand`: whether the RDMA device went along.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub isolated: Option<bool>,
}

impl Undo for VfUndo {
    fn undo(&self, context: &mut UndoContext) -> Result<(), Error> {
        let id = Id::parse(&self.device)?;
        // A lock's file stays for ever: none for what is no device any more.
        let device = Device::find(&Root::system(), &id)?;
        let files = device.map(|device| self.kind().special().locks(&context.dirs, &device)).transpose()?;
        let _locks = acquire_all(files.unwrap_or_default())?;
        Error::join(self.undo_locked(&id, context)?).map_or(Ok(()), Err)
    }

    fn ipams(&self) -> Vec<(String, String)> {
        self.ipam.iter().map(|plugin| (self.ifname.clone(), plugin.clone())).collect()
    }
}

impl VfUndo {
    /// Of a VF of which nothing else is known, for a pod in the namespace `netns`.
    pub(super) fn of(kind: VfKind, key: AttachmentKey, id: &Id, netns: PathBuf) -> Self {
        Self {
            ifname: key.ifname.clone(),
            peer: SriovCniFiles::of(kind, &key, netns),
            key,
            device: id.to_string(),
            driver: None,
            driver_override: None,
            index: None,
            netdev: None,
            before: None,
            ipam: None,
            guid: None,
            rdma: None,
            isolated: None,
        }
    }

    /// As records tell it: [`of`](Self::of) sees to that.
    pub fn kind(&self) -> VfKind {
        if self.peer.is_some() { VfKind::Ethernet } else { VfKind::InfiniBand }
    }

    /// The namespace of ADD; empty where nobody has said.
    fn netns(&self) -> &Path {
        self.peer.as_ref().map_or(Path::new(""), |files| &files.netns)
    }

    /// The undo, under the VF's locks. `Ok`: the device is on the host again, or another pod's, and these settings could not be
    /// restored. `Err`: it is not on the host, or nobody can tell whose it is.
    pub(super) fn undo_locked(&self, id: &Id, context: &mut UndoContext) -> Result<Vec<Error>, Error> {
        let Some(device) = Device::find(&Root::system(), id)? else {
            tracing::warn!(device = self.device, "the device is gone, and with it all that was changed");
            return self.forget(&context.dirs, id).map(|()| Vec::new());
        };
        if let Some(owner) = self.other_user(&device, context)? {
            tracing::warn!(device = self.device, owner, "left alone: it belongs to another pod now");
            return self.forget(&context.dirs, id).map(|()| Vec::new());
        }
        let errors = self.put_back(&device, context)?;
        if errors.is_empty() {
            self.forget(&context.dirs, id)?;
        }
        Ok(errors)
    }

    /// If the interface is neither in the pod nor on the host, a younger cache of the upstream plugin names the new owner.
    fn other_user(&self, device: &Device, context: &mut UndoContext) -> Result<Option<String>, Error> {
        let id = device.id();
        let other = taken_by(self.kind().holders(&context.dirs), id, &self.key, self.netns())?;
        // Of a device for user space nobody can tell whether it is at hand.
        let is_at_hand = |context| is_at_hand(device, self.index, &self.ifname, context);
        if other.is_some() || self.netdev.is_some() && is_at_hand(&mut *context)? {
            return Ok(other);
        }
        self.kind().holders(&context.dirs).superseded(id, &self.key)
    }

    fn forget(&self, dirs: &Dirs, id: &Id) -> Result<(), Error> {
        self.kind().holders(dirs).forget(id, &self.key, self.netns())
    }

    /// The interface is on the host before the PF takes the pod's VLAN, or GUID, from it: while it is away, whoever has it could
    /// work without.
    fn put_back(&self, device: &Device, context: &mut UndoContext) -> Result<Vec<Error>, Error> {
        self.move_to_host(device, context)?;
        if self.netdev.is_some() {
            require_on_host_alone(device, context)?;
        }
        let attributes =
            self.before.as_ref().map_or(Ok(()), |before| Admin::restore(device, before, context.host()?));
        let restored = attributes.is_ok();
        // Without its driver it has no interface.
        let driver = device.restore_driver(self.driver.as_deref(), self.driver_override.as_deref());
        let netdev = driver.and_then(|()| self.restore_netdev(device, restored, context));
        Ok([attributes, netdev].into_iter().filter_map(Result::err).collect())
    }

    fn move_to_host(&self, device: &Device, context: &mut UndoContext) -> Result<(), Error> {
        if let Some(netdev) = &self.netdev {
            netdev.move_to_host(device.id(), self.index, &self.ifname, context)?;
        }
        context.pod.as_ref().map_or(Ok(()), |pod| self.kind().special().leave_pod(self, device, pod))
    }

    fn restore_netdev(
        &self,
        device: &Device,
        restored: bool,
        context: &mut UndoContext,
    ) -> Result<(), Error> {
        let Some(netdev) = &self.netdev else { return Ok(()) };
        let (dirs, host) = context.dirs_and_host()?;
        let link = await_on_host(device, host)?;
        let mut link = self.kind().special().rebuild(self, device, link, restored, (dirs, &mut *host))?;
        if link.name != netdev.name && rename_when_free(dirs, netdev, &link, host)? {
            link.name.clone_from(&netdev.name);
        }
        netdev.restore(host, &link)
    }
}
