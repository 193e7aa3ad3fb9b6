//! A pod is seen by a /sys of its own network namespace, which is mounted where nobody else sees it.

use std::path::Path;

use anyhow::{Context as _, Result, anyhow};
use host::doctor::{self, Finding, Sight, Whose};
use netns::NetNs;
use nix::errno::Errno;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, setns, unshare};

use crate::show;

/// With what `ask` finds in the pod's network namespace.
pub(super) fn look(
    pod: &str,
    root: &Path,
    ask: impl Fn(&Sight) -> Result<Vec<Finding>> + Sync,
) -> Result<(Sight, Vec<Finding>)> {
    let netns = show::netns_of(pod)?;
    let inside = || {
        enter(&netns, root)
            .with_context(|| format!("look into {}: root is needed", netns.path().display()))?;
        let mut sight = doctor::look(root, Whose::Pod);
        doctor::look_at_links(&mut sight)?;
        sight.unseen.push("the container's own /dev/infiniband and limits: `kubectl exec` into it, `ls /dev/infiniband; ulimit -l`".to_owned());
        let found = ask(&sight)?;
        Ok((sight, found))
    };
    // The thread ends there, and its mounts with it.
    std::thread::scope(|scope| scope.spawn(inside).join())
        .map_err(|_| anyhow!("looking into the pod panicked"))?
}

fn enter(netns: &NetNs, root: &Path) -> Result<()> {
    unshare(CloneFlags::CLONE_NEWNS).context("leave the mount namespace")?;
    let nothing: Option<&str> = None;
    mount(nothing, "/", nothing, MsFlags::MS_REC | MsFlags::MS_PRIVATE, nothing)
        .context("keep mounts private")?;
    setns(netns, CloneFlags::CLONE_NEWNET).context("enter the network namespace")?;
    let sys = root.join("sys");
    let flags = MsFlags::MS_RDONLY | MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    match mount(Some("railctl"), &sys, Some("sysfs"), flags, nothing) {
        // It shows this very namespace already.
        Err(Errno::EBUSY) => Ok(()),
        mounted => mounted.with_context(|| format!("mount {}", sys.display())),
    }
}
