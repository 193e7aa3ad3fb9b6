//! What tar(1) makes of the archives.

use image::{Entry, Tar};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

#[test]
fn tar_extracts_what_was_put_in() {
    let mut tar = Tar::default();
    tar.add("usr", &Entry::Directory).unwrap();
    tar.add("usr/tool", &Entry::File(0o755, vec![7; 1000])).unwrap();
    tar.add("usr/alias", &Entry::Link("tool".into())).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let mut child =
        Command::new("tar").args(["-x", "-C"]).arg(dir.path()).stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(&tar.finish()).unwrap();
    assert!(child.wait().unwrap().success());

    let tool = dir.path().join("usr/tool");
    assert_eq!(std::fs::read(dir.path().join("usr/alias")).unwrap(), vec![7; 1000]);
    assert_eq!(std::fs::metadata(tool).unwrap().permissions().mode() & 0o777, 0o755);
}
