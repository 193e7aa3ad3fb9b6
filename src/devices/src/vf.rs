//! A VF, or a subfunction, that ADD takes from the host and DEL brings back: what `sriov` and `ib-sriov` share.
//!
//! All attributes that a PF keeps of a VF go to it in one request with only what differs. The interface goes straight
//! into the pod under its final name. Everything is written down before, so that DEL needs neither pod nor config.

mod add;
mod apply;
mod attributes;
mod check;
mod del;
mod device;
mod error;
mod lock;
mod name;
mod netdev;
mod owner;
mod prepared;
mod settings;
pub mod sriov_cni;
mod undo;

pub use add::add;
pub use apply::{Admin, set_own_mac};
pub use attributes::{Attributes, LinkState, Rate, Setting, Vlan};
pub use check::{check, status};
pub use del::{del, gc};
pub use device::{Device, Id, Pf};
pub use error::Error;
pub use netdev::{Netdev, Placement, await_on_host, in_pod};
pub use settings::Settings;
pub use undo::VfUndo;

pub use check::{device_difference, differences};
pub use del::find_unrecorded;
pub(crate) use name::rename_when_free;
pub(crate) use netdev::{is_at_hand, require_home_alone};
pub(crate) use owner::{Verdict, judge_chained};
pub use prepared::PreparedVf;

use attach::locks::LockFile;
use netlink::HwAddr;
use state::{Dirs, Lock};

/// Below the peers' directory, sriov-cni's.
pub const FOLDER: &str = "sriov";

/// What a plugin makes of its config: the device, and what is to differ from what it is.
#[derive(Clone, Debug)]
pub struct VfSpec {
    /// `deviceID`
    pub device: Id,
    /// What the PF is to be told; its MAC included.
    pub attributes: Attributes,
    /// The interface's own MAC, and the PF's.
    pub mac: Option<HwAddr>,
    /// MTU in the pod; at most the PF's.
    pub mtu: Option<u32>,
}

/// The plugin on whose behalf a VF is attached.
#[derive(Clone, Copy, Debug)]
pub struct Plugin {
    /// Its CNI type, which is also the peer's folder.
    pub name: &'static str,
}

/// The lock on a VF that every plugin takes which changes it or its RDMA device, sriov-cni's processes included.
pub fn lock(dirs: &Dirs, id: &Id) -> Result<Lock, attach::Error> {
    lock::acquire(dirs, FOLDER, id)
}

/// The same, to be taken together with others.
pub fn lock_file(dirs: &Dirs, id: &Id) -> Result<LockFile, attach::Error> {
    lock::file(dirs, FOLDER, id)
}
