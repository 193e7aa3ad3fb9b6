//! What a guest test works with: PFs, VFs, knobs, pods, and the usual programs as witnesses.
//!
//! Everything here panics with the reason when the lab is not as it should be: a test has no use for the error.

mod attributes;
mod fingerprint;
mod function;
mod knob;
mod pod;
mod program;
mod rdma;
mod write_log;

pub use crate::crictl::crictl_folder;
pub use crate::engines::engine;
pub use attributes::VfAttributes;
pub(crate) use fingerprint::Fingerprint;
pub use function::{Function, Pf, Vf, pf, pfs, vf};
pub use knob::Knob;
pub use pod::Pod;
pub(crate) use program::MODPROBE;
pub use program::{Outcome, ip, ip_fails, modprobe, run, try_run, until};
pub use rdma::{Mode, rdma_devices, rdma_mode, set_rdma_mode};
pub use write_log::{Disk, Entry, write_log};
