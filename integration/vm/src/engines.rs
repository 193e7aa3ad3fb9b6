//! Container engines as clients that others wrote: Debian's podman and containerd, extracted into the cache, never installed.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use crate::apt::{Apt, Suite};
use crate::cache::Cache;

const ENTRY: &str = "engines";
const PROGRAMS: [&str; 4] = ["usr/sbin", "usr/bin", "sbin", "bin"];

/// Fetches both.
pub(crate) fn fetch(cache: &Cache) -> Result<PathBuf> {
    cache.once(ENTRY, |dir| {
        let apt = Apt::update(cache, Suite::Release)?;
        ["podman", "containerd"].iter().try_for_each(|package| apt.extract_closure(package, dir))
    })
}

/// A program of theirs, which finds the others and its libraries.
///
/// # Panics
/// Outside of a guest of the lab, where nobody has fetched them.
pub fn engine(program: &str) -> Command {
    let root = Cache::open().map(|cache| cache.path(ENTRY)).unwrap_or_default();
    // What the machine has installed was not fetched.
    let roots = [root.as_path(), Path::new("/")];
    let found = roots.map(|root| PROGRAMS.map(|folder| root.join(folder).join(program))).concat();
    let Some(path) = found.iter().find(|path| path.is_file()) else {
        panic!("no {program} in {}: remove that directory to have it fetched again", root.display());
    };
    let mut command = Command::new(path);
    command.env("LD_LIBRARY_PATH", libraries(&root)).env("PATH", programs(&root));
    command
}

fn libraries(root: &Path) -> String {
    let folder = format!("{}-linux-gnu", std::env::consts::ARCH);
    ["usr/lib", "lib"].map(|lib| root.join(lib).join(&folder).display().to_string()).join(":")
}

fn programs(root: &Path) -> String {
    let theirs = PROGRAMS.map(|folder| root.join(folder).display().to_string());
    format!("{}:{}", theirs.join(":"), std::env::var("PATH").unwrap_or_default())
}
