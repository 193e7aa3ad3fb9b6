//! The private mount namespace of a world, and the way back out of it.

use nix::errno::Errno;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, setns, unshare};
use std::fs::File;
use std::path::Path;

/// Where the thread was before; dropping it takes the thread back there.
pub(crate) struct Home {
    mounts: File,
    network: File,
    directory: File,
}

impl Home {
    /// Leaves for new mount and network namespaces, where nothing done to a mount reaches the machine.
    pub(crate) fn leave() -> Self {
        let home = Self { mounts: ns_file("mnt"), network: ns_file("net"), directory: open(Path::new(".")) };
        must(
            "unshare mount and network namespaces",
            unshare(CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWNET),
        );
        must("make every mount private", remount_private());
        home
    }

    fn back(&self) -> nix::Result<()> {
        // setns refuses a thread whose root and working directory are shared with another one.
        unshare(CloneFlags::CLONE_FS)?;
        setns(&self.mounts, CloneFlags::CLONE_NEWNS)?;
        setns(&self.network, CloneFlags::CLONE_NEWNET)?;
        nix::unistd::fchdir(&self.directory)
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        match self.back() {
            Err(error) if !std::thread::panicking() => panic!("cannot leave the test's namespaces: {error}"),
            Ok(()) | Err(_) => (),
        }
    }
}

fn remount_private() -> nix::Result<()> {
    mount(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | MsFlags::MS_PRIVATE, None::<&str>)
}

/// Covers `path` with an empty tmpfs.
pub(crate) fn cover(path: &str) {
    let result = mount(Some("tmpfs"), path, Some("tmpfs"), MsFlags::empty(), Some("mode=755"));
    must(&format!("mount a tmpfs on {path}"), result);
}

/// Shows the network namespace of the calling thread in /sys.
pub(crate) fn renew_sysfs() {
    let result = mount(Some("sysfs"), "/sys", Some("sysfs"), MsFlags::empty(), None::<&str>);
    // The kernel's word for a mount of what is on top already: this namespace's own.
    must(
        "mount /sys for the network namespace",
        result.or_else(|errno| if errno == Errno::EBUSY { Ok(()) } else { Err(errno) }),
    );
}

/// Gives the thread a copy of its mount namespace that disappears with it.
pub(crate) fn copy_mounts() {
    must("unshare the mount namespace", unshare(CloneFlags::CLONE_NEWNS));
}

/// Binds the network namespace of the calling thread to `path`, as `ip netns` does.
pub(crate) fn bind_network(path: &Path) {
    must(&format!("create {}", path.display()), File::create(path).map(drop));
    let source = "/proc/thread-self/ns/net";
    let result = mount(Some(source), path, None::<&str>, MsFlags::MS_BIND, None::<&str>);
    must(&format!("bind a network namespace to {}", path.display()), result);
}

fn ns_file(kind: &str) -> File {
    open(&Path::new("/proc/thread-self/ns").join(kind))
}

pub(crate) fn open(path: &Path) -> File {
    must(&format!("open {}", path.display()), File::open(path))
}

#[track_caller]
pub(crate) fn must<T, E: std::fmt::Display>(what: &str, result: Result<T, E>) -> T {
    result.unwrap_or_else(|error| panic!("testkit: cannot {what}: {error}"))
}
