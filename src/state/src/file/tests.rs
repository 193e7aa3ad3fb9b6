use std::fs::FileTimes;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::time::SystemTime;

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
    sweep(&path).unwrap();
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
fn writers_at_once_leave_one_whole_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    let write = |byte: u8| (0..50).for_each(|_| replace(&path, &[byte; 5000]).unwrap());
    std::thread::scope(|scope| (0..4).for_each(|byte| drop(scope.spawn(move || write(byte)))));
    let bytes = read(&path).unwrap().unwrap();
    assert!(bytes.len() == 5000 && bytes.iter().all(|byte| *byte == bytes[0]));
    assert_eq!(names(folder.path()).unwrap(), ["file"]);
}

#[test]
fn a_stale_temporary_of_our_own_pid_is_stepped_over() {
    let folder = tempfile::tempdir().unwrap();
    let stale = folder.path().join(format!("{TEMPORARY}{}.0", std::process::id()));
    File::create(&stale).unwrap();
    replace(&folder.path().join("file"), b"new").unwrap();
    assert_eq!(read(&stale).unwrap().unwrap(), b"");
}

#[test]
fn sweeping_takes_old_temporaries_only() {
    let folder = tempfile::tempdir().unwrap();
    let old = SystemTime::now() - 2 * ABANDONED;
    for (name, time) in [(".tmp.1.0", old), (".tmp.2.0", SystemTime::now()), ("file", old)] {
        let file = File::create(folder.path().join(name)).unwrap();
        file.set_times(FileTimes::new().set_modified(time)).unwrap();
    }
    sweep(folder.path()).unwrap();
    assert_eq!(names(folder.path()).unwrap(), [".tmp.2.0", "file"]);
}

#[test]
fn an_error_names_what_where_and_why_but_not_that_it_is_gone() {
    let said = replace(Path::new("/proc/self/nowhere/file"), b"").unwrap_err().to_string();
    assert!(said.starts_with("open /proc/self/nowhere/.tmp."), "{said}");
    assert!(said.ends_with("a directory of the path is missing (ENOENT)"), "{said}");
    assert!(!said.to_lowercase().contains("no such file"), "{said}");
}
