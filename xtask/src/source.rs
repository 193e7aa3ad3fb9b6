//! The crates' source files, parsed.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// A file of a crate.
pub(crate) struct Source {
    /// The crate's directory name, as in `netlink`.
    pub(crate) room: String,
    /// Its path below the root.
    pub(crate) path: String,
    pub(crate) file: syn::File,
}

/// Every file below `src/` of the crates in `src/` and `plugins/`, in the order of their paths.
pub(crate) fn read(root: &Path) -> Result<Vec<Source>> {
    let mut sources = Vec::new();
    for group in ["src", "plugins"] {
        for room in entries(&root.join(group))? {
            for path in files(&room.join("src"))? {
                sources.push(parse(root, &room, &path)?);
            }
        }
    }
    Ok(sources)
}

fn parse(root: &Path, directory: &Path, path: &Path) -> Result<Source> {
    let file = syn::parse_file(&fs::read_to_string(path)?).with_context(|| path.display().to_string())?;
    let name = directory.file_name().unwrap_or_default().to_string_lossy().into_owned();
    Ok(Source { room: name, path: path.strip_prefix(root)?.display().to_string(), file })
}

fn files(directory: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for path in entries(directory)? {
        if path.is_dir() {
            found.extend(files(&path)?);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    Ok(found)
}

fn entries(directory: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(directory).with_context(|| directory.display().to_string())?;
    let mut paths = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    paths.sort();
    Ok(paths)
}
