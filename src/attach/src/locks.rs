//! Locks that one attachment wants together.

use std::path::PathBuf;
use std::time::Duration;

use state::Lock;

use crate::Error;

/// A lock to be taken.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LockFile {
    /// The file.
    pub path: PathBuf,
    /// With others that want it shared, too.
    pub shared: bool,
    /// How long to wait for it.
    pub patience: Duration,
}

impl LockFile {
    /// Waits for the lock.
    pub fn acquire(&self) -> Result<Lock, Error> {
        let acquire = if self.shared { Lock::acquire_shared } else { Lock::acquire };
        Ok(acquire(&self.path, self.patience)?)
    }
}

/// Each file once and in the order of their names, whoever asks: two attachments never wait for each other.
pub fn acquire_all(mut files: Vec<LockFile>) -> Result<Vec<Lock>, Error> {
    files.sort_unstable();
    files.dedup();
    files.iter().map(LockFile::acquire).collect()
}
