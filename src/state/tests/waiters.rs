//! Threads that wait for locks. A process of its own: what other tests leave would be counted, too.

use std::fs;
use std::path::Path;
use std::time::Duration;

use state::Lock;

/// An agent asks again and again for what a plugin that was stopped holds.
#[test]
fn whoever_asks_in_vain_leaves_no_crowd_of_threads_and_gets_the_lock_in_the_end() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("lock");
    let held = Lock::acquire(&path, Duration::ZERO).unwrap();
    for _ in 0..8 {
        Lock::acquire(&path, Duration::from_millis(30)).unwrap_err();
    }
    let waits = |task: &Path| fs::read_to_string(task.join("comm")).is_ok_and(|name| name.trim() == "lock");
    let tasks = fs::read_dir("/proc/self/task").unwrap().map(|task| task.unwrap().path());
    assert_eq!(tasks.filter(|task| waits(task)).count(), 1);
    drop(held);
    drop(Lock::acquire(&path, Duration::from_secs(10)).unwrap());
    drop(Lock::acquire(&path, Duration::from_secs(10)).unwrap());
}
