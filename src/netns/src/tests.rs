use std::fs::File;
use std::os::unix::fs::symlink;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::process::Command;

use nix::sched::{CloneFlags, unshare};

use super::*;

/// A fresh namespace, made by a thread that ends in it: alive only through the returned handle.
pub(crate) fn fresh() -> NetNs {
    std::thread::spawn(|| {
        unshare(CloneFlags::CLONE_NEWNET).unwrap();
        NetNs::current().unwrap()
    })
    .join()
    .unwrap()
}

fn gone_reason(path: &Path) -> Option<Reason> {
    match NetNs::open(path) {
        Err(Error::Gone { reason, .. }) => Some(reason),
        _ => None,
    }
}

#[test]
fn current_is_what_proc_says() {
    let link = std::fs::read_link("/proc/thread-self/ns/net").unwrap();
    assert_eq!(link, PathBuf::from(NetNs::current().unwrap().id().to_string()));
}

#[test]
fn two_paths_to_one_namespace_have_one_id() {
    let dir = tempfile::tempdir().unwrap();
    let alias = dir.path().join("alias");
    symlink("/proc/self/ns/net", &alias).unwrap();
    assert_eq!(NetNs::open(&alias).unwrap().id(), NetNs::current().unwrap().id());
    assert_ne!(fresh().id(), NetNs::current().unwrap().id());
}

#[test]
fn id_reads_like_the_link_in_proc() {
    let id = Id { dev: 4, ino: 4_026_531_840 };
    assert_eq!(id.to_string(), "net:[4026531840]");
}

/// The kernel gives an inode out again as soon as its namespace has ended.
#[test]
fn a_namespace_that_has_the_inode_of_an_earlier_one_has_a_cookie_of_its_own() {
    let first = fresh();
    let (inode, cookie) = (first.id(), first.cookie().expect("this kernel has cookies"));
    drop(first);
    // It gives the lowest free one: those that come instead are kept for a while, or one of them would come again and again.
    let mut others = std::collections::VecDeque::new();
    let again = std::iter::repeat_with(fresh).take(10_000).find_map(|later| {
        if later.id() == inode {
            return Some(later);
        }
        others.push_back(later);
        if others.len() > 64 {
            others.pop_front();
        }
        None
    });
    let again = again.expect("the kernel gives the inode out again");
    assert_ne!(again.cookie(), Some(cookie));
}

#[test]
fn a_socket_tells_the_cookie_of_the_namespace_it_was_opened_in() {
    let (learning, asking) = (fresh(), NetNs::current().unwrap());
    let socket = learning.run(|| std::os::unix::net::UnixDatagram::unbound().unwrap()).unwrap();
    learning.learn_cookie(&socket);
    assert_eq!(learning.cookie(), learning.run(|| NetNs::current().unwrap().cookie()).unwrap());
    assert_ne!(learning.cookie(), asking.cookie());
}

#[test]
fn missing_path_is_gone() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(gone_reason(&dir.path().join("absent")), Some(Reason::Missing));
    let file = dir.path().join("file");
    File::create(&file).unwrap();
    assert_eq!(gone_reason(&file.join("below-a-file")), Some(Reason::Missing));
}

#[test]
fn file_left_by_a_broken_bind_mount_is_gone() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("cni-1234");
    File::create(&file).unwrap();
    assert_eq!(gone_reason(&file), Some(Reason::NotANamespace));
    assert_eq!(gone_reason(dir.path()), Some(Reason::NotANamespace));
}

#[test]
fn gone_never_reads_like_a_missing_file() {
    let text = NetNs::open(Path::new("/nowhere/at/all")).unwrap_err().to_string();
    assert_eq!(text, "network namespace /nowhere/at/all is gone: nothing is at that path");
}

#[test]
fn unreachable_path_is_not_gone() {
    let dir = tempfile::tempdir().unwrap();
    let circle = dir.path().join("circle");
    symlink(&circle, &circle).unwrap();
    let error = NetNs::open(&circle).unwrap_err();
    assert!(matches!(error, Error::Open { .. }), "{error}");
    assert!(!error.is_gone());
}

#[test]
fn fifo_does_not_block() {
    let dir = tempfile::tempdir().unwrap();
    let fifo = dir.path().join("fifo");
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    assert_eq!(gone_reason(&fifo), Some(Reason::NotANamespace));
}

#[test]
fn run_enters_and_returns() {
    let before = NetNs::current().unwrap().id();
    let other = fresh();
    let inside = other.run(|| NetNs::current().unwrap().id()).unwrap();
    assert_eq!(inside, other.id());
    assert_eq!(NetNs::current().unwrap().id(), before);
}

#[test]
fn run_sees_only_the_links_of_the_namespace() {
    let links = fresh().run(|| Command::new("ip").args(["-br", "link"]).output().unwrap().stdout).unwrap();
    let links = String::from_utf8(links).unwrap();
    assert_eq!(links.lines().count(), 1, "{links}");
    assert!(links.starts_with("lo "), "{links}");
}

#[test]
fn run_nests() {
    let (outer, inner) = (fresh(), fresh());
    let seen = outer
        .run(|| {
            let inside = inner.run(|| NetNs::current().unwrap().id()).unwrap();
            (inside, NetNs::current().unwrap().id())
        })
        .unwrap();
    assert_eq!(seen, (inner.id(), outer.id()));
}

#[test]
fn run_returns_after_a_panic() {
    let before = NetNs::current().unwrap().id();
    let other = fresh();
    let result = catch_unwind(AssertUnwindSafe(|| other.run(|| panic!("inside"))));
    assert!(result.is_err());
    assert_eq!(NetNs::current().unwrap().id(), before);
}

#[test]
fn namespace_of_another_type_cannot_be_entered() {
    let uts = NetNs::open(Path::new("/proc/self/ns/uts")).unwrap();
    let error = uts.run(|| ()).unwrap_err();
    assert!(matches!(error, Error::Enter { .. }), "{error}");
}
