//! Plain writes of files that nobody reads meanwhile.

use std::fs::File;
use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result};

/// Creates or truncates `path` and writes `content`.
pub(crate) fn put(path: &Path, content: impl AsRef<[u8]>) -> Result<()> {
    let written = File::create(path).and_then(|mut file| file.write_all(content.as_ref()));
    written.with_context(|| format!("write {}", path.display()))
}
