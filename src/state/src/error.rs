use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::errno::Errno;

/// What can go wrong with the state on disk. No message holds the words by which runtimes take an error for "already gone".
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A name from outside that must not become part of a path.
    #[error("{what} {value:?} cannot name a file: {allowed}")]
    Name { what: &'static str, value: String, allowed: &'static str },
    /// One of the `RAILCNI_*` variables does not hold an absolute path.
    #[error("{variable} is {value:?}: give an absolute path without `..`")]
    Directory { variable: &'static str, value: String },
    /// A system call failed; `errno` tells a full (`ENOSPC`) from a read-only (`EROFS`) file system.
    #[error("{op} {}: {}", path.display(), reason(*errno))]
    Io { op: &'static str, path: PathBuf, errno: Errno },
    /// State is never reached through a link that somebody may have put there.
    #[error("{} is a symbolic link, and state is kept in real files and directories only: remove the link", path.display())]
    Symlink { path: PathBuf },
    /// A FIFO, a device, a socket or a directory where a file belongs.
    #[error("{} is no regular file: remove what lies there, or put the file in its place", path.display())]
    NotAFile { path: PathBuf },
    /// Something else than a person writes.
    #[error("{} is no text in UTF-8: write it again, or remove it", path.display())]
    NotText { path: PathBuf },
    /// Nobody wrote that much.
    #[error("{} is longer than {} MiB: move it aside", path.display(), limit >> 20)]
    TooLong { path: PathBuf, limit: u64 },
    /// A record holds copies of what a pod has in its routing tables.
    #[error("{} would be {} MiB long, and may be {}: the pod has too many routes, and those that it does not need have to go (`ip route` in it)", path.display(), bytes >> 20, limit >> 20)]
    TooMuch { path: PathBuf, bytes: u64, limit: u64 },
    /// The lock stayed taken. Callers answer with CNI code 11, "try again later".
    #[error("lock {} was still taken after {} ms, {}: try again later", path.display(), waited.as_millis(), held_by(*holder))]
    Timeout { path: PathBuf, waited: Duration, holder: Option<u32> },
    /// The file's header is not that of the journal which was asked for; nothing was changed.
    #[error("{} is not a journal that this version can read ({found}): move it aside", path.display())]
    Foreign { path: PathBuf, found: String },
    /// A value that has no JSON form, such as a map with keys that are no strings.
    #[error("encode the record {}: {reason}", path.display())]
    Encode { path: PathBuf, reason: String },
}

impl Error {
    /// Whether the file system takes nothing more: it is full or read-only. From a full one, files are removed as ever.
    pub fn is_of_disk(&self) -> bool {
        match self {
            Self::Io { errno: Errno::ENOSPC | Errno::EDQUOT, op, .. } => *op != "remove",
            Self::Io { errno: Errno::EROFS, .. } => true,
            _ => false,
        }
    }

    pub(crate) fn io(op: &'static str, path: &Path, error: &io::Error) -> Self {
        let errno = error.raw_os_error().map_or(Errno::EIO, Errno::from_raw);
        Self::errno(op, path, errno)
    }

    pub(crate) fn errno(op: &'static str, path: &Path, errno: Errno) -> Self {
        let path = path.to_path_buf();
        match errno {
            Errno::ELOOP => Self::Symlink { path },
            // A socket, or a FIFO that nobody reads.
            Errno::ENXIO => Self::NotAFile { path },
            errno => Self::Io { op, path, errno },
        }
    }
}

/// The C library's text for `ENOENT` must not reach a DEL error: runtimes would take it for success.
fn reason(errno: Errno) -> String {
    match errno {
        Errno::ENOENT => "a directory of the path is missing (ENOENT)".to_owned(),
        errno => format!("{} ({errno:?})", errno.desc().to_lowercase()),
    }
}

fn held_by(holder: Option<u32>) -> String {
    holder.map_or_else(|| "by a process unknown".to_owned(), |pid| format!("by process {pid}"))
}
