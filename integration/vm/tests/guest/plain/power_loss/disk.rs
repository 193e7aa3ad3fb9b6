//! A disk whose writes are logged, and file systems on it and on what is left of it.

use std::fs::{File, create_dir_all};
use std::path::{Path, PathBuf};

use vm::lab::{Disk, Entry, run, write_log};

/// Of the device; a test has the guest for itself.
const NAME: &str = "railcni-power-loss";
const LOG_MEBIBYTES: u64 = 512;

/// What a disk can have on it.
pub(crate) struct FileSystem {
    pub(crate) kind: &'static str,
    mebibytes: u64,
    /// Of a full run: enough for more than a thousand writes. Either writes in its own way.
    pub(crate) rounds: u8,
    mkfs: &'static [&'static str],
}

pub(crate) const EXT4: FileSystem = FileSystem {
    kind: "ext4",
    mebibytes: 64,
    rounds: 42,
    mkfs: &["mkfs.ext4", "-q", "-E", "lazy_itable_init=1"],
};
pub(crate) const XFS: FileSystem =
    FileSystem { kind: "xfs", mebibytes: 320, rounds: 84, mkfs: &["mkfs.xfs", "-q"] };

/// dm-log-writes over a file; the log is another one.
pub(crate) struct LoggedDisk {
    name: &'static str,
    kind: &'static str,
    before: Disk,
    log: PathBuf,
    loops: [String; 2],
}

/// A mounted file system; dropping it unmounts.
pub(crate) struct Mounted(PathBuf);

impl LoggedDisk {
    /// With an empty file system, whose making is not in the log.
    pub(crate) fn new(folder: &Path, system: &FileSystem) -> Self {
        let FileSystem { kind, mebibytes, mkfs, .. } = *system;
        let (image, log) = (folder.join("disk"), folder.join("log"));
        for (path, mebibytes) in [(&image, mebibytes), (&log, LOG_MEBIBYTES)] {
            File::create(path).and_then(|file| file.set_len(mebibytes << 20)).expect("a file for a disk");
        }
        run(&[mkfs, &[text(&image)]].concat());
        provide_loops();
        let before = Disk::read(&image).expect("the empty file system");
        let loops =
            [&image, &log].map(|path| run(&["losetup", "--find", "--show", text(path)]).trim().to_owned());
        let table = format!("0 {} log-writes {} {}", mebibytes << 11, loops[0], loops[1]);
        run(&["dmsetup", "create", NAME, "--table", &table]);
        Self { name: NAME, kind, before, log, loops }
    }

    pub(crate) fn mount(&self, target: &Path) -> Mounted {
        // The kernel's own name: without udev, nobody makes the other one.
        let device = run(&["dmsetup", "info", "-c", "--noheadings", "-o", "blkdevname", self.name]);
        mounted_from(&["-t", self.kind, &format!("/dev/{}", device.trim())], target)
    }

    /// All that came before is on the disk from here on, as far as it was promised.
    pub(crate) fn mark(&self, text: &str) {
        run(&["dmsetup", "message", self.name, "0", "mark", text]);
    }

    /// The disk as it was at first, and what happened to it.
    pub(crate) fn into_log(self) -> (Disk, Vec<Entry>) {
        run(&["dmsetup", "remove", self.name]);
        for device in &self.loops {
            run(&["losetup", "--detach", device]);
        }
        let entries = write_log(&self.log).expect("the log of dm-log-writes");
        std::fs::remove_file(self.log).expect("the log goes");
        (self.before, entries)
    }
}

/// Whoever opens the node makes the kernel load the module, which then makes the others.
fn provide_loops() {
    if !Path::new("/dev/loop-control").exists() {
        run(&["mknod", "-m", "600", "/dev/loop-control", "c", "10", "237"]);
    }
}

/// What is in a file.
pub(crate) fn mounted(system: &FileSystem, image: &Path, target: &Path) -> Mounted {
    mounted_from(&["-t", system.kind, "-o", "loop", text(image)], target)
}

fn mounted_from(what: &[&str], target: &Path) -> Mounted {
    create_dir_all(target).expect("a place to mount");
    run(&[&["mount"], what, &[text(target)]].concat());
    Mounted(target.to_owned())
}

impl Drop for Mounted {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            run(&["umount", text(&self.0)]);
        }
    }
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path of ours is text")
}
