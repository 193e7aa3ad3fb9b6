//! Plain writes: to scratch files, and to the kernel's, which take one write and cannot be replaced by a rename.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use anyhow::{Context, Result};

/// Creates or truncates `path` and writes `bytes`.
pub(crate) fn put(path: &Path, bytes: &[u8]) -> Result<()> {
    let write = || -> io::Result<()> { File::create(path)?.write_all(bytes) };
    write().with_context(|| format!("write {}", path.display()))
}

/// Writes `value` in one call to a file of the kernel's (sysfs, debugfs, procfs).
pub(crate) fn set(path: &Path, value: &str) -> io::Result<()> {
    File::options().write(true).open(path)?.write_all(value.as_bytes())
}
