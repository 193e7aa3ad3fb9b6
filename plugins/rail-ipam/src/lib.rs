//! The IPAM of one node: addresses from pool documents, inline pools or host-local's ranges. A library, so that other
//! plugins of the suite can have their addresses without starting a process.

mod agent;
mod check;
mod conf;
mod failure;
mod give;
mod interfaces;
pub mod line;
mod lost;
mod marked;
mod master;
mod peers;
mod plugin;
mod pools;
mod present;
mod reply;
mod resolv;

pub use plugin::RailIpam;
pub use pools::node_names;

static INSIDE: RailIpam = RailIpam::new();

/// For the plugins that have it inside.
pub static LINKED: cni::delegate::Linked =
    cni::delegate::Linked { plugin_type: "rail-ipam", plugin: &INSIDE };
