use std::os::unix::fs::{PermissionsExt, symlink};

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
