use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::time::{Duration, Instant};

use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

use super::*;

#[test]
fn a_replaced_file_is_private_and_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    for (replace, text) in [(replace as fn(&Path, &[u8]) -> _, "one"), (replace_durable, "two")] {
        replace(&path, text.as_bytes()).unwrap();
        assert_eq!(read(&path).unwrap().unwrap(), text.as_bytes());
    }
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(names(folder.path()).unwrap(), ["file"]);
}

#[test]
fn absence_is_no_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    assert_eq!(read(&path).unwrap(), None);
    assert!(!remove(&path).unwrap());
    assert!(names(&path).unwrap().is_empty());
}

#[test]
fn a_link_is_not_followed_and_its_target_not_touched() {
    let folder = tempfile::tempdir().unwrap();
    let (target, link) = (folder.path().join("target"), folder.path().join("link"));
    replace(&target, b"secret").unwrap();
    symlink(&target, &link).unwrap();
    assert!(matches!(read(&link), Err(Error::Symlink { path }) if path == link));
    replace(&link, b"new").unwrap();
    assert_eq!(read(&target).unwrap().unwrap(), b"secret");
    assert_eq!(read(&link).unwrap().unwrap(), b"new");
}

#[test]
fn what_a_killed_writer_left_is_taken_over_or_removed() {
    let folder = tempfile::tempdir().unwrap();
    let (path, left) = (folder.path().join("file"), folder.path().join(".tmp.file"));
    let leave = || File::create(&left).unwrap().write_all(&[b'x'; 9000]).unwrap();
    leave();
    replace(&path, b"new").unwrap();
    assert_eq!(read(&path).unwrap().unwrap(), b"new");
    assert_eq!(names(folder.path()).unwrap(), ["file"]);
    leave();
    assert!(remove(&path).unwrap());
    assert!(names(folder.path()).unwrap().is_empty());
    leave();
    assert!(!remove(&path).unwrap());
    assert!(names(folder.path()).unwrap().is_empty());
    leave();
    replace(&folder.path().join("other"), b"whole").unwrap();
    remove_unfinished(folder.path()).unwrap();
    assert_eq!(names(folder.path()).unwrap(), ["other"]);
    remove_unfinished(&path).unwrap();
}

#[test]
fn an_error_names_what_where_and_why_but_not_that_it_is_gone() {
    let said = replace(Path::new("/proc/self/nowhere/file"), b"").unwrap_err().to_string();
    assert!(said.starts_with("open /proc/self/nowhere/.tmp."), "{said}");
    assert!(said.ends_with("a directory of the path is missing (ENOENT)"), "{said}");
    assert!(!said.to_lowercase().contains("no such file"), "{said}");
}

/// Everything that is no regular file.
const OTHERS: [&str; 4] = ["FIFO", "socket", "directory", "device"];

fn make(kind: &str, path: &Path) {
    match kind {
        "FIFO" => mkfifo(path, Mode::S_IRWXU).unwrap(),
        "socket" => drop(UnixListener::bind(path).unwrap()),
        "directory" => fs::create_dir(path).unwrap(),
        _ => symlink("/dev/zero", path).unwrap(),
    }
}

#[test]
fn what_is_no_regular_file_is_named_and_keeps_nobody_waiting() {
    for kind in OTHERS {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        make(kind, &path);
        let (begin, long) = (Instant::now(), Duration::from_secs(60));
        let outcomes = [
            read(&path).map(drop),
            read_linked(&path).map(drop),
            crate::Lock::acquire(&path, long).map(drop),
            open(&path, OpenOptions::new().read(true).write(true), OFlag::empty()).map(drop),
        ];
        for outcome in outcomes {
            let said = outcome.unwrap_err().to_string();
            assert!(said.contains(path.to_str().unwrap()) && !said.contains("ENXIO"), "{kind}: {said}");
        }
        assert!(begin.elapsed() < long, "{kind}");
    }
}

#[test]
fn a_fifo_in_the_place_of_an_unfinished_file_keeps_nobody_waiting() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    mkfifo(&temporary(&path), Mode::S_IRWXU).unwrap();
    assert!(matches!(replace(&path, b"new"), Err(Error::NotAFile { .. })));
    assert!(!remove(&path).unwrap());
    replace(&path, b"new").unwrap();
}

#[test]
fn a_file_without_an_end_is_read_to_a_limit() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    File::create(&path).unwrap().set_len(LIMIT).unwrap();
    assert_eq!(read(&path).unwrap().unwrap().len() as u64, LIMIT);
    File::create(&path).unwrap().set_len(LIMIT + 1).unwrap();
    let said = read(&path).unwrap_err().to_string();
    assert_eq!(said, format!("{} is longer than 16 MiB: move it aside", path.display()));
}

#[test]
fn an_administrators_link_is_followed() {
    let folder = tempfile::tempdir().unwrap();
    let (target, link) = (folder.path().join("target"), folder.path().join("link"));
    replace(&target, b"pools").unwrap();
    symlink(&target, &link).unwrap();
    assert_eq!(read_linked(&link).unwrap().unwrap(), b"pools");
    fs::remove_file(target).unwrap();
    assert_eq!(read_linked(&link).unwrap(), None);
}
