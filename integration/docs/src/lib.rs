//! What the tests see of a Markdown page: its headings, tables, blocks, links, and the files it names.
//!
//! A block's first word is its language. `sh` alone is run by `tests/commands.rs`; `sh needs=hardware`, `needs=cluster` or
//! `needs=machine` is not. `yaml file=NAME` (or `json`, `text`) is written to `NAME` before the blocks behind it run, and
//! `text output` is looked for in what the block before it printed.

mod block;
mod page;

pub use block::{Block, Kind};
pub use page::Page;

use std::path::{Path, PathBuf};

/// The repository's top.
pub fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The pages that are in English only: one is made from the code, the other is for who changes it.
pub const ENGLISH_ONLY: [&str; 2] = ["architecture.md", "errors.md"];

/// The pages that users read, by their paths below the top: the English ones.
pub fn pages() -> Vec<PathBuf> {
    let mut pages = vec![PathBuf::from("README.md")];
    pages.extend(markdown("docs"));
    pages
}

/// The Markdown files right below `folder`, by their paths below the top.
pub fn markdown(folder: &str) -> Vec<PathBuf> {
    let entries = top().join(folder).read_dir().into_iter().flatten().flatten();
    let mut files: Vec<_> = entries
        .map(|entry| Path::new(folder).join(entry.file_name()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "md"))
        .collect();
    files.sort();
    files
}

/// The Chinese page of an English one: `docs/zh/X.md` of `docs/X.md`, `README.zh.md` of `README.md`. `None` for those that have none.
pub fn chinese(page: &Path) -> Option<PathBuf> {
    let name = page.file_name()?.to_str()?;
    match page.parent()?.to_str()? {
        "" => Some(page.with_extension("zh.md")),
        _ if ENGLISH_ONLY.contains(&name) => None,
        folder => Some(Path::new(folder).join("zh").join(name)),
    }
}
