//! Eight Ethernet PFs with four VFs each.

mod attributes;
mod binding;
mod counters;
mod knobs;
mod links;
mod matrices;
mod rdma;
pub(crate) mod sriov;
mod teardown;
mod traffic;
