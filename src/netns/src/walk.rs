//! One walk through /proc: every file there that leads to a network namespace.

use std::ffi::OsString;
use std::fs::{self, ReadDir};
use std::io::{self, Read as _};
use std::mem;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::libc;

/// This process, whose mounts are the runtime's.
const OWN: &str = "/proc/self";
/// Where those of namespaces are (`PROC_DYNAMIC_FIRST` in `fs/proc/generic.c`): other files there may be opened in vain.
const INODES: std::ops::Range<u64> = 0xf000_0000..0x1_0000_0000;
/// Descriptors of one process before it is the next one's turn: whoever has millions of them is read last.
const TURN: usize = 512;
/// For the threads of the whole node: half a million. Without them nothing is known of a process at all.
const THREADS: Duration = Duration::from_secs(20);
/// Threads of each process that are seen whatever it takes.
const FIRST_THREADS: usize = 16;
/// In place of where a thread is that there was no time for: no namespace has that inode.
const UNSEEN: u64 = 0;
/// Of a mount table that is not ours: whoever has more is crowded. A mount is some hundred bytes.
const MOST_OF_TABLE: u64 = 16 << 20;

/// What leads to a namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum By {
    /// A thread that is in it.
    Thread,
    /// A mount.
    Mount {
        /// Among our own mounts.
        own: bool,
    },
    /// An open descriptor.
    Descriptor,
}

/// What a walk has not seen.
#[derive(Debug, Default)]
pub(crate) struct Missed {
    /// Processes that let nobody look.
    pub(crate) closed: Vec<String>,
    /// Processes whose threads, mounts or descriptors were too many for the time that there was.
    pub(crate) crowded: Vec<Crowded>,
}

/// A process of which only threads were seen.
#[derive(Debug)]
pub(crate) struct Crowded {
    pub(crate) process: String,
    /// Where its threads are; of no namespace where one was not seen.
    pub(crate) inodes: Vec<u64>,
}

/// A process whose threads were seen.
struct Process {
    path: PathBuf,
    inodes: Vec<u64>,
}

struct Walk<F> {
    met: F,
    threads_until: Instant,
    deadline: Instant,
    mounts: Vec<String>,
    missed: Missed,
}

/// Tells `met` of each inode and way. Threads have a time of their own, our own mounts are seen whatever it takes; all else until
/// the deadline.
pub(crate) fn walk(deadline: Instant, met: impl FnMut(u64, PathBuf, By)) -> io::Result<Missed> {
    walk_with(Instant::now() + THREADS, deadline, met)
}

fn walk_with(
    threads_until: Instant,
    deadline: Instant,
    met: impl FnMut(u64, PathBuf, By),
) -> io::Result<Missed> {
    let mut walk = Walk { met, threads_until, deadline, mounts: Vec::new(), missed: Missed::default() };
    let own = walk.threads(Path::new(OWN));
    walk.mounts(Path::new("/proc/thread-self"), true, u64::MAX);
    let mut processes = vec![own];
    for entry in fs::read_dir("/proc")?.flatten() {
        let path = entry.path();
        if is_number(&path) && walk.lets_look(&path) {
            processes.push(walk.threads(&path));
        }
    }
    let seen = processes.into_iter().filter_map(|process| walk.all_mounts(process)).collect();
    walk.descriptors(seen);
    Ok(walk.missed)
}

impl<F: FnMut(u64, PathBuf, By)> Walk<F> {
    fn is_over(&self) -> bool {
        Instant::now() >= self.deadline
    }

    fn lets_look(&mut self, process: &Path) -> bool {
        match fs::read_link(process.join("ns/net")).map_err(|error| error.raw_os_error()) {
            Ok(_) => true,
            Err(Some(libc::ENOENT | libc::ESRCH)) => false,
            // Where it is not that of another PID namespace, it is the machine's, and in no pod.
            Err(_) if process.ends_with("1") => false,
            Err(_) => {
                self.missed.closed.push(process.display().to_string());
                false
            }
        }
    }

    fn threads(&mut self, process: &Path) -> Process {
        let mut inodes = Vec::new();
        for (number, thread) in folder(&process.join("task")).enumerate() {
            if number >= FIRST_THREADS && Instant::now() >= self.threads_until {
                inodes.push(UNSEEN);
                break;
            }
            let way = thread.join("ns/net");
            if let Some(inode) = inode(&way) {
                inodes.push(inode);
                (self.met)(inode, way, By::Thread);
            }
        }
        inodes.sort_unstable();
        inodes.dedup();
        Process { path: process.to_owned(), inodes }
    }

