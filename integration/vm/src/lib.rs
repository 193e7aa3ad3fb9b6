//! The VM lab: real PCI SR-IOV and a real RDMA core, without hardware. `README.md` tells how it works.

pub mod agent;
mod apt;
mod cache;
mod command;
mod crictl;
mod engines;
mod file;
pub mod harness;
mod hca;
mod initramfs;
mod kernel;
pub mod lab;
mod lab_image;
mod machine;
mod promtool;
mod qemu;
pub mod wire;

pub use apt::Suite;
pub use lab_image::Image;
pub use machine::{Boot, Failure, Machine};
pub use promtool::promtool;
