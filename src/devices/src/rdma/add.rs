use std::path::PathBuf;

use attach::{Adding, Attachments, Pod, key_of};
use cni::{CniResult, Request};
use netlink::{NetnsMode, Rdma};
use state::{AttachmentKey, Dirs};
use sysfs::Root;

use super::prepared::PreparedRdma;
use super::{Error, NAME, NodeRdma, RdmaUndo, derive};
use crate::claim::Owner;
use crate::vf::{self, Device, Id};

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
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RdmaSpec {
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
pub fn add(request: &Request, wanted: &RdmaSpec) -> Result<CniResult, cni::Error> {
    let result = request.config.require_prev_result()?.clone();
    let netns = request.env.require_netns()?;
    let mut pod = Pod::open(netns)?;
    if !require_exclusive(wanted.policy)? {
        return Ok(result);
    }
    let id = match &wanted.device {
        Some(id) => id.clone(),
        None => derive::device(&result, &mut pod)?,
    };
    Move { request, wanted, dirs: Dirs::from_env().map_err(attach::Error::from)?, pod, id }.run()?;
    Ok(result)
}

/// Whether there is anything to do; an error in shared mode unless the policy takes that.
pub fn require_exclusive(policy: Policy) -> Result<bool, attach::Error> {
    match open()?.netns_mode()? {
        NetnsMode::Exclusive => Ok(true),
        NetnsMode::Shared if policy == Policy::Auto => {
            tracing::warn!("the RDMA netns mode is shared: the pod sees every RDMA device of the node");
            Ok(false)
        }
        NetnsMode::Shared => Err(Error::Shared.into()),
    }
}

pub(super) fn open() -> Result<Rdma, attach::Error> {
    Rdma::open().map_err(|error| if error.is_unsupported() { Error::NoRdma.into() } else { error.into() })
}

/// The plugin's own attachment.
struct Move<'a> {
    request: &'a Request,
    wanted: &'a RdmaSpec,
    dirs: Dirs,
    pod: Pod,
    id: Id,
}

impl Move<'_> {
    fn run(self) -> Result<(), cni::Error> {
        let key = key_of(self.request)?;
        let prepared =
            Attachments::open(&self.dirs, NAME)?.prepare::<RdmaUndo>(key.clone(), &self.pod.netns)?;
        // A lock's file stays for ever: none for what is no device.
        Device::require(&Root::system(), &self.id)?;
        let lock = vf::lock_file(&self.dirs, &self.id)?.acquire()?;
        let device = Device::require(&Root::system(), &self.id)?;
        let rdma = PreparedRdma::find(&self.dirs, device, self.wanted, &mut NodeRdma::default())?;
        let mut adding = prepared.begin(rdma.undo(key.clone(), &self.pod))?;
        let moved = self.perform(&rdma, key, &mut adding);
        // The undo takes it itself.
        drop(lock);
        moved.map_err(|error| adding.roll_back([], error.into()))
    }

    fn perform(
        &self,
        rdma: &PreparedRdma<'_>,
        key: AttachmentKey,
        adding: &mut Adding<RdmaUndo>,
    ) -> Result<(), attach::Error> {
        let owner = Owner::new(NAME, key, None, &self.pod.netns)?;
        rdma.move_to_pod(&owner, &self.dirs, &self.pod)?;
        PreparedRdma::save(&self.dirs, adding.undo())?;
        adding.attached()
    }
}

/// For what a pod is to share with the host: in exclusive mode it would see nothing.
pub fn require_shared() -> Result<(), attach::Error> {
    match open()?.netns_mode()? {
        NetnsMode::Shared => Ok(()),
        NetnsMode::Exclusive => Err(Error::Exclusive.into()),
    }
}
