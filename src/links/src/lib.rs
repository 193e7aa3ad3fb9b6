//! The links that a pod gets, and the devices that go with them, as steps that can be undone: child links, VFs on
//! Ethernet and `InfiniBand`, RDMA devices, and the VLANs and bonds that serve as masters.

pub mod child;
mod holders;
pub mod ib;
pub mod master;
mod part;
pub mod pkey;
pub mod rdma;
mod users;
pub mod vf;

pub use part::Part;
