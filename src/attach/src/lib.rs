//! What the plugins do to the kernel, as steps that can be undone.
//!
//! A plugin validates its config, reads what it needs, writes down how to undo what it is about to do
//! ([`Attachments::begin`]), and acts. Killed at any point, the next DEL, GC or ADD finishes the undo from the record.

pub mod addresses;
pub mod announce;
pub mod attachment;
pub mod child;
mod claim;
pub mod detect;
mod error;
pub mod ib;
pub mod ipam;
mod lease;
mod locks;
pub mod master;
pub mod pkey;
mod pod;
pub mod rail;
pub mod rdma;
pub mod routing;
mod scene;
pub mod sysctl;
pub mod vf;

pub use attachment::{Adding, Attachments, Found, Prepared, Undo};
pub use error::{Error, Failure};
pub use pod::Pod;
pub use scene::Scene;
