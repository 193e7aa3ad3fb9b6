//! gzip, whose header says nothing of when and where.

use std::io::Write as _;

use anyhow::Result;
use flate2::{Compression, GzBuilder};

pub(crate) fn gzip(bytes: &[u8]) -> Result<Vec<u8>> {
    // 255 is "unknown", where a writer would put its operating system.
    let mut encoder = GzBuilder::new().mtime(0).operating_system(255).write(Vec::new(), Compression::best());
    encoder.write_all(bytes)?;
    Ok(encoder.finish()?)
}
