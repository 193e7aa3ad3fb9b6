//! Devices that a pod gets for its time, as steps that can be undone: VFs on Ethernet and `InfiniBand`, subfunctions, and
//! the RDMA devices that go with them.

mod allocation;
mod holders;
mod part;
pub mod rdma;
mod users;
pub mod vf;

pub use part::Part;
