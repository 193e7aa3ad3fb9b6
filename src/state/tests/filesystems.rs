//! Full and read-only file systems: a tmpfs in a mount namespace of the test's own. Needs root.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::fs;
use std::path::Path;
use std::time::Duration;

use nix::errno::Errno;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use state::journal::{self, Durability, Format};
use state::{AttachmentKey, Dirs, Error, Journal, Lock, Records, file, record::Loaded};

const FORMAT: Format = Format { magic: *b"test-log", version: 1 };

fn private_tmpfs(at: &Path, options: &str) {
    let nothing: Option<&str> = None;
    unshare(CloneFlags::CLONE_NEWNS).expect("unshare the mount namespace: run as root");
    mount(nothing, "/", nothing, MsFlags::MS_REC | MsFlags::MS_PRIVATE, nothing).unwrap();
    mount(Some("tmpfs"), at, Some("tmpfs"), MsFlags::empty(), Some(options)).unwrap();
}

fn make_read_only(at: &Path) {
    let nothing: Option<&str> = None;
    mount(nothing, at, nothing, MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY, nothing).unwrap();
}

/// Unsharing affects the calling thread alone, so each test gets one that nothing else uses.
fn on_tmpfs(options: &str, test: impl FnOnce(&Path) + Send) {
    let folder = tempfile::tempdir().unwrap();
    std::thread::scope(|scope| {
        let run = || {
            private_tmpfs(folder.path(), options);
            test(folder.path());
        };
        scope.spawn(run).join().unwrap();
    });
}

fn errno(error: &Error) -> Option<Errno> {
    match error {
        Error::Io { errno, .. } => Some(*errno),
        _ => None,
    }
}

fn files(folder: &Path) -> usize {
    std::fs::read_dir(folder).unwrap().count()
}

#[test]
fn a_full_disk_keeps_the_old_file_and_leaves_no_temporary() {
    on_tmpfs("size=16k", |folder| {
        let path = folder.join("file");
        file::replace(&path, b"old").unwrap();
        for replace in [file::replace, file::replace_durable] {
            let error = replace(&path, &vec![7; 20_000]).unwrap_err();
            assert_eq!(errno(&error), Some(Errno::ENOSPC));
            assert_eq!(
                error.to_string(),
                format!("write {}: no space left on device (ENOSPC)", path.display())
            );
        }
        assert_eq!(file::read(&path).unwrap().unwrap(), b"old");
        assert_eq!(files(folder), 1);
    });
}

#[test]
fn a_full_disk_takes_no_acknowledged_record_from_a_journal() {
    on_tmpfs("size=32k", |folder| {
        let path = folder.join("journal");
        let (mut journal, _) = Journal::open(&path, FORMAT, Durability::Disk).unwrap();
        let mut stored = 0;
        let error = loop {
            match journal.append(&[&[7; 1000]]) {
                Ok(()) => stored += 1,
                Err(error) => break error,
            }
        };
        assert_eq!(errno(&error), Some(Errno::ENOSPC));
        let replay = journal::read(&path, FORMAT).unwrap().unwrap();
        assert_eq!((replay.records().len(), replay.tail()), (stored, None));
        journal.rewrite(0, [b"one".as_slice()]).unwrap_err();
        assert_eq!(journal::read(&path, FORMAT).unwrap().unwrap().records().len(), stored);
        journal.append(&[b"small"]).unwrap();
        journal.finish().sync().unwrap();
        assert_eq!(journal::read(&path, FORMAT).unwrap().unwrap().records().len(), stored + 1);
    });
}

#[test]
fn a_record_that_does_not_fit_leaves_the_older_one() {
    on_tmpfs("size=24k", |folder| {
        let records = Records::open(&Dirs::under(folder), "macvlan").unwrap();
        let key = AttachmentKey::new("net", "c1", "eth0").unwrap();
        let old = records.draft(key.clone(), None, "old".to_owned());
        let mut saved = records.save(&old).unwrap();
        let large = records.draft(key.clone(), None, "x".repeat(30_000));
        let appended = records.draft(key.clone(), None, "x".repeat(15_000));
        file::replace(&folder.join("filler"), &[0; 12288]).unwrap();
        for error in [records.save(&large).unwrap_err(), records.update(&mut saved, &appended).unwrap_err()] {
            assert_eq!(errno(&error), Some(Errno::ENOSPC));
            assert_eq!(records.load(&key).unwrap(), Loaded::Present(old.clone()));
        }
        fs::remove_file(folder.join("filler")).unwrap();
        let small = records.draft(key.clone(), None, "small".to_owned());
        records.update(&mut saved, &small).unwrap();
        assert_eq!(records.load(&key).unwrap(), Loaded::Present(small));
    });
}

#[test]
fn a_read_only_disk_can_be_read_and_locked() {
    on_tmpfs("size=64k", |folder| {
        let dirs = Dirs::under(folder);
        let records = Records::open(&dirs, "macvlan").unwrap();
        let key = AttachmentKey::new("net", "c1", "eth0").unwrap();
        let record = records.draft(key.clone(), None, 1);
        records.save(&record).unwrap();
        let (lock, log) = (folder.join("lock"), folder.join("journal"));
        drop(Lock::acquire(&lock, Duration::ZERO).unwrap());
        drop(Journal::open(&log, FORMAT, Durability::Boot).unwrap());
        make_read_only(folder);

        assert_eq!(records.load(&key).unwrap(), Loaded::Present(record.clone()));
        assert_eq!(records.list::<u32>("net").unwrap().len(), 1);
        assert!(journal::read(&log, FORMAT).unwrap().is_some());
        drop(Lock::acquire(&lock, Duration::ZERO).unwrap());
        dirs.state.create(&["attachments", "net"]).unwrap();

        let failures = [
            records.save(&record).unwrap_err(),
            records.remove(&key).unwrap_err(),
            Journal::open(&log, FORMAT, Durability::Boot).unwrap_err(),
            Lock::acquire(&folder.join("other"), Duration::ZERO).unwrap_err(),
            dirs.state.create(&["other"]).unwrap_err(),
        ];
        for error in failures {
            assert_eq!(errno(&error), Some(Errno::EROFS), "{error}");
        }
    });
}
