//! Files below a root, each read with a limit. What may not be read is remembered, what is not there is not.

use std::cell::RefCell;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use nix::errno::Errno;

/// kubelet's checkpoint is the longest, with a line per device.
const LIMIT: u64 = 4 << 20;
/// More than any directory of sysfs that is looked at: 4,096 VFs and their siblings.
const MOST_NAMES: usize = 16_384;

#[derive(Debug)]
pub(super) struct Files {
    root: PathBuf,
    unseen: RefCell<Vec<String>>,
}

impl Files {
    pub(super) fn below(root: &Path) -> Self {
        Self { root: root.to_owned(), unseen: RefCell::default() }
    }

    pub(super) fn path(&self, path: impl AsRef<Path>) -> PathBuf {
        self.root.join(path)
    }

    /// The bytes; `None` where there is none, or the driver has nothing to say.
    pub(super) fn bytes(&self, path: impl AsRef<Path>) -> Option<Vec<u8>> {
        let path = self.path(path);
        let mut bytes = Vec::new();
        let read = open(&path).and_then(|file| file.take(LIMIT).read_to_end(&mut bytes));
        self.noted(&path, read).map(|_| bytes)
    }

    /// The text without white space around it; `None` where it is empty.
    pub(super) fn text(&self, path: impl AsRef<Path>) -> Option<String> {
        let text = String::from_utf8_lossy(&self.bytes(path)?).trim().to_owned();
        Some(text).filter(|text| !text.is_empty())
    }

    /// A decimal number, or one with `0x`.
    pub(super) fn number(&self, path: impl AsRef<Path>) -> Option<i64> {
        let text = self.text(path)?;
        match text.strip_prefix("0x") {
            Some(hex) => i64::from_str_radix(hex, 16).ok(),
            None => text.parse().ok(),
        }
    }

    /// Sorted; none where there is no directory.
    pub(super) fn names(&self, path: impl AsRef<Path>) -> Vec<String> {
        let path = self.path(path);
        let Some(entries) = self.noted(&path, fs::read_dir(&path)) else { return Vec::new() };
        let names = entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned());
        let mut names: Vec<String> = names.take(MOST_NAMES).collect();
        names.sort_unstable();
        names
    }

    pub(super) fn exists(&self, path: impl AsRef<Path>) -> bool {
        self.path(path).exists()
    }

    /// Where a path leads.
    pub(super) fn real(&self, path: impl AsRef<Path>) -> Option<PathBuf> {
        self.path(path).canonicalize().ok()
    }

    /// The last part of where a link leads.
    pub(super) fn link(&self, path: impl AsRef<Path>) -> Option<String> {
        let target = fs::read_link(self.path(path)).ok()?;
        Some(target.file_name()?.to_string_lossy().into_owned())
    }

    pub(super) fn could_not_see(&self, what: String) {
        let mut unseen = self.unseen.borrow_mut();
        if !unseen.contains(&what) {
            unseen.push(what);
        }
    }

    pub(super) fn into_unseen(self) -> Vec<String> {
        self.unseen.into_inner()
    }

    fn noted<T>(&self, path: &Path, outcome: io::Result<T>) -> Option<T> {
        match outcome {
            Ok(found) => Some(found),
            Err(error) if says_nothing(&error) => None,
            Err(error) => {
                self.could_not_see(format!("{}: {error}", path.display()));
                None
            }
        }
    }
}

/// Never waits for somebody at the other end.
fn open(path: &Path) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let file =
        File::options().read(true).custom_flags(nix::libc::O_NONBLOCK | nix::libc::O_NOCTTY).open(path)?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(io::Error::other("no regular file")) }
}

/// ENODEV and EINVAL from an attribute that has no value now: a hole of a GID table, the speed of a link without a cable.
fn says_nothing(error: &io::Error) -> bool {
    let silent =
        [Errno::ENOENT, Errno::ENOTDIR, Errno::EINVAL, Errno::ENODEV, Errno::EOPNOTSUPP, Errno::ENOSYS];
    error.raw_os_error().is_some_and(|errno| silent.contains(&Errno::from_raw(errno)))
}
