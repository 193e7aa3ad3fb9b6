use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;

use super::{Kind, Wait, inode};

/// A byte of the file, which need not have it: an open file description's lock (`F_OFD_SETLK` in fcntl(2)).
#[derive(Clone, Copy)]
pub(super) struct Slot(pub(super) i64);

/// Whether nobody else has a slot of the file: then the holder of the descriptor has all of them.
pub(super) fn has_all(file: &File) -> bool {
    let all = libc::flock { l_start: 0, l_len: 0, ..Slot(0).request() };
    fcntl(file, FcntlArg::F_OFD_SETLK(&all)).is_ok()
}

impl Slot {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the C library has these constants as int, and the field as short"
    )]
    fn request(self) -> libc::flock {
        libc::flock {
            l_type: libc::F_WRLCK as libc::c_short,
            l_whence: libc::SEEK_SET as libc::c_short,
            l_start: self.0,
            l_len: 1,
            l_pid: 0,
        }
    }

    /// A line of a descriptor's `fdinfo`, as `lock: 1: OFDLCK ADVISORY WRITE -1 00:1a:42 7 7`.
    fn is_in(self, line: &str, inode: &str) -> bool {
        let mut fields = line.split_ascii_whitespace().skip(2);
        let (kind, place) = (fields.next(), fields.nth(3));
        let start = fields.next().and_then(|start| start.parse().ok());
        (kind, place, start) == (Some("OFDLCK"), Some(inode), Some(self.0))
    }

    fn holds(self, process: &Path, inode: &str) -> bool {
        let infos = fs::read_dir(process.join("fdinfo")).into_iter().flatten().flatten();
        let texts = infos.filter_map(|info| fs::read_to_string(info.path()).ok());
        texts.into_iter().any(|text| text.lines().any(|line| self.is_in(line, inode)))
    }
}

impl Kind for Slot {
    /// Who wants such a lock for himself has to have the file open for writing.
    fn open<'a>(&self, options: &'a mut OpenOptions) -> &'a mut OpenOptions {
        options.read(true).write(true)
    }

    fn attempt(&self, file: &File) -> Result<(), TryLockError> {
        match fcntl(file, FcntlArg::F_OFD_SETLK(&self.request())) {
            Ok(_) => Ok(()),
            Err(Errno::EAGAIN | Errno::EACCES) => Err(TryLockError::WouldBlock),
            Err(errno) => Err(TryLockError::Error(errno.into())),
        }
    }

    fn waiter(&self) -> Wait {
        let slot = *self;
        Box::new(move |file| {
            loop {
                match fcntl(file, FcntlArg::F_OFD_SETLKW(&slot.request())) {
                    Err(Errno::EINTR) => (),
                    outcome => return outcome.map(drop).map_err(io::Error::from),
                }
            }
        })
    }

    /// /proc/locks names nobody for these: each process is asked, by one that has waited long already.
    fn holder(&self, file: &File) -> Option<u32> {
        let (inode, own) = (inode(file)?, std::process::id());
        let mut pids = fs::read_dir("/proc").ok()?.flatten().filter_map(|entry| pid(&entry.path()));
        pids.find(|&pid| pid != own && self.holds(&PathBuf::from(format!("/proc/{pid}")), &inode))
    }
}

fn pid(process: &Path) -> Option<u32> {
    process.file_name()?.to_str()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_descriptor_tells_which_slot_it_has() {
        let line = "lock:\t1: OFDLCK ADVISORY  WRITE -1 00:1a:42 7 7";
        assert!(Slot(7).is_in(line, "00:1a:42"));
        assert!(!Slot(8).is_in(line, "00:1a:42") && !Slot(7).is_in(line, "00:1a:43"));
        assert!(!Slot(7).is_in("pos:\t0", "00:1a:42"));
    }
}
