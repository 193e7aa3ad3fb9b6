//! `sriov` and `rdma` on the emulated HCA, as a runtime drives them.

mod advertised;
mod attach;
mod beside_gc;
pub(crate) mod call;
mod chain;
mod check;
mod detection;
mod eight_rails;
mod examples;
mod fabric;
mod ghosts;
mod held;
pub(crate) mod identity;
mod knobs;
mod leavings;
mod neighbours;
mod power_loss;
mod race;
mod rail;
mod rdma;
mod reboot;
mod reconcile;
pub(crate) mod slow_ipam;
pub(crate) mod state;
mod undo;
pub(crate) mod upgrade;
pub(crate) mod userspace;
