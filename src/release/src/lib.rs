//! What a release hands out, of binaries that are built already: archives, packages of Debian and RPM, the chart, manual pages, a bill of
//! materials, checksums. The same input gives the same bytes: every time is that of the release, every list is sorted.

mod archive;
mod chart;
mod contents;
mod cpio;
mod deb;
mod gzip;
pub mod man;
mod rpm;
pub mod sbom;
mod scripts;

use std::fmt::Write as _;

use sha2::{Digest, Sha256};

pub use archive::tarball;
pub use chart::chart;
pub use contents::{Built, File, installed};
pub use deb::deb;
pub use rpm::rpm;

/// What packages say of themselves, in a line and in a sentence.
const SUMMARY: &str = "CNI plugins for the RDMA rails of AI and HPC pods";
const DESCRIPTION: &str =
    "One interface per fast NIC of the node, with its RDMA device, an address and policy routing.";

/// What one release is called.
#[derive(Debug, Clone)]
pub struct Release {
    /// `0.1.0`
    pub version: String,
    /// Seconds since 1970 (`SOURCE_DATE_EPOCH`): of everything that has a time.
    pub time: u64,
}

/// The machine that something is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arch {
    /// x86-64
    Amd64,
    /// 64-bit Arm
    Arm64,
}

impl Arch {
    /// As Go, OCI and Debian call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Amd64 => "amd64",
            Self::Arm64 => "arm64",
        }
    }

    /// As the kernel and RPM call it.
    pub fn machine(self) -> &'static str {
        match self {
            Self::Amd64 => "x86_64",
            Self::Arm64 => "aarch64",
        }
    }
}

impl std::str::FromStr for Arch {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        let known = [Self::Amd64, Self::Arm64].into_iter().find(|arch| arch.name() == text);
        known.ok_or_else(|| anyhow::anyhow!("architecture {text} is none of amd64, arm64"))
    }
}

/// The SHA-256 of bytes as sha256sum(1) prints it.
pub fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::new(), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
