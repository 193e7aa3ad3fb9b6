//! The RDMA device of a chain's interface. A library, so that `rail` attaches one without starting a process.

mod conf;
mod plugin;

pub use conf::wanted;
pub use plugin::RdmaPlugin;
