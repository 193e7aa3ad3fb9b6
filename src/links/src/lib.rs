//! The links that are made for a pod, as steps that can be undone: child links, and the VLANs and bonds that serve as
//! their masters.

pub mod child;
pub mod master;
pub mod pkey;
pub mod whole;
