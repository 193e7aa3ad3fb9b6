//! What can go wrong, for who reads the log of an init container.

use std::io;
use std::path::{Path, PathBuf};

/// Why an installation or its removal stopped.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Of the command line.
    #[error("{0}\n{usage}", usage = crate::USAGE)]
    Arguments(String),
    /// Nothing to install.
    #[error("no plugin in {0}: is this the image of the plugins?")]
    NoPlugin(PathBuf),
    /// The target is missing.
    #[error("{0} is no directory: mount the host's /opt/cni/bin there")]
    NoTarget(PathBuf),
    /// The new file does not work where it is going to be.
    #[error("{path} does not work on this node, and the old one stays: {why}")]
    Trial {
        /// The file as it was tried.
        path: PathBuf,
        /// What it did.
        why: String,
    },
    /// What came out of the copying is not what went in.
    #[error("{0} is not what the image has, after it was copied: the disk or the image is damaged")]
    Torn(PathBuf),
    /// Another installation works there.
    #[error("another installation has held {0} for a minute: look for its container")]
    Busy(PathBuf),
    /// Pods would lose what deletes their rails.
    #[error("{count} attachments of pods are on record below {dir}, such as {one}: drain the node first")]
    InUse {
        /// How many.
        count: usize,
        /// Where records are.
        dir: PathBuf,
        /// The name of one.
        one: String,
    },
    /// The system refused.
    #[error("{what} {path}: {error}")]
    System {
        /// What was tried.
        what: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
}

impl Error {
    /// For `map_err`: what was tried on `path`.
    pub(crate) fn on(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |error| Self::System { what, path, error }
    }
}
