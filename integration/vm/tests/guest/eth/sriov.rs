//! `sriov` and `rdma` on the emulated HCA, as a runtime drives them.

mod attach;
mod call;
mod chain;
mod check;
mod examples;
mod knobs;
mod race;
mod rail;
mod rdma;
mod reboot;
mod state;
mod undo;
mod upgrade;
