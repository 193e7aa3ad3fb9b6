mod slot;

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicIsize, Ordering};
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

/// Threads that still wait for a lock whose deadline is over. A process that lives on, as an agent does beside a plugin that stands
/// still, has one of them and no more.
static LEFT: AtomicIsize = AtomicIsize::new(0);
/// What `ps -T` shows of it.
const THREAD: &str = "lock";
const BETWEEN_LOOKS: Duration = Duration::from_millis(10);

/// An exclusive lock, released on drop and by the kernel when the process dies. One of a whole file is flock(2)'s:
/// it meets those that other programs take, and the file's contents are neither read nor written.
#[derive(Debug)]
#[must_use = "the lock is released when it is dropped"]
pub struct Lock {
    file: File,
    /// That of several locks.
    shared_file: Option<PathBuf>,
}

impl Drop for Lock {
    fn drop(&mut self) {
        if let Some(path) = self.shared_file.take().filter(|_| slot::has_all(&self.file)) {
            // Whoever has opened it meanwhile sees that it is no more. A call may be interrupted, and get another try; a file that
            // stays all the same, on a read-only disk, does no harm.
            let _ = fs::remove_file(&path).or_else(|_| fs::remove_file(&path));
        }
    }
}

impl Lock {
    /// Takes the lock on `path`, a file that nobody renames or removes; made when missing, in a directory that exists.
    /// A timeout of zero tries once.
    pub fn acquire(path: &Path, timeout: Duration) -> Result<Self, Error> {
        Self::acquire_by(path, timeout, &Flock { attempt: File::try_lock, wait: File::lock })
    }

    /// The same, together with other shared holders: keeps away whoever wants the lock for himself.
    pub fn acquire_shared(path: &Path, timeout: Duration) -> Result<Self, Error> {
        Self::acquire_by(path, timeout, &Flock { attempt: File::try_lock_shared, wait: File::lock_shared })
    }

    /// Takes one of the locks that share a file, told apart by a number. The last one who lets go removes the file.
    pub fn acquire_slot(path: &Path, slot: i64, timeout: Duration) -> Result<Self, Error> {
        let deadline = Instant::now() + timeout;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let mut lock = Self::acquire_by(path, left, &slot::Slot(slot))?;
            let links = lock.file.metadata().map_err(|error| Error::io("inspect", path, &error))?.nlink();
            if links > 0 {
                lock.shared_file = Some(path.to_path_buf());
                return Ok(lock);
            }
            // The last one before us has removed it: the next one is another file.
        }
    }

    /// Removes the file if whoever had it last was killed.
    pub fn sweep_slots(path: &Path) {
        if path.exists() {
            // One that is taken is removed by its holder.
            drop(Self::acquire_slot(path, 0, Duration::ZERO));
        }
    }

    fn acquire_by(path: &Path, timeout: Duration, kind: &impl Kind) -> Result<Self, Error> {
        let file = file::open(path, kind.open(&mut OpenOptions::new()), OFlag::O_CREAT)?;
        let start = Instant::now();
        let failed = |error: &io::Error| Error::io("lock", path, error);
        let turns = if timeout.is_zero() { 0 } else { TURNS };
        for turn in 0..=turns {
            match kind.attempt(&file) {
                Ok(()) => return Ok(Self { file, shared_file: None }),
                Err(TryLockError::WouldBlock) if turn < turns => thread::yield_now(),
                Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(error)) => return Err(failed(&error)),
            }
        }
        let locked = if timeout.is_zero() { Ok(None) } else { wait_or_look(&file, timeout, kind) };
        if let Some(file) = locked.map_err(|error| failed(&error))? {
            return Ok(Self { file, shared_file: None });
        }
        let (path, waited) = (path.to_path_buf(), start.elapsed());
        Err(Error::Timeout { path, waited, holder: kind.holder(&file) })
    }
}

type Wait = Box<dyn FnOnce(&File) -> io::Result<()> + Send>;

