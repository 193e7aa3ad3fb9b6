//! Prometheus's own checker of rules: Debian's, extracted into the cache, never installed.

use std::path::PathBuf;

use anyhow::{Result, ensure};

use crate::apt::{Apt, Suite};
use crate::cache::Cache;

/// The program, which needs no library but the C library; fetched if it is not there.
pub fn promtool() -> Result<PathBuf> {
    let dir = Cache::open()?.once("prometheus", |dir| {
        Apt::update(&Cache::open()?, Suite::Release)?.extract(&["prometheus".to_owned()], dir)
    })?;
    let program = dir.join("usr/bin/promtool");
    ensure!(program.is_file(), "{} is missing: remove {}", program.display(), dir.display());
    Ok(program)
}
