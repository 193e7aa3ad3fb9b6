use std::time::Duration;

use super::*;

const NETNS: &str = "/run/netns/a";

fn at(second: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(second)
}

fn users(allocated: Option<&str>, caches: &[(u64, &str)]) -> Users {
    let caches = caches.iter().map(|(second, name)| (at(*second), (*name).to_owned())).collect();
    Users { allocated: allocated.map(PathBuf::from), caches }
}

/// Whether a claim of `a-net1` that was written in second 5 is named.
fn named(allocated: Option<&str>, caches: &[(u64, &str)]) -> Option<bool> {
    users(allocated, caches).name("a-net1", Path::new(NETNS), at(5))
}

#[test]
fn files_of_the_claimant_name_it() {
    assert_eq!(named(Some(NETNS), &[(6, "a-net1")]), Some(true));
    assert_eq!(named(None, &[(6, "a-net1")]), Some(true), "where nothing is allocated");
    assert_eq!(named(Some(NETNS), &[]), Some(true), "its ADD is under way");
    assert_eq!(named(Some(NETNS), &[(6, "a-net1"), (3, "b-net1")]), Some(true), "one before left its cache");
}

#[test]
fn what_a_peer_attached_since_voids_a_claim() {
    assert_eq!(named(Some("/run/netns/b"), &[(9, "b-net1")]), Some(false));
    assert_eq!(named(None, &[(9, "b-net1")]), Some(false));
    assert_eq!(named(Some(NETNS), &[(9, "a-net2")]), Some(false), "another interface of the same pod");
    assert_eq!(named(None, &[(9, "b-net1"), (6, "a-net1")]), Some(false), "a's DEL never came");
    assert_eq!(named(Some("/run/netns/b"), &[(6, "a-net1")]), Some(false), "b's ADD is under way");
}

#[test]
fn a_peer_that_only_detached_leaves_no_word() {
    assert_eq!(named(None, &[]), None);
    assert_eq!(named(None, &[(3, "b-net1")]), None, "that one was before");
}

#[test]
fn only_a_younger_cache_supersedes_another() {
    let after = |caches: &[(u64, &str)], since| users(None, caches).after("a-net1", since).map(str::to_owned);
    assert_eq!(after(&[(9, "b-net1"), (6, "a-net1")], None), Some("b-net1".to_owned()));
    assert_eq!(after(&[(6, "a-net1"), (3, "b-net1")], None), None);
    assert_eq!(after(&[(3, "b-net1")], Some(at(5))), None, "its ADD is under way");
    assert_eq!(after(&[(3, "b-net1")], None), Some("b-net1".to_owned()), "nothing of it is left");
    assert_eq!(after(&[], None), None);
}

#[test]
fn caches_of_all_three_peers_are_found_by_their_device() {
    let base = tempfile::tempdir().unwrap();
    let dirs = Dirs::under(base.path());
    let id = Id::parse("0000:3b:02.5").unwrap();
    let key = AttachmentKey::new("rail1", "c0ffee", "net1").unwrap();
    for upstream in [Upstream::Sriov, Upstream::IbSriov, Upstream::Rdma] {
        dirs.upstream.create(&[upstream.name()]).unwrap();
        let path = |name: &str| dirs.upstream.path(&[upstream.name()]).unwrap().join(name);
        peer_wrote(&path(&upstream.cache(&key)), r#"{"deviceID":"0000:3B:02.5"}"#);
        for (name, text) in [("other", r#"{"deviceID":"0000:3b:02.6"}"#), ("torn", "{"), ("old", "{}")] {
            peer_wrote(&path(name), text);
        }
        let users = Users::find(&dirs, upstream, &id).unwrap();
        assert_eq!(users.caches().collect::<Vec<_>>(), [upstream.cache(&key)], "{upstream:?}");
    }
}

#[expect(clippy::disallowed_methods, reason = "the peer writes its files in place")]
fn peer_wrote(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap();
}
