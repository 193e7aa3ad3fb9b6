use std::path::PathBuf;

use cni::{CniResult, Request};
use netlink::{NetnsMode, Rdma, RdmaDevice};
use state::{Dirs, Key};
use sysfs::Root;

use super::undo::claims;
use super::{Error, NAME, RdmaUndo, derive, device_info, peer};
use crate::attachment::key_of;
use crate::claim::Evicted;
use crate::vf::{self, Device, Id};
use crate::{Adding, Attachments, Pod, Undo};

/// What is to happen in RDMA netns mode `shared`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Policy {
    /// An error that says how to leave it.
    #[default]
    Exclusive,
    /// A warning: the pod sees the device as everybody does.
    Auto,
}

/// What the plugin makes of its config.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// `deviceID`; derived from the previous result when there is none.
    pub device: Option<Id>,
    /// See [`Policy`].
    pub policy: Policy,
    /// Name in the pod; the host's when `None`.
    pub name: Option<String>,
    /// The file of the capability `CNIDeviceInfoFile`.
    pub device_info: Option<PathBuf>,
}

/// ADD: the RDMA device follows the interface of the previous result, which is passed on as it is.
pub fn add(request: &Request, wanted: &Wanted) -> Result<CniResult, cni::Error> {
    let result = request.config.require_prev_result()?.clone();
    let netns = request.env.netns.as_deref().ok_or_else(|| cni::Error::netns("CNI_NETNS is empty"))?;
    let mut pod = Pod::open(netns)?;
    if !require_exclusive(wanted.policy)? {
        return Ok(result);
    }
    let id = match &wanted.device {
        Some(id) => id.clone(),
        None => derive::device(&result, &mut pod)?,
    };
    Move { request, wanted, dirs: Dirs::from_env().map_err(crate::Error::from)?, pod, id }.run()?;
    Ok(result)
}

/// Whether there is anything to do; an error in shared mode unless the policy takes that.
pub fn require_exclusive(policy: Policy) -> Result<bool, crate::Error> {
    match open()?.netns_mode()? {
        NetnsMode::Exclusive => Ok(true),
        NetnsMode::Shared if policy == Policy::Auto => {
            tracing::warn!("the RDMA netns mode is shared: the pod sees every RDMA device of the node");
            Ok(false)
        }
        NetnsMode::Shared => Err(Error::Shared.into()),
    }
}

fn open() -> Result<Rdma, crate::Error> {
    Rdma::open().map_err(|error| if error.is_unsupported() { Error::NoRdma.into() } else { error.into() })
}

struct Move<'a> {
    request: &'a Request,
    wanted: &'a Wanted,
    dirs: Dirs,
    pod: Pod,
    id: Id,
}

impl Move<'_> {
    fn run(self) -> Result<(), cni::Error> {
        let key = key_of(self.request)?;
        let prepared =
            Attachments::open(&self.dirs, NAME)?.prepare::<RdmaUndo>(key.clone(), &self.pod.netns)?;
        let device = Device::require(&Root::system(), &self.id)?;
        let _lock = vf::lock(&self.dirs, &self.id)?;
        self.evict()?;
        let rdma = only_device(&device)?;
        warn_of_guid(&rdma);
        let mut adding = prepared.begin(self.undo(key, &rdma))?;
        match self.perform(&device, &rdma, &mut adding) {
            Ok(()) => Ok(()),
            Err(error) => Err(roll_back(adding, error)),
        }
    }

    fn evict(&self) -> Result<(), crate::Error> {
        match claims(&self.dirs).evict::<RdmaUndo>(&self.id, |undo, scene| Ok(undo.undo(scene)))? {
            Evicted::Free => Ok(()),
            Evicted::Alive(owner) => {
                let (name, netns) = (owner.key.to_string(), owner.netns());
                Err(vf::Error::Allocated { device: self.id.to_string(), owner: name, netns }.into())
            }
        }
    }

    fn undo(&self, key: Key, rdma: &RdmaDevice) -> RdmaUndo {
        RdmaUndo {
            key,
            device: self.id.to_string(),
            index: Some(rdma.index),
            name: rdma.name.clone(),
            pod_name: self.wanted.name.clone().unwrap_or_else(|| rdma.name.clone()),
            netns: self.pod.netns.path().to_owned(),
            device_info: None,
        }
    }

    fn perform(
        &self,
        device: &Device,
        rdma: &RdmaDevice,
        adding: &mut Adding<RdmaUndo>,
    ) -> Result<(), crate::Error> {
        claims(&self.dirs).take(NAME, &self.id, adding.key(), &self.pod.netns)?;
        let moved = Rdma::open()?.move_device(rdma.index, self.pod.netns.fd());
        moved.map_err(|source| immovable(rdma, source))?;
        let mut inside = Rdma::open_in(&self.pod.netns)?;
        let name = adding.undo().pod_name.clone();
        if name != rdma.name {
            inside.rename(rdma.index, &name).map_err(|error| taken(&name, error))?;
        }
        self.warn_of_ports(&mut inside, rdma, &name)?;
        if let Some(path) = &self.wanted.device_info
            && device_info::write(path, device, &name)?
        {
            adding.note(|undo| undo.device_info = Some(path.clone()));
        }
        peer::save(&self.dirs, adding.undo())?;
        adding.attached()
    }

    /// A `RoCE` port without its interface in the same namespace has no GIDs there.
    fn warn_of_ports(&self, inside: &mut Rdma, rdma: &RdmaDevice, name: &str) -> Result<(), crate::Error> {
        let ports = inside.ports(rdma.index)?;
        let ifname = &self.request.env.ifname;
        let is_ours = |port: &netlink::RdmaPort| port.link_name.as_ref() == Some(ifname);
        if rdma.protocol == "roce" && !ports.iter().any(is_ours) {
            tracing::warn!(
                rdma = name,
                "no port of it carries {ifname}: without its interface it has no GIDs in the pod"
            );
        }
        Ok(())
    }
}

fn only_device(device: &Device) -> Result<RdmaDevice, crate::Error> {
    let names = device.rdma()?;
    let id = device.id().to_string();
    let [name] = names.as_slice() else {
        let error =
            if names.is_empty() { Error::None { device: id } } else { Error::Several { device: id, names } };
        return Err(error.into());
    };
    let found = open()?.device_by_name(name)?;
    Ok(found.ok_or(Error::None { device: id })?)
}

fn warn_of_guid(rdma: &RdmaDevice) {
    if rdma.node_guid.is_reserved() {
        tracing::warn!(
            rdma = rdma.name,
            node_guid = %rdma.node_guid,
            "RDMA CM does not work with this GUID: give the VF a MAC through its PF, then bind its driver anew"
        );
    }
}

fn immovable(rdma: &RdmaDevice, source: netlink::Error) -> crate::Error {
    if source.is_unsupported() {
        return Error::Immovable { name: rdma.name.clone(), source: Box::new(source) }.into();
    }
    source.into()
}

fn taken(name: &str, error: netlink::Error) -> crate::Error {
    if error.is_exists() {
        let problem = "another RDMA device of this node has the name, and they are unique in all namespaces";
        return Error::Name { wanted: name.to_owned(), problem: problem.to_owned() }.into();
    }
    error.into()
}

fn roll_back(adding: Adding<RdmaUndo>, error: crate::Error) -> cni::Error {
    let error = cni::Error::from(error);
    match crate::Error::join(adding.fail()) {
        None => error,
        Some(undo) => error.with_details(format!("the undo is left to DEL: {undo}")),
    }
}
