//! A VF of an Ethernet PF. A library, so that `rail` attaches one without starting a process.

mod conf;
mod plugin;

pub use conf::wanted;
pub use plugin::Sriov;
