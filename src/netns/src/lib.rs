//! Open, enter and leave a network namespace; find those that are alive.
//!
//! A namespace is a file of nsfs, bound somewhere or below `/proc/PID/ns`. What is missing, or is no such file, is
//! [`Error::Gone`]: for a DEL that is success, while any other failure has to be retried.

mod cookie;
mod error;
mod id;
mod living;
#[cfg(test)]
mod tests;
mod walk;

use std::fs::{File, OpenOptions};
use std::num::NonZeroU64;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use nix::fcntl::OFlag;
use nix::sched::{CloneFlags, setns};
use nix::sys::statfs::{NSFS_MAGIC, fstatfs};
use nix::unistd::{getpid, gettid};

pub use error::{Error, Reason};
pub use id::Id;
pub use living::{Living, mounted};

/// That of the calling thread. For the first thread there is a shorter way, on which the kernel sets up half as many entries
/// of /proc.
fn current() -> &'static Path {
    let is_first = gettid() == getpid();
    Path::new(if is_first { "/proc/self/ns/net" } else { "/proc/thread-self/ns/net" })
}

/// An open network namespace. Holding it keeps the namespace alive.
#[derive(Debug)]
pub struct NetNs {
    file: File,
    path: PathBuf,
    id: Id,
    cookie: OnceLock<Option<NonZeroU64>>,
}

impl NetNs {
    /// Opens the namespace that `path` is bound to, following symbolic links.
    pub fn open(path: &Path) -> Result<Self, Error> {
        // Whatever else lies at the path, a FIFO for one, must not block us.
        let file = OpenOptions::new()
            .read(true)
            .custom_flags(OFlag::O_NONBLOCK.bits())
            .open(path)
            .map_err(|source| Error::from_open(path, source))?;
        if !is_namespace(&file, path)? {
            return Err(Error::gone(path, Reason::NotANamespace));
        }
        let id = id_of(&file, path)?;
        Ok(Self { file, path: path.to_owned(), id, cookie: OnceLock::new() })
    }

    /// The namespace of the calling thread.
    pub fn current() -> Result<Self, Error> {
        Self::open(current())
    }

    /// Device and inode of the namespace: equal for two paths exactly when they lead to the same namespace, now. One that is
    /// made later may get them again.
    pub fn id(&self) -> Id {
        self.id
    }

    /// What no other namespace of this boot has, before or after it; `None` before Linux 5.14. Without a socket to
    /// [learn](Self::learn_cookie) it from, the calling thread visits the namespace once.
    pub fn cookie(&self) -> Option<NonZeroU64> {
        *self.cookie.get_or_init(|| self.run(cookie::here).ok().flatten())
    }

    /// Takes the cookie from a socket that was opened in the namespace, for one system call.
    pub fn learn_cookie(&self, socket: impl AsFd) {
        self.cookie.get_or_init(|| cookie::of(socket));
    }

    /// The path it was opened by.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The descriptor, as `IFLA_NET_NS_FD` and its like want it.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }

    /// Runs `work` with the calling thread inside this namespace, and comes back, on a panic as well.
    ///
    /// Aborts the process if it cannot come back: everything after that would change the wrong namespace.
    pub fn run<T>(&self, work: impl FnOnce() -> T) -> Result<T, Error> {
        let path = current();
        let home = File::open(path).map_err(|source| Error::from_open(path, source))?;
        enter(&self.file, &self.path)?;
        let _home = Home(home);
        Ok(work())
    }
}

impl AsFd for NetNs {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd()
    }
}

fn enter(file: &File, path: &Path) -> Result<(), Error> {
    setns(file, CloneFlags::CLONE_NEWNET)
        .map_err(|errno| Error::Enter { path: path.to_owned(), source: errno.into() })
}

/// The namespace that a thread returns to when this goes out of scope.
struct Home(File);

impl Drop for Home {
    fn drop(&mut self) {
        if let Err(error) = enter(&self.0, current()) {
            eprintln!("aborting, since this thread is stuck in a foreign network namespace: {error}");
            std::process::abort();
        }
    }
}

/// Namespaces have a file system of their own since Linux 3.19; a bind mount of one has it, too.
fn is_namespace(file: &File, path: &Path) -> Result<bool, Error> {
    let stat = fstatfs(file).map_err(|errno| Error::Open { path: path.to_owned(), source: errno.into() })?;
    Ok(stat.filesystem_type() == NSFS_MAGIC)
}

fn id_of(file: &File, path: &Path) -> Result<Id, Error> {
    let metadata = file.metadata().map_err(|source| Error::Open { path: path.to_owned(), source })?;
    Ok(Id { dev: metadata.dev(), ino: metadata.ino() })
}
