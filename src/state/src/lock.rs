use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::panic::resume_unwind;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::stat::{major, minor};
use nix::sys::time::TimeSpec;

use crate::{Error, file};

/// How often the CPU is left to others, of whom one may be the holder: that is over in microseconds for most locks, and
/// among 128 processes on two CPUs takes a fifth less time than to queue at once, where each has to be woken in turn.
const TURNS: u32 = 30;

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
        Self::acquire_by(path, timeout, File::try_lock, File::lock)
    }

    /// The same, together with other shared holders: keeps away whoever wants the lock for himself.
    pub fn acquire_shared(path: &Path, timeout: Duration) -> Result<Self, Error> {
        Self::acquire_by(path, timeout, File::try_lock_shared, File::lock_shared)
    }

    fn acquire_by(
        path: &Path,
        timeout: Duration,
        attempt: fn(&File) -> Result<(), TryLockError>,
        wait: fn(&File) -> io::Result<()>,
    ) -> Result<Self, Error> {
        let file = file::open(path, OpenOptions::new().read(true), OFlag::O_CREAT)?;
        let start = Instant::now();
        let failed = |error: &io::Error| Error::io("lock", path, error);
        let turns = if timeout.is_zero() { 0 } else { TURNS };
        for turn in 0..=turns {
            match attempt(&file) {
                Ok(()) => return Ok(Self { _file: file }),
                Err(TryLockError::WouldBlock) if turn < turns => thread::yield_now(),
                Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(error)) => return Err(failed(&error)),
            }
        }
        let locked = if timeout.is_zero() { Ok(None) } else { wait_for(&file, timeout, wait) };
        if let Some(file) = locked.map_err(|error| failed(&error))? {
            return Ok(Self { _file: file });
        }
        let (path, waited) = (path.to_path_buf(), start.elapsed());
        Err(Error::Timeout { path, waited, holder: holder(&file) })
    }
}

/// Waits in the kernel's own queue, where the lock goes from hand to hand with nobody asleep in between. flock(2) knows
/// no deadline, so a thread waits in our place: too late, it finds nobody to give the lock to, and lets it go.
fn wait_for(file: &File, timeout: Duration, wait: fn(&File) -> io::Result<()>) -> io::Result<Option<File>> {
    let waiting = file.try_clone()?;
    let (done, ends) = io::pipe()?;
    let thread = thread::Builder::new().spawn(move || {
        let locked = wait(&waiting).map(|()| waiting);
        drop(ends);
        locked
    })?;
    if !closes(&done, timeout)? {
        return Ok(None);
    }
    thread.join().unwrap_or_else(|panic| resume_unwind(panic)).map(Some)
}

/// Whether the other end of the pipe closes in time.
fn closes(pipe: &io::PipeReader, timeout: Duration) -> io::Result<bool> {
    let start = Instant::now();
    loop {
        let left = TimeSpec::from_duration(timeout.saturating_sub(start.elapsed()));
        match ppoll(&mut [PollFd::new(pipe.as_fd(), PollFlags::POLLIN)], Some(left), None) {
            Err(Errno::EINTR) => {}
            other => return Ok(other? > 0),
        }
    }
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
