//! `sriov` and `rdma` on the emulated HCA, as a runtime drives them.

mod attach;
mod call;
mod chain;
mod check;
mod examples;
mod knobs;
mod rdma;
mod state;
mod undo;
mod upgrade;
