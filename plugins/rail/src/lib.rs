//! The rails of a pod, in one process. A library, so that its config can be explained without running it.

mod conf;
mod expand;
mod ipam;
mod plugin;

pub use conf::rails;
pub use plugin::RailPlugin;
