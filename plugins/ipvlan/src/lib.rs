//! A child link of a master, with the master's MAC. A library, so that `rail` makes one without starting a process.

mod conf;
mod plugin;

pub use conf::Conf;
pub use plugin::Ipvlan;
