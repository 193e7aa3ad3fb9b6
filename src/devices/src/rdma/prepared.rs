use std::path::Path;

use attach::Pod;
use netlink::{Rdma, RdmaDevice};
use state::{AttachmentKey, Dirs};

use super::add::open;
use super::rdma_cni::RdmaCniCache;
use super::undo::holders;
use super::{Error, Policy, RdmaSpec, RdmaUndo, device_info, require_exclusive};
use crate::claim::Owner;
use crate::rail::RailsOnRecord;
use crate::vf::{Device, Id};

/// The RDMA device of a VF, found fit for an ADD, whose caller has the VF's lock: the steps, in their order, of every
/// plugin that moves one.
#[derive(Debug)]
pub struct PreparedRdma<'a> {
    wanted: &'a RdmaSpec,
    device: Device,
    rdma: RdmaDevice,
}

impl<'a> PreparedRdma<'a> {
    /// Puts back what a pod that is gone had, and looks for the one RDMA device.
    pub fn find(
        dirs: &Dirs,
        device: Device,
        wanted: &'a RdmaSpec,
        node: &mut NodeRdma,
    ) -> Result<Self, attach::Error> {
        reclaim(dirs, device.id())?;
        let rdma = only_device(&device, node)?;
        warn_of_guid(&rdma);
        Ok(Self { wanted, device, rdma })
    }

    /// To be written down before [`move_to_pod`](Self::move_to_pod).
    pub fn undo(&self, key: AttachmentKey, pod: &Pod) -> RdmaUndo {
        RdmaUndo {
            key,
            device: self.device.id().to_string(),
            index: Some(self.rdma.index),
            name: self.rdma.name.clone(),
            pod_name: self.pod_name().to_owned(),
            netns: pod.netns.path().to_owned(),
            device_info: self.wanted.device_info.clone().filter(|path| is_missing(path)),
        }
    }

    fn pod_name(&self) -> &str {
        self.wanted.name.as_deref().unwrap_or(&self.rdma.name)
    }

    /// Takes the device and moves it into the pod, after its interface.
    pub fn move_to_pod(&self, owner: &Owner, dirs: &Dirs, pod: &Pod) -> Result<(), attach::Error> {
        let (rdma, name) = (&self.rdma, self.pod_name());
        holders(dirs).lend(self.device.id(), owner)?;
        let moved = Rdma::open()?.move_device(rdma.index, pod.netns.fd());
        moved.map_err(|source| immovable(rdma, source))?;
        let mut inside = Rdma::open_in(&pod.netns)?;
        if name != rdma.name {
            inside.rename(rdma.index, name).map_err(|error| taken(name, error))?;
        }
        warn_of_ports(&mut inside, rdma, name, &owner.key.ifname)?;
        match &self.wanted.device_info {
            Some(path) => device_info::write(path, &self.device, name),
            None => Ok(()),
        }
    }

    /// Writes rdma-cni's cache: what is left to go by when the record is lost.
    pub fn save(dirs: &Dirs, undo: &RdmaUndo) -> Result<(), attach::Error> {
        holders(dirs).save(&undo.key, &RdmaCniCache::of(undo)?)
    }
}

/// What is there already is somebody's, and stays.
fn is_missing(path: &Path) -> bool {
    path.symlink_metadata().is_err_and(|error| error.kind() == std::io::ErrorKind::NotFound)
}

fn reclaim(dirs: &Dirs, id: &Id) -> Result<(), attach::Error> {
    let holders = holders(dirs);
    holders.require_free(id)?;
    holders.reclaim(id, RailsOnRecord::rdma, |undo: &RdmaUndo, context| {
        undo.undo_locked(id, context).map(|()| Vec::new())
    })
}

/// A `RoCE` port without its interface in the same namespace has no GIDs there.
fn warn_of_ports(
    inside: &mut Rdma,
    rdma: &RdmaDevice,
    name: &str,
    ifname: &str,
) -> Result<(), attach::Error> {
    let ports = inside.ports(rdma.index)?;
    let is_ours = |port: &netlink::RdmaPort| port.link_name.as_deref() == Some(ifname);
    if rdma.protocol == "roce" && !ports.iter().any(is_ours) {
        tracing::warn!(
            rdma = name,
            "no port of it carries {ifname}: without its interface it has no GIDs in the pod"
        );
    }
    Ok(())
}

fn only_device(device: &Device, node: &mut NodeRdma) -> Result<RdmaDevice, attach::Error> {
    let names = device.rdma()?;
    let id = device.id().to_string();
    let [name] = names.as_slice() else {
        let error =
            if names.is_empty() { Error::None { device: id } } else { Error::Several { device: id, names } };
        return Err(error.into());
    };
    Ok(node.device(name)?.ok_or(Error::None { device: id })?)
}

fn warn_of_guid(rdma: &RdmaDevice) {
    if rdma.node_guid.is_reserved() {
        tracing::warn!(
            rdma = rdma.name,
            node_guid = %rdma.node_guid,
            "RDMA CM does not work with this GUID: give the VF a MAC through its PF, then rebind its driver"
        );
    }
}

/// A move that was refused, in words.
pub(crate) fn immovable(rdma: &RdmaDevice, source: netlink::Error) -> attach::Error {
    if source.is_unsupported() {
        return Error::Immovable { name: rdma.name.clone(), source: Box::new(source) }.into();
    }
    source.into()
}

fn taken(name: &str, error: netlink::Error) -> attach::Error {
    if error.is_exists() {
        let problem = "another RDMA device of this node has the name, and they are unique in all namespaces";
        return Error::Name { wanted: name.to_owned(), problem: problem.to_owned() }.into();
    }
    error.into()
}

/// What is asked of the node's RDMA once for all rails.
#[derive(Debug, Default)]
pub struct NodeRdma {
    exclusive: bool,
    devices: Vec<RdmaDevice>,
}

impl NodeRdma {
    /// An error in RDMA netns mode `shared`.
    pub fn require_exclusive(&mut self) -> Result<(), attach::Error> {
        if !self.exclusive {
            self.exclusive = require_exclusive(Policy::Exclusive)?;
        }
        Ok(())
    }

    /// The device of that name. The kernel looks up no RDMA device by its name, so all are listed; again if the name is unknown,
    /// as a device may have returned meanwhile from a pod that is gone.
    fn device(&mut self, name: &str) -> Result<Option<RdmaDevice>, attach::Error> {
        let is_called = |device: &&RdmaDevice| device.name == name;
        if let Some(known) = self.devices.iter().find(is_called) {
            return Ok(Some(known.clone()));
        }
        self.devices = open()?.devices()?;
        Ok(self.devices.iter().find(is_called).cloned())
    }
}
