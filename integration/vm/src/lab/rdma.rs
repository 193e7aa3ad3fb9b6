//! The RDMA core as `rdma` shows it.

use std::time::Duration;

use serde_json::Value;

use crate::lab::{run, try_run, until};

/// How RDMA devices relate to network namespaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Each device is in one namespace.
    Exclusive,
    /// Every namespace sees every device.
    Shared,
}

impl Mode {
    fn name(self) -> &'static str {
        match self {
            Self::Exclusive => "exclusive",
            Self::Shared => "shared",
        }
    }
}

/// The present mode.
#[track_caller]
pub fn rdma_mode() -> Mode {
    if run(&["rdma", "system"]).contains("netns exclusive") { Mode::Exclusive } else { Mode::Shared }
}

/// Changes the mode. The kernel refuses while it knows of other namespaces, and forgets them a moment after their
/// end; so this waits.
#[track_caller]
pub fn set_rdma_mode(mode: Mode) {
    let argv = ["rdma", "system", "set", "netns", mode.name()];
    until(Duration::from_secs(10), "the kernel accepts the RDMA mode", || try_run(&argv).ok);
}

/// Names of the RDMA devices that the host's namespace sees, sorted.
#[track_caller]
pub fn rdma_devices() -> Vec<String> {
    parse(&run(&["rdma", "-j", "dev"]))
}

#[track_caller]
pub(crate) fn parse(text: &str) -> Vec<String> {
    let devices: Vec<Value> = serde_json::from_str(text).unwrap_or_default();
    let mut names: Vec<_> =
        devices.iter().filter_map(|device| device["ifname"].as_str().map(str::to_owned)).collect();
    names.sort();
    names
}
