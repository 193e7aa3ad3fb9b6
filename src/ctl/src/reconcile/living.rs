//! Which network namespaces are alive: by device and inode, whatever paths they have.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use nix::libc;
use state::Netns;

/// The inode of the kernel's first PID namespace (`PROC_PID_INIT_INO` in `include/linux/proc_ns.h`).
const FIRST_PID_NAMESPACE: &str = "pid:[4026531836]";

/// What holds a namespace: a thread in it, a mount of it, or a descriptor that is open on it.
#[derive(Debug)]
pub(super) struct Living {
    /// All namespaces are files of one file system.
    dev: u64,
    peopled: BTreeSet<u64>,
    held: BTreeSet<u64>,
    /// What could not be looked into, and may hold a namespace unseen.
    unseen: Vec<String>,
}

impl Living {
    /// Goes through /proc once.
    pub(super) fn look() -> Result<Self> {
        ensure!(
            nix::unistd::geteuid().is_root(),
            "run this as root: without the right to look, every pod seems dead"
        );
        let own = Path::new("/proc/self/ns/net");
        let dev = fs::metadata(own).with_context(|| format!("look at {}", own.display()))?.dev();
        let mut living = Self { dev, peopled: BTreeSet::new(), held: BTreeSet::new(), unseen: Vec::new() };
        let mut mounts = BTreeSet::new();
        living.process(Path::new("/proc/self"), &mut mounts);
        for process in folder(Path::new("/proc")).filter(|path| is_number(path)) {
            match fs::read_link(process.join("ns/net")).map_err(|error| error.raw_os_error()) {
                Ok(_) => living.process(&process, &mut mounts),
                Err(Some(libc::ENOENT | libc::ESRCH)) => (),
                Err(_) => living.unseen.push(process.display().to_string()),
            }
        }
        if link(Path::new("/proc/self/ns/pid")).is_none_or(|pid| pid != FIRST_PID_NAMESPACE) {
            living.unseen.push("outside of this PID namespace, which is not the machine's first".to_owned());
        }
        Ok(living)
    }

    /// Whether anything holds it.
    pub(super) fn has(&self, netns: &Netns) -> bool {
        netns.dev == self.dev && (self.held.contains(&netns.ino) || self.peopled.contains(&netns.ino))
    }

    /// Whether a thread is in it.
    pub(super) fn is_peopled(&self, netns: &Netns) -> bool {
        netns.dev == self.dev && self.peopled.contains(&netns.ino)
    }

    /// Which processes were not seen.
    pub(super) fn not_seen(&self) -> Option<String> {
        let some = self.unseen.iter().take(3).map(String::as_str).collect::<Vec<_>>().join(", ");
        (!self.unseen.is_empty()).then(|| {
            format!("processes that cannot be looked into ({some}): a network namespace that only they hold counts as gone")
        })
    }

    fn process(&mut self, process: &Path, mounts: &mut BTreeSet<String>) {
        for thread in folder(&process.join("task")) {
            self.peopled.extend(inode(&thread.join("ns/net")));
            // Threads of one process may have mounts of their own.
            if link(&thread.join("ns/mnt")).is_some_and(|namespace| mounts.insert(namespace)) {
                let table = fs::read_to_string(thread.join("mountinfo")).unwrap_or_default();
                self.held.extend(table.lines().filter_map(mounted));
            }
        }
        self.held.extend(folder(&process.join("fd")).filter_map(|file| inode(&file)));
    }
}

/// `36 35 0:4 net:[4026532281] /run/netns/a rw ...` (`Documentation/filesystems/proc.rst`)
fn mounted(line: &str) -> Option<u64> {
    number(line.split(' ').nth(3)?)
}

fn inode(path: &Path) -> Option<u64> {
    number(&link(path)?)
}

/// `net:[4026532281]`
fn number(text: &str) -> Option<u64> {
    text.strip_prefix("net:[")?.strip_suffix(']')?.parse().ok()
}

fn link(path: &Path) -> Option<String> {
    fs::read_link(path).ok()?.into_os_string().into_string().ok()
}

/// What has ended meanwhile has nothing in it.
fn folder(path: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    fs::read_dir(path).into_iter().flatten().flatten().map(|entry| entry.path())
}

fn is_number(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.as_encoded_bytes().iter().all(u8::is_ascii_digit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_namespace_is_peopled_and_one_of_no_inode_is_not_alive() {
        let own = fs::metadata("/proc/self/ns/net").unwrap();
        let living = Living::look().expect("run this test as root");
        let netns = Netns { dev: own.dev(), ino: own.ino(), path: PathBuf::new() };
        assert!(living.has(&netns) && living.is_peopled(&netns));
        assert!(
            !living.has(&Netns { ino: 1, ..netns.clone() })
                && !living.has(&Netns { dev: own.dev() + 1, ..netns })
        );
    }

    #[test]
    fn mounts_of_namespaces_are_told_by_their_root() {
        let line = "36 35 0:4 net:[4026532281] /run/netns/a rw shared:9 - nsfs nsfs rw";
        assert_eq!(mounted(line), Some(4_026_532_281));
        assert_eq!(mounted("35 1 0:29 / / rw - ext4 /dev/vda rw"), None);
    }
}
