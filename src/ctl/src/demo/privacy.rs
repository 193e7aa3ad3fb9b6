//! Keeps what the demo does to mounts away from the machine.

use std::fs::File;
use std::panic::resume_unwind;
use std::path::Path;
use std::thread;

use anyhow::{Context as _, Result};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, setns, unshare};

/// Runs `work` on a thread with mounts of its own, which go with the thread.
pub(crate) fn alone<T: Send>(work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    let thread = || {
        unshare(CloneFlags::CLONE_NEWNS).context("make a mount namespace")?;
        let flags = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
        mount(None::<&str>, "/", None::<&str>, flags, None::<&str>).context("make every mount private")?;
        work()
    };
    thread::scope(|scope| scope.spawn(thread).join()).unwrap_or_else(|panic| resume_unwind(panic))
}

/// Covers /run, so that named namespaces and state exist for this thread and its children only.
pub(crate) fn hide_run() -> Result<()> {
    mount(Some("tmpfs"), "/run", Some("tmpfs"), MsFlags::empty(), Some("mode=755"))
        .context("mount a tmpfs on /run")
}

/// Moves the calling thread, which has mounts of its own, into a network namespace for good; /sys follows.
pub(crate) fn enter(netns: &Path) -> Result<()> {
    let file = File::open(netns).with_context(|| format!("open {}", netns.display()))?;
    setns(file, CloneFlags::CLONE_NEWNET).with_context(|| format!("enter {}", netns.display()))?;
    mount(Some("sysfs"), "/sys", Some("sysfs"), MsFlags::empty(), None::<&str>).context("mount /sys")
}
