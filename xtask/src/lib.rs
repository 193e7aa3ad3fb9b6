//! Pages of `docs/` that are made from the code: the errors, from the `thiserror` derives, and the picture of the rooms, from
//! cargo's metadata; and the picture of a terminal, from what the demo has printed.

mod codes;
mod errors;
mod picture;
mod rooms;
mod source;
mod terminal;

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

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
    let demo = root.join("docs/demo.txt");
    let demo = std::fs::read_to_string(&demo).with_context(|| format!("read {}", demo.display()))?;
    Ok(vec![
        Page { path: "docs/errors.md", text: errors::page(root)? },
        Page { path: "docs/demo.svg", text: terminal::svg(&demo) },
        Page { path: "docs/architecture.svg", text: picture::svg(&rooms::of_workspace(root)?) },
    ])
}
