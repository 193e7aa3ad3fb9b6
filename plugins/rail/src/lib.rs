//! The rails of a pod, in one process. A library, so that its config can be explained without running it.

mod agent;
mod conf;
mod devices;
mod expand;
mod ipam;
mod link;
mod plugin;
mod pod;

pub use conf::rails;
pub use devices::UNKNOWN_DEVICE;
pub use plugin::RailPlugin;
