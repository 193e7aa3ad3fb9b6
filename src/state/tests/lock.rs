//! Locks against other processes; the witness is util-linux's flock(1).
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use state::{Error, Lock};

const LONG: Duration = Duration::from_secs(20);

/// A process that holds the lock until it is killed.
struct Holder(Child);

impl Holder {
    fn of(path: &Path) -> Self {
        let mut flock = Command::new("flock");
        flock.arg("--no-fork").arg(path).args(["sh", "-c", "echo held; exec sleep 60"]);
        let mut child = flock.stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "held\n");
        Self(child)
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        // SIGKILL: the lock has to go with the process, which has no say in it.
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

fn flock_gets(path: &Path, seconds: u32) -> bool {
    // Not at once when it is free: another test's fork may hold our descriptors for the moment before its exec.
    let seconds = format!("--timeout={seconds}");
    Command::new("flock").arg(seconds).arg(path).arg("true").status().unwrap().success()
}

#[test]
fn the_deadline_is_kept_and_the_holder_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lock");
    let holder = Holder::of(&path);
    let start = Instant::now();
    let error = Lock::acquire(&path, Duration::from_millis(80)).unwrap_err();
    assert!((80..2000).contains(&start.elapsed().as_millis()), "{:?}", start.elapsed());
    let Error::Timeout { path: named, holder: Some(pid), .. } = &error else { panic!("{error:?}") };
    assert_eq!((named, *pid), (&path, holder.0.id()));
    assert!(error.to_string().ends_with(&format!("by process {pid}: try again later")), "{error}");
    Lock::acquire(&path, Duration::ZERO).unwrap_err();
}

/// A process that has one slot of the file until it is killed: a test of this binary, run by its name.
fn slot_holder(path: &Path, slot: i64) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "holds_a_slot", "--nocapture"]);
    command.env("HELD_FILE", path).env("HELD_SLOT", slot.to_string());
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let held =
        BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok).any(|line| line == "held");
    assert!(held, "the other process has not got the slot");
    child
}

/// On its own, this test has nothing to hold.
#[test]
fn holds_a_slot() {
    let Some(path) = std::env::var_os("HELD_FILE") else { return };
    let slot = std::env::var("HELD_SLOT").unwrap().parse().unwrap();
    let _lock = Lock::acquire_slot(Path::new(&path), slot, LONG).unwrap();
    #[expect(clippy::print_stdout, reason = "its parent waits for it")]
    {
        println!("\nheld");
    }
    std::io::stdin().read_line(&mut String::new()).unwrap();
}

#[test]
fn slots_of_one_file_are_locks_of_their_own() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("attachments");
    let mut other = slot_holder(&path, 7);
    let eight = Lock::acquire_slot(&path, 8, Duration::ZERO).unwrap();
    let error = Lock::acquire_slot(&path, 7, Duration::from_millis(80)).unwrap_err();
    let Error::Timeout { holder, .. } = &error else { panic!("{error:?}") };
    assert_eq!(*holder, Some(other.id()), "{error}");
    // In the time that it takes to wait, the holder is killed: the kernel gives the lock on.
    let waits = std::thread::spawn({
        let path = path.clone();
        move || Lock::acquire_slot(&path, 7, LONG)
    });
    other.kill().unwrap();
    other.wait().unwrap();
    let seven = waits.join().unwrap().unwrap();
    assert!(Lock::acquire_slot(&path, 7, Duration::ZERO).is_err(), "a second one in the same process");
    drop(seven);
    // Not at once: the thread that waited for 80 ms may have it for a moment.
    let again = Lock::acquire_slot(&path, 7, LONG).unwrap();
    drop(again);
    assert!(path.exists(), "another slot of it is taken");
    drop(eight);
    assert!(!path.exists(), "the last one removes it");
}

/// Whoever waits for a file that the holder removes gets the next one, and shares it with nobody.
#[test]
fn a_slot_has_one_holder_whoever_removes_its_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("attachments");
    let inside = std::sync::atomic::AtomicU32::new(0);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..200 {
                    let lock = Lock::acquire_slot(&path, 7, LONG).unwrap();
                    assert_eq!(inside.fetch_add(1, std::sync::atomic::Ordering::SeqCst), 0, "two at once");
                    inside.fetch_sub(1, std::sync::atomic::Ordering::SeqCst);
                    drop(lock);
                }
            });
        }
    });
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn a_killed_holder_releases_it_to_the_one_who_waits() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lock");
    let holder = Holder::of(&path);
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| Lock::acquire(&path, LONG));
        drop(holder);
        drop(waiting.join().unwrap().unwrap());
    });
}

/// The one who gave up may still be in the kernel's queue: he must not come by the lock later.
#[test]
fn who_gave_up_does_not_get_it_later() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lock");
    let holder = Holder::of(&path);
    for _ in 0..3 {
        Lock::acquire(&path, Duration::from_millis(20)).unwrap_err();
        Lock::acquire_shared(&path, Duration::from_millis(20)).unwrap_err();
    }
    drop(holder);
    assert!(flock_gets(&path, 20));
    drop(Lock::acquire(&path, LONG).unwrap());
}

#[test]
fn flock_of_others_waits_for_ours() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lock");
    let lock = Lock::acquire(&path, Duration::ZERO).unwrap();
    assert!(!flock_gets(&path, 0));
    drop(lock);
    assert!(flock_gets(&path, 20));
}

#[test]
fn children_do_not_inherit_the_lock() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lock");
    let lock = Lock::acquire(&path, Duration::ZERO).unwrap();
    let mut child = Command::new("sleep").arg("60").spawn().unwrap();
    drop(lock);
    let free = flock_gets(&path, 20);
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(free);
}

#[test]
fn what_a_peer_wrote_into_its_lock_file_stays() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lock");
    state::file::replace(&path, b"/run/netns/pod").unwrap();
    drop(Lock::acquire(&path, LONG).unwrap());
    assert_eq!(fs::read(&path).unwrap(), b"/run/netns/pod");
}

#[test]
fn a_link_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lock");
    std::os::unix::fs::symlink("elsewhere", &path).unwrap();
    assert!(matches!(Lock::acquire(&path, LONG), Err(Error::Symlink { .. })));
    assert!(!folder.path().join("elsewhere").exists());
}

/// Ours in threads (each opens the file again, so flock excludes them too) and flock(1) in processes count together.
#[test]
fn nobody_counts_at_the_same_time() {
    let folder = tempfile::tempdir().unwrap();
    let (path, counter) = (folder.path().join("lock"), folder.path().join("counter"));
    state::file::replace(&counter, b"0").unwrap();
    let ours = || {
        for _ in 0..40 {
            let _lock = Lock::acquire(&path, LONG).unwrap();
            let count = fs::read_to_string(&counter).unwrap().trim().parse::<u32>().unwrap();
            state::file::replace(&counter, (count + 1).to_string().as_bytes()).unwrap();
        }
    };
    let theirs = || {
        let script = "n=$(cat \"$0\"); echo $((n + 1)) > \"$0\"";
        for _ in 0..20 {
            let status = Command::new("flock").arg(&path).args(["sh", "-c", script]).arg(&counter).status();
            assert!(status.unwrap().success());
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(ours);
        }
        scope.spawn(theirs);
    });
    assert_eq!(fs::read_to_string(&counter).unwrap().trim(), "140");
}
