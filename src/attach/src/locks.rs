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
pub fn acquire_all(files: Vec<LockFile>) -> Result<Vec<Lock>, Error> {
    once_each(files).iter().map(LockFile::acquire).collect()
}

/// A file that is wanted both ways is locked exclusively: two locks of one process would wait for each other.
fn once_each(mut files: Vec<LockFile>) -> Vec<LockFile> {
    files.sort_unstable();
    files.dedup_by(|later, first| later.path == first.path);
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_locked_once_and_exclusively_if_anybody_wants_it_so() {
        let file = |path: &str, shared, seconds| {
            let patience = Duration::from_secs(seconds);
            LockFile { path: path.into(), shared, patience }
        };
        let files = vec![file("/b", true, 1), file("/a", true, 2), file("/b", false, 3), file("/a", true, 2)];
        assert_eq!(once_each(files), [file("/a", true, 2), file("/b", false, 3)]);
    }
}
