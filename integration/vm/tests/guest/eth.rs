//! Eight Ethernet PFs with four VFs each.

mod attributes;
mod binding;
mod conformance;
mod counters;
mod disk;
mod doctor;
mod host;
mod hostile_pod;
mod knobs;
mod links;
mod matrices;
mod rdma;
pub(crate) mod sriov;
mod teardown;
mod traffic;
mod whole_function;
