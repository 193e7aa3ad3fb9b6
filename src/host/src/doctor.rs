//! Whether the node, or a pod, is ready for RDMA. What can be seen is one value, [`Sight`]; the judgement is a function of it.

mod bits;
mod checks;
mod files;
mod finding;
pub mod lldp;
mod look;
pub mod map;
pub mod nccl;
mod readiness;
mod sight;

pub use finding::{Check, Finding, Level};
pub use look::{look, look_at_links};
pub use readiness::{changed, is_bad, readiness};
pub use sight::{Char, Gid, Gpu, Holder, Hop, Netdev, Pci, Pf, Pkey, Port, RdmaDevice, Sight, Whose};

use crate::roce::Roce;

/// Every check, in the order in which people should look. `roce` is how lossless traffic classes are to be, if somebody has
/// said so.
pub fn judge(sight: &Sight, roce: Option<Roce>) -> Vec<Finding> {
    checks::ALL.iter().flat_map(|check| check(sight, roce)).collect()
}
