//! The RDMA device of a VF or SF, moved into the pod (RDMA netns mode `exclusive`) and brought back.

mod add;
mod check;
mod del;
mod derive;
mod device_info;
mod error;
mod prepared;
mod rdma_cni;
mod undo;

pub use add::{Policy, RdmaSpec, add, require_exclusive, require_shared};
pub use check::{check, status};
pub use del::{del, gc};
pub use error::Error;
pub use undo::RdmaUndo;

pub use check::of_device;
pub use del::find_unrecorded;
pub use prepared::{NodeRdma, PreparedRdma};

pub(crate) use prepared::immovable;
pub(crate) use undo::{give_name, move_to_host};

/// The CNI type, the folder of the peer's caches, and the owner of the records.
pub const NAME: &str = "rdma";