/// How a lock is taken.
trait Kind {
    fn open<'a>(&self, options: &'a mut OpenOptions) -> &'a mut OpenOptions;
    fn attempt(&self, file: &File) -> Result<(), TryLockError>;
    /// Blocks until the lock is there.
    fn waiter(&self) -> Wait;
    /// The kernel's word on who has it, which cannot be stale.
    fn holder(&self, file: &File) -> Option<u32>;
}

struct Flock {
    attempt: fn(&File) -> Result<(), TryLockError>,
    wait: fn(&File) -> io::Result<()>,
}

impl Kind for Flock {
    fn open<'a>(&self, options: &'a mut OpenOptions) -> &'a mut OpenOptions {
        options.read(true)
    }

    fn attempt(&self, file: &File) -> Result<(), TryLockError> {
        (self.attempt)(file)
    }

    fn waiter(&self) -> Wait {
        Box::new(self.wait)
    }

    /// Right for locks of other programs, too.
    fn holder(&self, file: &File) -> Option<u32> {
        let inode = inode(file)?;
        fs::read_to_string("/proc/locks").ok()?.lines().find_map(|line| flock_pid(line, &inode))
    }
}

fn wait_or_look(file: &File, timeout: Duration, kind: &impl Kind) -> io::Result<Option<File>> {
    match LEFT.load(Ordering::Relaxed) {
        0 => wait_for(file, timeout, kind.waiter()),
        _ => look_for(file, timeout, kind),
    }
}

/// Waits in the kernel's own queue, where the lock goes from hand to hand with nobody asleep in between. flock(2) knows
/// no deadline, so a thread waits in our place: too late, it finds nobody to give the lock to, and lets it go.
fn wait_for(file: &File, timeout: Duration, wait: Wait) -> io::Result<Option<File>> {
    let waiting = file.try_clone()?;
    let (done, ends) = io::pipe()?;
    // Whoever comes second of the thread's end and ours.
    let is_second = Arc::new(AtomicBool::new(false));
    let over = Arc::clone(&is_second);
    let thread = thread::Builder::new().name(THREAD.to_owned()).spawn(move || {
        let locked = wait(&waiting).map(|()| waiting);
        drop(ends);
        if over.swap(true, Ordering::AcqRel) {
            LEFT.fetch_sub(1, Ordering::Relaxed);
        }
        locked
    })?;
    if !closes(&done, timeout)? && !is_second.swap(true, Ordering::AcqRel) {
        LEFT.fetch_add(1, Ordering::Relaxed);
        return Ok(None);
    }
    thread.join().unwrap_or_else(|panic| resume_unwind(panic)).map(Some)
}

/// Waits by looking now and then, which leaves no thread behind.
fn look_for(file: &File, timeout: Duration, kind: &impl Kind) -> io::Result<Option<File>> {
    let start = Instant::now();
    while start.elapsed() < timeout {
        match ppoll(&mut [], Some(TimeSpec::from_duration(BETWEEN_LOOKS)), None) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
        match kind.attempt(file) {
            Ok(()) => return file.try_clone().map(Some),
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(error)) => return Err(error),
        }
    }
    Ok(None)
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

/// As `proc_locks(5)` has it.
fn inode(file: &File) -> Option<String> {
    let status = file.metadata().ok()?;
    let device = status.dev();
    Some(format!("{:02x}:{:02x}:{}", major(device), minor(device), status.ino()))
}

/// One line of `proc_locks(5)`: `1: FLOCK  ADVISORY  WRITE 4711 00:1a:42 0 EOF`.
fn flock_pid(line: &str, inode: &str) -> Option<u32> {
    let mut fields = line.split_ascii_whitespace().skip(1);
    let (kind, pid, held) = (fields.next()?, fields.nth(2)?, fields.next()?);
    (kind == "FLOCK" && held == inode).then(|| pid.parse().ok())?
}
