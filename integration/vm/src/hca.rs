//! The emulated HCA's kernel module, built for one kernel and kept in the cache under the hash of its sources.

use std::collections::hash_map::DefaultHasher;
use std::fs;
use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::cache::Cache;
use crate::command::output;
use crate::file;
use crate::kernel::Kernel;

const SOURCES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/hca");

/// `lab_hca.ko` for `kernel`.
pub(crate) fn build(cache: &Cache, kernel: &Kernel) -> Result<PathBuf> {
    let sources = read_sources(Path::new(SOURCES))?;
    let mut hasher = DefaultHasher::new();
    sources.hash(&mut hasher);
    let name = format!("hca-{}-{:016x}", kernel.version, hasher.finish());
    let dir = cache.once(&name, |dir| {
        for (name, content) in &sources {
            file::put(&dir.join(name), content)?;
        }
        compile(dir, kernel)
    })?;
    Ok(dir.join("lab_hca.ko"))
}

fn read_sources(dir: &Path) -> Result<Vec<(String, Vec<u8>)>> {
    let mut sources = Vec::new();
    for entry in fs::read_dir(dir).with_context(|| format!("list {}", dir.display()))? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name == "Makefile" || [".c", ".h"].iter().any(|end| name.ends_with(end)) {
            sources.push((name, fs::read(&path)?));
        }
    }
    sources.sort();
    Ok(sources)
}

fn compile(dir: &Path, kernel: &Kernel) -> Result<()> {
    let mut make = Command::new("make");
    // cargo's own jobserver is meant for rustc.
    make.env_remove("MAKEFLAGS").env_remove("MFLAGS").arg("-C").arg(kernel.headers());
    make.arg(format!("M={}", dir.display())).args(["CC=gcc", "-j2"]);
    // Type information for BPF would need pahole, and nobody here looks at it.
    make.args(["CONFIG_DEBUG_INFO_BTF_MODULES=", "modules"]);
    output(&mut make).context("build the HCA's module (needs gcc and make)")?;
    Ok(())
}
