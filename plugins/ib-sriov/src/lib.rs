//! A VF of an InfiniBand PF. A library, so that `rail` attaches one without starting a process.

mod conf;
mod plugin;

pub use conf::wanted;
pub use plugin::IbSriov;
