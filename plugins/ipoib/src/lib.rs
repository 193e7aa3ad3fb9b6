//! A child of an IP-over-InfiniBand interface. A library, so that `rail` makes one without starting a process.

mod conf;
mod plugin;

pub use conf::Conf;
pub use plugin::Ipoib;
