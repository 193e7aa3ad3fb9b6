use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// Why a namespace could not be opened or entered.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There is no namespace at the path any more. Success for a DEL.
    #[error("network namespace {} is gone: {reason}", path.display())]
    Gone {
        /// Where it should have been.
        path: PathBuf,
        /// How that was seen.
        reason: Reason,
    },
    /// Something is there, and opening it failed.
    #[error("cannot open network namespace {}: {source}", path.display())]
    Open {
        /// What was opened.
        path: PathBuf,
        /// The failure of open(2), fstat(2) or fstatfs(2).
        source: io::Error,
    },
    /// setns(2) failed: no privilege (`CAP_SYS_ADMIN`), or a namespace of another type.
    #[error("cannot enter network namespace {}: {source}; a plugin needs CAP_SYS_ADMIN", path.display())]
    Enter {
        /// The namespace.
        path: PathBuf,
        /// The failure of setns(2).
        source: io::Error,
    },
}

/// How a namespace was seen to be gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Nothing at the path.
    Missing,
    /// A file that is no namespace: its bind mount has been taken away.
    NotANamespace,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Missing => "nothing is at that path",
            Self::NotANamespace => "the file there is no namespace, so its bind mount has been removed",
        })
    }
}

impl Error {
    /// Whether the namespace no longer exists, as opposed to being out of reach.
    pub fn is_gone(&self) -> bool {
        matches!(self, Self::Gone { .. })
    }

    pub(crate) fn gone(path: &Path, reason: Reason) -> Self {
        Self::Gone { path: path.to_owned(), reason }
    }

    pub(crate) fn from_open(path: &Path, source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Self::gone(path, Reason::Missing),
            _ => Self::Open { path: path.to_owned(), source },
        }
    }
}
