//! Which network namespaces are alive, whatever paths they have.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::num::NonZeroU64;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use nix::libc;

use crate::{Id, NetNs};

/// The inode of the kernel's first PID namespace (`PROC_PID_INIT_INO` in `include/linux/proc_ns.h`).
const FIRST_PID_NAMESPACE: &str = "pid:[4026531836]";
/// This process, whose mounts are the runtime's.
const OWN: &str = "/proc/self";
/// Where those of namespaces are (`PROC_DYNAMIC_FIRST` in `fs/proc/generic.c`): other files there may be opened in vain.
const INODES: std::ops::Range<u64> = 0xf000_0000..0x1_0000_0000;
/// Ways into a namespace that are kept: one may be gone by the time it is used.
const WAYS: usize = 4;

/// What holds a namespace: a thread in it, a mount of it, or a descriptor that is open on it.
#[derive(Debug)]
pub struct Living {
    /// All namespaces are files of one file system.
    dev: u64,
    /// By their inodes.
    held: BTreeMap<u64, Held>,
    /// Processes that could not be looked into, and may hold a namespace unseen.
    unseen: Vec<String>,
    /// Whether /proc is that of the machine's first PID namespace, which has all processes.
    of_machine: bool,
}

#[derive(Debug, Default)]
struct Held {
    /// Whether a thread is in it.
    peopled: bool,
    /// Whether it has a path among our own mounts, as a runtime gives one to each pod.
    mounted: bool,
    /// Files that lead to it.
    ways: Vec<PathBuf>,
}

/// The namespaces that have a path among our own mounts, as a runtime gives one to each pod; without a look at anything else.
pub fn mounted() -> Vec<NetNs> {
    let table = fs::read("/proc/self/mountinfo").unwrap_or_default();
    let mut found: BTreeMap<u64, NetNs> = BTreeMap::new();
    for (inode, point) in table.split(|&byte| byte == b'\n').filter_map(point_of) {
        if let Ok(netns) = NetNs::open(&Path::new("/").join(point)) {
            found.entry(inode).or_insert(netns);
        }
    }
    found.into_values().collect()
}

impl Living {
    /// Goes through /proc once.
    pub fn look() -> io::Result<Self> {
        let dev = fs::metadata("/proc/self/ns/net")?.dev();
        let of_machine = link(Path::new("/proc/self/ns/pid")).is_some_and(|pid| pid == FIRST_PID_NAMESPACE);
        let mut living = Self { dev, held: BTreeMap::new(), unseen: Vec::new(), of_machine };
        let mut mounts = Vec::new();
        living.process(Path::new(OWN), &mut mounts);
        for process in folder(Path::new("/proc")).filter(|path| is_number(path)) {
            match fs::read_link(process.join("ns/net")).map_err(|error| error.raw_os_error()) {
                Ok(_) => living.process(&process, &mut mounts),
                Err(Some(libc::ENOENT | libc::ESRCH)) => (),
                // Where it is not that of another PID namespace, it is the machine's, and in no pod.
                Err(_) if process.ends_with("1") => (),
                Err(_) => living.unseen.push(process.display().to_string()),
            }
        }
        Ok(living)
    }

    /// Whether anything holds it. In doubt it is alive.
    pub fn has(&self, id: Id, cookie: Option<NonZeroU64>) -> bool {
        self.held(id).is_some_and(|held| held.is(id, cookie))
    }

    /// Whether a thread is in it.
    pub fn is_peopled(&self, id: Id, cookie: Option<NonZeroU64>) -> bool {
        self.held(id).is_some_and(|held| held.peopled && held.is(id, cookie))
    }

    /// Whether it has a path among our own mounts.
    pub fn is_mounted(&self, id: Id) -> bool {
        self.held(id).is_some_and(|held| held.mounted)
    }

    /// Opens it, if anything holds it that leads there yet.
    pub fn open(&self, id: Id, cookie: Option<NonZeroU64>) -> Option<NetNs> {
        self.held(id)?.open(id).filter(|netns| is(netns, cookie))
    }

