//! The guest's file systems and loopback.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use nix::mount::{MsFlags, mount};

use crate::command::output;
use crate::file;
use crate::lab::MODPROBE;

/// Mounts what programs expect beyond the initramfs's work.
pub(crate) fn mounts() -> Result<()> {
    for (kind, target) in [
        ("devpts", "/dev/pts"),
        ("tmpfs", "/dev/shm"),
        ("debugfs", "/sys/kernel/debug"),
        ("cgroup2", "/sys/fs/cgroup"),
    ] {
        mount_at(kind, target)?;
    }
    // Namespaces of tests must not propagate their mounts back.
    mount(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | MsFlags::MS_PRIVATE, None::<&str>)
        .context("make the mounts private")
}

/// Mounts a fresh file system of `kind` at `target`, which is made if need be.
pub(crate) fn mount_at(kind: &str, target: &str) -> Result<()> {
    if !Path::new(target).is_dir() {
        fs::create_dir_all(target).with_context(|| format!("create {target}"))?;
    }
    mount(Some(kind), target, Some(kind), MsFlags::empty(), None::<&str>)
        .with_context(|| format!("mount {kind} on {target}"))
}

/// Leaves the aliases of devices on a bus out, nearly all of a file that the guest's modprobe reads whole each time.
pub(crate) fn module_aliases() -> Result<()> {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").context("read the kernel's version")?;
    let path = Path::new("/usr/lib/modules").join(release.trim()).join("modules.alias");
    let all = fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
    let is_kept = |line: &&str| !line.strip_prefix("alias ").is_some_and(|alias| alias.contains(':'));
    let kept = all.lines().filter(is_kept).fold(String::new(), |text, line| text + line + "\n");
    file::put(&path, kept.as_bytes())
}

/// Brings loopback up.
pub(crate) fn network() -> Result<()> {
    output(Command::new("ip").args(["link", "set", "lo", "up"])).map(drop)
}

/// Loads a module by name, with what it needs.
pub(crate) fn modprobe(name: &str) -> Result<()> {
    output(Command::new(MODPROBE).arg(name)).with_context(|| format!("load {name}")).map(drop)
}