    /// Threads of one process may have mounts of their own.
    fn all_mounts(&mut self, process: Process) -> Option<Process> {
        if process.inodes.contains(&UNSEEN) {
            self.crowd(process);
            return None;
        }
        for thread in folder(&process.path.join("task")) {
            if self.is_over() || !self.mounts(&thread, false, MOST_OF_TABLE) {
                self.crowd(process);
                return None;
            }
        }
        Some(process)
    }

    /// Whether the table was seen to its end.
    fn mounts(&mut self, thread: &Path, own: bool, most: u64) -> bool {
        let Some(namespace) = link(&thread.join("ns/mnt")).filter(|name| !self.mounts.contains(name)) else {
            return true;
        };
        let table = beginning(&thread.join("mountinfo"), most);
        let is_whole = (table.len() as u64) < most;
        if is_whole {
            self.mounts.push(namespace);
        }
        for (inode, point) in table.split(|&byte| byte == b'\n').filter_map(point_of) {
            (self.met)(inode, thread.join("root").join(point), By::Mount { own });
        }
        is_whole
    }

    fn descriptors(&mut self, processes: Vec<Process>) {
        let mut more = Vec::new();
        for process in processes {
            // One that has ended has none.
            if let Ok(files) = fs::read_dir(process.path.join("fd")) {
                self.turn(process, files, &mut more);
            }
        }
        while !more.is_empty() {
            for (process, files) in mem::take(&mut more) {
                self.turn(process, files, &mut more);
            }
        }
    }

    fn turn(&mut self, process: Process, mut files: ReadDir, more: &mut Vec<(Process, ReadDir)>) {
        if self.is_over() {
            return self.crowd(process);
        }
        for _ in 0..TURN {
            let Some(file) = files.next() else { return };
            let Some(way) = file.ok().map(|file| file.path()) else { continue };
            if let Some(inode) = descriptor(&process.path, &way) {
                (self.met)(inode, way, By::Descriptor);
            }
        }
        more.push((process, files));
    }

    fn crowd(&mut self, Process { path, inodes }: Process) {
        self.missed.crowded.push(Crowded { process: path.display().to_string(), inodes });
    }
}

/// So many bytes of a file whose length another process decides; none of what has ended.
fn beginning(path: &Path, most: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    // What was read before an error counts.
    let _ = fs::File::open(path).and_then(|file| file.take(most).read_to_end(&mut bytes));
    bytes
}

/// `36 35 0:4 net:[4026532281] /run/netns/a rw ...` (`Documentation/filesystems/proc.rst`): inode, and mount point below its
/// root.
pub(crate) fn point_of(line: &[u8]) -> Option<(u64, PathBuf)> {
    let mut fields = line.split(|&byte| byte == b' ').skip(3);
    let inode = number(std::str::from_utf8(fields.next()?).ok()?)?;
    let point = unescaped(fields.next()?.strip_prefix(b"/")?);
    Some((inode, PathBuf::from(OsString::from_vec(point))))
}

/// Blanks, tabs, line breaks and backslashes stand there as `\040` and the like.
fn unescaped(text: &[u8]) -> Vec<u8> {
    let octal = |digits: &[u8]| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 8).ok();
    let (mut bytes, mut rest) = (Vec::new(), text);
    while let Some((&first, after)) = rest.split_first() {
        let escaped = after.get(..3).filter(|_| first == b'\\').and_then(octal);
        bytes.push(escaped.unwrap_or(first));
        rest = if escaped.is_some() { &after[3..] } else { after };
    }
    bytes
}

/// Of one that was opened by a path, the link tells that path, which may be gone or lead elsewhere. Its inode (Linux 5.14) is
/// read without a question to its file system, which may hang.
fn descriptor(process: &Path, file: &Path) -> Option<u64> {
    let text = link(file)?;
    if !text.starts_with('/') {
        return number(&text);
    }
    let info = fs::read_to_string(process.join("fdinfo").join(file.file_name()?)).ok()?;
    info.lines()
        .find_map(|line| line.strip_prefix("ino:")?.trim().parse().ok())
        .filter(|inode| INODES.contains(inode))
}

fn inode(path: &Path) -> Option<u64> {
    number(&link(path)?)
}

/// `net:[4026532281]`
fn number(text: &str) -> Option<u64> {
    text.strip_prefix("net:[")?.strip_suffix(']')?.parse().ok()
}

pub(crate) fn link(path: &Path) -> Option<String> {
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
mod tests;
