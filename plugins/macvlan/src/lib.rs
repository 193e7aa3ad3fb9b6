//! A child link of a master, with a MAC of its own. A library, so that `rail` makes one without starting a process.

mod conf;
mod plugin;

pub use conf::Conf;
pub use plugin::Macvlan;
