//! A VF or subfunction that a pod has for its time, of two [kinds](VfKind): Ethernet or `InfiniBand`.
//!
//! All attributes that a PF keeps of a VF go to it in one request with only what differs. The interface goes straight
//! into the pod under its final name. Everything is written down before, so that DEL needs neither pod nor config.

mod add;
mod apply;
mod attributes;
mod caches;
mod check;
mod del;
mod device;
mod error;
mod ethernet;
mod infiniband;
mod kind;
mod name;
mod netdev;
mod owner;
mod prepared;
mod settings;
mod torn;
mod undo;

pub use add::add;
pub use apply::{Admin, set_own_mac};
pub use attributes::{Attributes, LinkState, Rate, Setting, Vlan};
pub use caches::find_unrecorded;
pub use check::{check, differences, status};
pub use del::{del, gc};
pub use device::{Device, Id, Pf};
pub use error::Error;
pub use ethernet::SriovCniFiles;
pub use infiniband::{Error as InfiniBandError, RdmaBefore};
pub use kind::VfKind;
pub use netdev::{Netdev, await_on_host, in_pod};
pub use prepared::PreparedVf;
pub use settings::NetdevSettings;
pub use undo::VfUndo;

pub(crate) use caches::user_of;
pub(crate) use ethernet::lock_file;
pub(crate) use owner::taken_by;

use attach::locks::LockFile;
use links::pkey::Pkey;
use netlink::{Guid, HwAddr};
use state::Dirs;
use sysfs::Root;

use crate::rdma::RdmaSpec;

/// What a plugin makes of its config: the device, and what is to differ from what it is.
#[derive(Clone, Debug, PartialEq)]
pub struct VfSpec {
    /// What the plugin attaches.
    pub kind: VfKind,
    /// `deviceID`
    pub device: Id,
    /// What the PF is to be told: MAC or GUIDs included.
    pub attributes: Attributes,
    /// Ethernet: the interface's own MAC.
    pub mac: Option<HwAddr>,
    /// Ethernet: MTU in the pod; at most the PF's.
    pub mtu: Option<u32>,
    /// `InfiniBand`: the partition that the subnet manager is to give to the GUID; only looked at.
    pub pkey: Option<Pkey>,
    /// `InfiniBand`: the RDMA device goes along.
    pub isolation: bool,
    /// `InfiniBand`: the device has to have a user space driver.
    pub vfio: bool,
    /// Ethernet: the RDMA device that `rail` moves with it; alone, the plugin `rdma` does.
    pub rdma: Option<RdmaSpec>,
}

impl VfSpec {
    /// As the device is.
    pub fn of(kind: VfKind, device: Id) -> Self {
        let attributes = Attributes::default();
        Self {
            kind,
            device,
            attributes,
            mac: None,
            mtu: None,
            pkey: None,
            isolation: false,
            vfio: false,
            rdma: None,
        }
    }

    /// Looks for the device, of which nothing else is known before its locks are held.
    pub fn find(&self) -> Result<Device, attach::Error> {
        Device::require(&Root::system(), &self.device)
    }

    /// The files whose locks are to be held from [`PreparedVf::of`] until the device is in the pod.
    pub fn locks(&self, dirs: &Dirs, device: &Device) -> Result<Vec<LockFile>, attach::Error> {
        self.kind.special().locks(dirs, device)
    }

    /// Whether the pod gets its RDMA device.
    pub fn has_rdma(&self) -> bool {
        self.rdma.is_some() || self.isolation
    }

    /// `InfiniBand`: node and port GUID; `None`: the VF has its own.
    pub fn guid(&self) -> Option<Guid> {
        self.attributes.node_guid
    }
}
