//! What the machine and the guest's agent say to each other: one JSON object per line on a virtio port.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// What sits in the PCI slots.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
pub enum Device {
    /// No NIC at all.
    None,
    /// Intel 82576 with Debian's igb and igbvf.
    Igb,
    /// The emulated RDMA HCA on the same PCI functions.
    Hca,
    /// One emulated HCA with room for 120 VFs, on the PCI functions of an `NVMe` controller.
    Many,
}

/// Link layer of the emulated HCA.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
pub enum Link {
    /// Ethernet, RDMA by `RoCE`.
    Eth,
    /// `InfiniBand`, with interfaces of the emulated HCA's own.
    Ib,
    /// `InfiniBand`, with the interfaces of the kernel's `ib_ipoib`.
    Ipoib,
}

/// The NICs of one boot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rails {
    /// Kind of NIC.
    pub device: Device,
    /// Link layer (emulated HCA only).
    pub link: Link,
    /// Number of PFs.
    pub rails: u8,
    /// VFs enabled on each PF.
    pub vfs: u8,
    /// The HCA's module, where there is one.
    pub module: Option<PathBuf>,
}

/// The one thing that a guest does.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Action {
    /// Run a command, stream its output, report its status.
    Command(Vec<String>),
    /// Run tests of test binaries, each in namespaces of its own, as the machine hands them over.
    Tests,
    /// A shell on the second serial line.
    Shell,
}

/// One test function.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Test {
    /// What the report calls it.
    pub shown: String,
    /// The test binary, a path that the guest sees too.
    pub binary: PathBuf,
    /// The test's name in that binary.
    pub name: String,
    /// Seconds it may take.
    pub limit: u64,
    /// It takes so long that it runs only where it is asked for.
    pub ignored: bool,
}

/// Sent to a guest that runs tests, after it has come up and after each test: the next one, or that there is none.
pub type Next = Option<Test>;

/// Sent to the guest once, at boot.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Job {
    /// NICs to bring up before the action.
    pub rails: Rails,
    /// The action.
    pub action: Action,
    /// Environment of whatever is run.
    pub env: BTreeMap<String, String>,
    /// Working directory of whatever is run.
    pub dir: PathBuf,
}

/// Sent by the guest.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Event {
    /// The agent runs and the rails are up.
    Ready,
    /// Part of the command's output.
    Output {
        /// To standard error instead of standard output.
        stderr: bool,
        /// Text, invalid UTF-8 replaced.
        text: String,
    },
    /// A test begins.
    Started(String),
    /// A test has ended.
    Finished {
        /// The test's shown name.
        shown: String,
        /// Why it failed, with its output; nothing when it passed.
        failure: Option<String>,
        /// The lines of its output that count what it tried.
        figures: Vec<String>,
        /// How long it took.
        millis: u64,
    },
    /// The guest could not do its job.
    Failed(String),
    /// Last words: the command's exit status, and the warnings in the kernel's log that no test was blamed for.
    Done {
        /// Exit status, 0 for tests and shells.
        status: i32,
        /// Lines of the kernel's log.
        warnings: Vec<String>,
    },
}
