//! The runtime's side of CNI, call for call as libcni makes it: networks and their files, plugins called in a chain, cached
//! results; and what our plugins have on record, which a runtime does not know, up to what lost pods left of it.
//!
//! Prints nothing: `railctl` says to people what becomes of it, and `raild gc` to its log.

mod cache;
mod call;
mod driver;
mod gc;
pub mod leftovers;
pub mod network;
pub mod records;
pub mod suite;

pub use cache::{Cache, Entry};
pub use driver::{Driver, Object, Pairs, RuntimeConf};
pub use gc::Keep;
pub use network::Network;
