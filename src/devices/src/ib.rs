//! A VF of an InfiniBand PF that ADD takes from the host and DEL brings back: GUIDs, link state, the `IPoIB` interface and,
//! if wished, the RDMA device.
//!
//! A GUID takes effect when the driver is rebound. That makes the kernel build RDMA device and interface again, so it
//! is done only when the GUID really changes, and what comes back is waited for and compared with what went.

mod add;
mod check;
mod del;
mod error;
mod ib_sriov_cni;
mod lock;
mod prepared;
mod rebind;
mod undo;

pub use add::add;
pub use check::{check, status};
pub use del::{del, gc};
pub use error::Error;
pub use undo::IbUndo;

pub use check::differences;
pub use ib_sriov_cni::find as find_unrecorded;
pub use lock::files as lock_files;
pub use prepared::PreparedIb;

pub(crate) use undo::holders;

use netlink::Guid;

use crate::vf::{Id, LinkState};
use links::pkey::Pkey;

/// The CNI type, the folder of the peer's caches, and the owner of the records.
pub const NAME: &str = "ib-sriov";

/// What the plugin makes of its config.
#[derive(Clone, Debug, PartialEq)]
pub struct IbSpec {
    /// `deviceID`
    pub device: Id,
    /// Node and port GUID; `None`: the VF has its own.
    pub guid: Option<Guid>,
    /// `None`: as it is.
    pub link_state: Option<LinkState>,
    /// The partition that the subnet manager is to give to the GUID; only looked at.
    pub pkey: Option<Pkey>,
    /// The RDMA device goes along.
    pub isolation: bool,
    /// The device has to have a user space driver.
    pub vfio: bool,
}
