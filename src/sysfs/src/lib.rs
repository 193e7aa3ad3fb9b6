//! PCI, net and infiniband trees of sysfs, below a root that tests replace.
//!
//! Sysfs shows the network namespace that it was mounted in: net entries are those of that namespace, whatever the
//! thread has entered since.

mod attribute;
mod bdf;
mod device;
mod error;
mod infiniband;
mod net;
mod pci;
mod root;

pub use bdf::Bdf;
pub use device::Device;
pub use error::Error;
pub use infiniband::{LinkLayer, RdmaDevice};
pub use net::{LinkType, Netdev};
pub use pci::PciFunction;
pub use root::Root;
