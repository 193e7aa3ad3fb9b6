//! Pages of `docs/` that are made from the code: the errors, from the `thiserror` derives, and the picture of the rooms, from
//! cargo's metadata.

mod codes;
mod errors;
mod picture;
mod rooms;
mod source;

use std::path::{Path, PathBuf};

use anyhow::Result;

/// One generated file.
#[derive(Debug)]
pub struct Page {
    /// Below the root of the repository.
    pub path: &'static str,
    /// What it is to hold.
    pub text: String,
}

/// The root of the repository.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// All generated files, as they should be.
pub fn pages(root: &Path) -> Result<Vec<Page>> {
    Ok(vec![
        Page { path: "docs/errors.md", text: errors::page(root)? },
        Page { path: "docs/architecture.svg", text: picture::svg(&rooms::of_workspace(root)?) },
    ])
}
