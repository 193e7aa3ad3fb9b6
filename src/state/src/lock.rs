use std::fs::{self, File, OpenOptions, TryLockError};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::fcntl::OFlag;
use nix::poll::ppoll;
use nix::sys::stat::{major, minor};
use nix::sys::time::TimeSpec;

use crate::{Error, file};

const FIRST_PAUSE: Duration = Duration::from_micros(200);
const LONGEST_PAUSE: Duration = Duration::from_millis(5);

/// An exclusive flock(2), released on drop and by the kernel when the process dies. It meets the locks that other
/// programs take with flock on the same file, whose contents it neither reads nor writes.
#[derive(Debug)]
#[must_use = "the lock is released when it is dropped"]
pub struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the lock on `path`, a file that nobody renames or removes; made when missing, in a directory that exists.
    /// A timeout of zero tries once.
    pub fn acquire(path: &Path, timeout: Duration) -> Result<Self, Error> {
        Self::acquire_by(path, timeout, File::try_lock)
    }

    /// The same, together with other shared holders: keeps away whoever wants the lock for himself.
    pub fn acquire_shared(path: &Path, timeout: Duration) -> Result<Self, Error> {
        Self::acquire_by(path, timeout, File::try_lock_shared)
    }

    fn acquire_by(
        path: &Path,
        timeout: Duration,
        attempt: impl Fn(&File) -> Result<(), TryLockError>,
    ) -> Result<Self, Error> {
        let file = file::open(path, OpenOptions::new().read(true), OFlag::O_CREAT)?;
        let start = Instant::now();
        let mut pause = FIRST_PAUSE;
        while !taken(attempt(&file), path)? {
            let waited = start.elapsed();
            let left = timeout.saturating_sub(waited);
            if left.is_zero() {
                return Err(Error::Timeout { path: path.to_path_buf(), waited, holder: holder(&file) });
            }
            wait(pause.min(left));
            pause = LONGEST_PAUSE.min(pause * 2);
        }
        Ok(Self { _file: file })
    }
}

fn taken(attempt: Result<(), TryLockError>, path: &Path) -> Result<bool, Error> {
    match attempt {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) => Err(Error::io("lock", path, &error)),
    }
}

/// A signal may end it early; the caller looks at the clock anyway.
fn wait(pause: Duration) {
    let _ = ppoll(&mut [], Some(TimeSpec::from_duration(pause)), None);
}

/// The kernel's word, which is right for locks of other programs too and cannot be stale.
fn holder(file: &File) -> Option<u32> {
    let status = file.metadata().ok()?;
    let device = status.dev();
    let inode = format!("{:02x}:{:02x}:{}", major(device), minor(device), status.ino());
    fs::read_to_string("/proc/locks").ok()?.lines().find_map(|line| flock_pid(line, &inode))
}

/// One line of `proc_locks(5)`: `1: FLOCK  ADVISORY  WRITE 4711 00:1a:42 0 EOF`.
fn flock_pid(line: &str, inode: &str) -> Option<u32> {
    let mut fields = line.split_ascii_whitespace().skip(1);
    let (kind, pid, held) = (fields.next()?, fields.nth(2)?, fields.next()?);
    (kind == "FLOCK" && held == inode).then(|| pid.parse().ok())?
}
