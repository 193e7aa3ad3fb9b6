use std::os::fd::AsRawFd;

use super::*;
use crate::NetNs;

#[test]
fn a_descriptor_tells_its_namespace_and_an_ordinary_file_none() {
    let held = crate::tests::fresh();
    let file = tempfile::NamedTempFile::new().unwrap();
    assert_eq!(descriptor(Path::new(OWN), Path::new("/proc/self/fd/0/none")), None);
    let fd = |file: &dyn std::os::fd::AsRawFd| PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()));
    assert_eq!(descriptor(Path::new(OWN), &fd(&held.fd())), Some(held.id().ino));
    assert_eq!(descriptor(Path::new(OWN), &fd(file.as_file())), None, "an ordinary file");
}

#[test]
fn mounts_of_namespaces_are_told_by_their_root() {
    let line = b"36 35 0:4 net:[4026532281] /run/netns/a\\040b rw shared:9 - nsfs nsfs rw";
    assert_eq!(point_of(line), Some((4_026_532_281, "run/netns/a b".into())));
    assert_eq!(point_of(b"35 1 0:29 / / rw - ext4 /dev/vda rw"), None);
}

#[test]
fn of_a_mount_table_without_an_end_the_beginning_is_read_and_its_process_is_crowded() {
    assert_eq!(beginning(Path::new("/dev/zero"), 4096).len(), 4096);
    let mounts = |most| {
        let (met, missed) = (|_: u64, _: PathBuf, _: By| (), Missed::default());
        let now = Instant::now();
        let mut walk = Walk { met, threads_until: now, deadline: now, mounts: Vec::new(), missed };
        let is_whole = walk.mounts(Path::new(OWN), false, most);
        (is_whole, walk.mounts.len())
    };
    assert_eq!(mounts(20), (false, 0), "others in the same namespace are crowded, too");
    assert_eq!(mounts(MOST_OF_TABLE), (true, 1));
}

#[test]
fn who_has_more_descriptors_than_there_is_time_for_hides_nobody_elses_and_is_named() {
    let here = NetNs::current().unwrap().id();
    let own = format!("/proc/{}", std::process::id());
    let mut by_thread = false;
    let missed = walk(Instant::now(), |inode, _, by| {
        assert_ne!(by, By::Descriptor, "there was no time for descriptors");
        by_thread |= by == By::Thread && inode == here.ino;
    });
    assert!(by_thread, "threads are seen all the same");
    let crowded = missed.unwrap().crowded;
    let of_own = crowded.iter().find(|crowded| crowded.process == own).unwrap();
    assert!(!of_own.inodes.is_empty());
}

#[test]
fn all_descriptors_are_read_where_there_is_time_whatever_their_number() {
    let held = crate::tests::fresh();
    let many: Vec<_> = (0..TURN).map(|_| fs::File::open("/dev/null").unwrap()).collect();
    let last = fs::File::open(format!("/proc/self/fd/{}", held.fd().as_raw_fd())).unwrap();
    let (way, mut found) = (format!("/fd/{}", last.as_raw_fd()), false);
    let deadline = Instant::now() + std::time::Duration::from_secs(60);
    let is_it = |inode, path: PathBuf| inode == held.id().ino && path.display().to_string().ends_with(&way);
    walk(deadline, |inode, path, _| found |= is_it(inode, path)).unwrap();
    assert!(found, "beyond {} others", many.len());
}

#[test]
fn who_has_more_threads_than_there_is_time_for_hides_nobody_elses_and_is_named() {
    let own = format!("/proc/{}", std::process::id());
    let (ends, waits) =
        (std::sync::Barrier::new(FIRST_THREADS + 1), std::sync::Barrier::new(FIRST_THREADS + 1));
    std::thread::scope(|scope| {
        for _ in 0..FIRST_THREADS {
            scope.spawn(|| {
                waits.wait();
                ends.wait();
            });
        }
        waits.wait();
        let (now, soon) = (Instant::now(), Instant::now() + Duration::from_secs(60));
        let mut met = 0;
        let missed = walk_with(now, soon, |_, way, by| {
            met += usize::from(by == By::Thread && way.starts_with(&own));
        });
        ends.wait();
        assert!((1..=FIRST_THREADS).contains(&met), "the first of each are seen all the same: {met}");
        let crowded = missed.unwrap().crowded;
        let of_own = crowded.iter().find(|crowded| crowded.process == own).unwrap();
        assert!(of_own.inodes.contains(&UNSEEN), "nobody takes it for one that was seen whole");
    });
}
