//! Policy routing in the pod: what arrives on a rail leaves on it.
//!
//! [`plan`] decides from a [`View`] of the pod, [`kernel`] reads and writes, and two records make it undoable: one of
//! the attachment ([`RoutingUndo`]) and one of what the pod's attachments share ([`Shared`]: the first NIC's table, main's
//! default route, detours). Both are in place before a change, under one lock per pod.

mod arp;
mod attachment;
mod changes;
mod check;
mod config;
mod defaults;
mod detours;
mod error;
mod hosts;
mod kernel;
mod limits;
mod lost;
mod mac;
mod model;
mod nic;
mod node;
mod plan;
mod record;
pub mod result;
mod shared;
mod table;
mod tables;
#[cfg(test)]
mod tests;
mod undo;
mod veth;

pub use attachment::{Address, PodNic, attach, join};
pub use check::differences;
pub use config::{DefaultRouteNic, Mode, NodeFile, PolicyRoute, Settings};
pub use error::Failure;
pub use mac::Prefix;
pub use plan::Outcome;
pub use record::forget_older_boots;
pub use table::own as usual_table;
pub use undo::{RoutingUndo, undo_all};

/// Whose records these are.
pub const PLUGIN: &str = "coordinator";