    /// Opens all that are alive, one after another.
    pub fn all(&self) -> impl Iterator<Item = NetNs> + '_ {
        self.held.iter().filter_map(|(&ino, held)| held.open(Id { dev: self.dev, ino }))
    }

    /// The processes that were not looked into.
    pub fn unseen(&self) -> &[String] {
        &self.unseen
    }

    /// Whether all processes of the machine were there to be looked into. In another PID namespace they are not; those of the
    /// pods may be all the same, where the whole node is in it.
    pub fn is_of_machine(&self) -> bool {
        self.of_machine
    }

    fn held(&self, id: Id) -> Option<&Held> {
        self.held.get(&id.ino).filter(|_| id.dev == self.dev)
    }

    fn process(&mut self, process: &Path, mounts: &mut Vec<String>) {
        for thread in folder(&process.join("task")) {
            let way = thread.join("ns/net");
            if let Some(held) = inode(&way).map(|inode| self.add(inode, way)) {
                held.peopled = true;
            }
            // Threads of one process may have mounts of their own.
            if let Some(namespace) = link(&thread.join("ns/mnt")).filter(|name| !mounts.contains(name)) {
                mounts.push(namespace);
                self.mounts(&thread, process == Path::new(OWN));
            }
        }
        for file in folder(&process.join("fd")) {
            descriptor(process, &file).map(|inode| self.add(inode, file));
        }
    }

    fn mounts(&mut self, thread: &Path, own: bool) {
        let table = fs::read(thread.join("mountinfo")).unwrap_or_default();
        for (inode, point) in table.split(|&byte| byte == b'\n').filter_map(point_of) {
            self.add(inode, thread.join("root").join(point)).mounted |= own;
        }
    }

    fn add(&mut self, inode: u64, way: PathBuf) -> &mut Held {
        let held = self.held.entry(inode).or_default();
        if held.ways.len() < WAYS {
            held.ways.push(way);
        }
        held
    }
}

impl Held {
    fn is(&self, id: Id, cookie: Option<NonZeroU64>) -> bool {
        self.open(id).is_none_or(|netns| is(&netns, cookie))
    }

    fn open(&self, id: Id) -> Option<NetNs> {
        self.ways.iter().filter_map(|way| NetNs::open(way).ok()).find(|netns| netns.id() == id)
    }
}

/// Without both cookies, the inode has to do.
fn is(netns: &NetNs, cookie: Option<NonZeroU64>) -> bool {
    cookie.is_none() || netns.cookie().is_none_or(|found| Some(found) == cookie)
}

/// `36 35 0:4 net:[4026532281] /run/netns/a rw ...` (`Documentation/filesystems/proc.rst`): inode, and mount point below its
/// root.
fn point_of(line: &[u8]) -> Option<(u64, PathBuf)> {
    let mut fields = line.split(|&byte| byte == b' ').skip(3);
    let inode = number(std::str::from_utf8(fields.next()?).ok()?)?;
    let point = unescaped(fields.next()?.strip_prefix(b"/")?);
    Some((inode, PathBuf::from(std::ffi::OsString::from_vec(point))))
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

fn link(path: &Path) -> Option<String> {
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
mod tests {
    use super::*;

    #[test]
    fn our_own_namespace_is_peopled_and_one_of_no_inode_is_not_alive() {
        let own = NetNs::current().unwrap();
        let (living, id, cookie) = (Living::look().unwrap(), own.id(), own.cookie());
        assert!(living.has(id, cookie) && living.is_peopled(id, cookie));
        let others = [Id { ino: 1, ..id }, Id { dev: id.dev + 1, ..id }];
        assert!(others.into_iter().all(|other| !living.has(other, cookie)));
    }

    #[test]
    fn a_namespace_that_ended_is_not_alive_in_the_one_that_got_its_inode() {
        let own = NetNs::current().unwrap();
        let earlier = own.cookie().unwrap().checked_add(1);
        let living = Living::look().unwrap();
        assert!(!living.has(own.id(), earlier) && living.open(own.id(), earlier).is_none());
        assert!(living.has(own.id(), None), "a record without a cookie has but the inode");
    }

    #[test]
    fn a_namespace_without_a_path_is_opened_by_what_holds_it() {
        let held = crate::tests::fresh();
        let living = Living::look().unwrap();
        assert!(!living.is_peopled(held.id(), held.cookie()), "only our descriptor is on it");
        assert_eq!(living.open(held.id(), held.cookie()).unwrap().id(), held.id());
        assert!(living.all().any(|netns| netns.id() == held.id()));
    }

    #[test]
    fn a_descriptor_tells_its_namespace_and_an_ordinary_file_none() {
        let held = crate::tests::fresh();
        let file = tempfile::NamedTempFile::new().unwrap();
        assert_eq!(descriptor(Path::new(OWN), Path::new("/proc/self/fd/0/none")), None);
        let fd =
            |file: &dyn std::os::fd::AsRawFd| PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()));
        assert_eq!(descriptor(Path::new(OWN), &fd(&held.fd())), Some(held.id().ino));
        assert_eq!(descriptor(Path::new(OWN), &fd(file.as_file())), None, "an ordinary file");
    }

    #[test]
    fn mounts_of_namespaces_are_told_by_their_root() {
        let line = b"36 35 0:4 net:[4026532281] /run/netns/a\\040b rw shared:9 - nsfs nsfs rw";
        assert_eq!(point_of(line), Some((4_026_532_281, "run/netns/a b".into())));
        assert_eq!(point_of(b"35 1 0:29 / / rw - ext4 /dev/vda rw"), None);
    }
}
