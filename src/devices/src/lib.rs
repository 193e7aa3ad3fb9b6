//! Devices that a pod gets for its time, as steps that can be undone: VFs on Ethernet and `InfiniBand`, subfunctions, and
//! the RDMA devices that go with them.

mod allocation;
mod claim;
mod holders;
mod rail;
pub mod rdma;
mod site;
mod users;
pub mod vf;

pub use claim::Owner;
pub use rail::{RailUndo, StepUndo};
pub use site::Site;
