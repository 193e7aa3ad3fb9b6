//! What the tests open again and again, in the guest's memory: over 9p, each opening of a file is a conversation with QEMU.

use std::env;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::command::output;

/// Programs of the machine that nearly every test starts.
const PROGRAMS: [&str; 4] = ["ip", "rdma", "strace", "unshare"];
/// What the loader and `ip` read each time.
const SETTINGS: [&str; 3] = ["/etc/ld.so.cache", "/etc/iproute2", "/usr/share/iproute2"];

/// Copies programs and settings.
pub(crate) fn keep_programs() -> Result<()> {
    let path = env::var_os("PATH").unwrap_or_default();
    let found = |name: &str| env::split_paths(&path).map(|dir| dir.join(name)).find(|path| path.is_file());
    for program in PROGRAMS.into_iter().filter_map(found) {
        keep_all(&loaded(&program)?)?;
    }
    SETTINGS.iter().try_for_each(|setting| keep_tree(Path::new(setting)))
}

/// Copies a file, or the files in a folder, if it is there.
pub(crate) fn keep_tree(path: &Path) -> Result<()> {
    let Ok(entries) = fs::read_dir(path) else {
        return if path.is_file() { keep(path) } else { Ok(()) };
    };
    let files: Vec<_> = entries.flatten().map(|entry| entry.path()).filter(|path| path.is_file()).collect();
    keep_all(&files)
}

fn keep_all(files: &[PathBuf]) -> Result<()> {
    files.iter().try_for_each(|file| keep(file))
}

/// The overlay copies a file up when it is opened for writing.
fn keep(file: &Path) -> Result<()> {
    let opened = File::options().append(true).open(file);
    opened.map(drop).with_context(|| format!("copy {} to the guest's memory", file.display()))
}

/// The program, and the libraries that its loader names (`ld.so(8)`).
fn loaded(program: &Path) -> Result<Vec<PathBuf>> {
    let listed = output(Command::new(program).env("LD_TRACE_LOADED_OBJECTS", "1"))?;
    let libraries = listed.split_whitespace().filter(|word| word.starts_with('/')).map(PathBuf::from);
    Ok([program.to_owned()].into_iter().chain(libraries).collect())
}
