//! crictl, by which `railctl` asks container runtimes for their pods. Debian has no package of it: Go builds it for the guests.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

use crate::cache::Cache;
use crate::command::output;

/// Its go.mod pins all that it is built of, and Go takes nothing whose checksum is not in its public database.
const SOURCE: &str = "sigs.k8s.io/cri-tools/cmd/crictl@v1.34.0";
const ENTRY: &str = "crictl-1.34.0";

/// Builds it once.
pub(crate) fn build(cache: &Cache) -> Result<PathBuf> {
    cache.once(ENTRY, |dir| {
        let mut go = Command::new("go");
        go.args(["install", "-trimpath", "-ldflags=-s -w", SOURCE]).env("GOBIN", dir);
        // Static, and where this Go is older than the module asks for, by a newer one that it fetches.
        go.env("CGO_ENABLED", "0").env("GOTOOLCHAIN", "auto");
        output(&mut go).context("build crictl, which needs Go as `make setup` gives it, and network")?;
        Ok(())
    })
}

/// The folder that has it.
///
/// # Panics
/// Outside of a guest of the lab, where nobody has built it.
pub fn crictl_folder() -> PathBuf {
    let folder = Cache::open().map(|cache| cache.path(ENTRY)).unwrap_or_default();
    let program = folder.join("crictl");
    assert!(program.is_file(), "no {}: remove its directory to have it built again", program.display());
    folder
}
