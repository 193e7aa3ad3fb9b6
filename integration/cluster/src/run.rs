//! The directory of one run, and what killed runs left of theirs.

use std::env;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use nix::fcntl::{Flock, FlockArg};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use testkit::eventually;

use crate::file::put;

/// Names the process of a shell.
const SHELL: &str = "shell.pid";
const GONE: Duration = Duration::from_secs(60);

/// Where runs have their directories: /run/railcni-cluster, or what `RAILCNI_CLUSTER_RUN` says, so that a test of
/// `cluster down` ends nobody else's shell.
fn root() -> PathBuf {
    env::var_os("RAILCNI_CLUSTER_RUN").map_or("/run/railcni-cluster".into(), PathBuf::from)
}

/// A directory below [`root`] that goes with its owner.
#[derive(Debug)]
pub(crate) struct Run {
    path: PathBuf,
    // Held as long as the run lives: who can take it knows that the run is over.
    _alive: Flock<File>,
}

impl Run {
    /// A new directory; before that, those of dead runs are removed.
    pub(crate) fn create(name: &str) -> Result<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let root = root();
        fs::create_dir_all(&root)
            .with_context(|| format!("create {}: the cluster lab needs root", root.display()))?;
        // One at a time, or a sweep may meet a directory between its birth and its lock.
        let _guard = lock(&root.join(".lock"))?;
        sweep();
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = root.join(format!("{name}-{}-{number}", process::id()));
        fs::create_dir(&path).with_context(|| format!("create {}", path.display()))?;
        let alive = lock(&path.join(".alive"))?;
        Ok(Self { path, _alive: alive })
    }

    /// Its name, which is nobody else's: that of cgroups, too.
    pub(crate) fn name(&self) -> String {
        name_of(&self.path)
    }

    /// Says which process `end_shells` has to end.
    pub(crate) fn answer_to_down(&self) -> Result<()> {
        put(&self.path.join(SHELL), process::id().to_string())
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.path);
    }
}

fn lock(path: &Path) -> Result<Flock<File>> {
    let file = File::options().create(true).append(true).open(path)?;
    Flock::lock(file, FlockArg::LockExclusive)
        .map_err(|(_, errno)| errno)
        .with_context(|| format!("lock {}", path.display()))
}

/// Ends the owners of runs that let themselves be ended, waits for them, and sweeps.
pub(crate) fn end_shells() -> Result<()> {
    fs::create_dir_all(root())?;
    for path in runs() {
        let owner = fs::read_to_string(path.join(SHELL)).ok().and_then(|pid| pid.parse().ok());
        let Some(owner) = owner.filter(|_| !is_over(&path)) else { continue };
        kill(Pid::from_raw(owner), Signal::SIGTERM).with_context(|| format!("end process {owner}"))?;
        let over = eventually(GONE, || is_over(&path).then_some(()));
        over.with_context(|| format!("process {owner} did not end within {GONE:?}"))?;
    }
    let _guard = lock(&root().join(".lock"))?;
    sweep();
    Ok(())
}

fn runs() -> impl Iterator<Item = PathBuf> {
    let entries = fs::read_dir(root()).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).filter(|path| path.is_dir())
}

/// Whether nobody holds it any more.
fn is_over(path: &Path) -> bool {
    let file = File::options().read(true).open(path.join(".alive"));
    file.map_or(true, |file| Flock::lock(file, FlockArg::LockExclusiveNonblock).is_ok())
}

/// Removes the directories of runs whose owner is dead.
fn sweep() {
    for path in runs().filter(|path| is_over(path)) {
        remove_cgroups(&name_of(&path));
        let _ = fs::remove_dir_all(&path);
    }
}

fn name_of(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// Removes the cgroups `RUN-NODE` of a run, in a hierarchy or in each.
fn remove_cgroups(run: &str) {
    let children = |dir: &Path| -> Vec<PathBuf> {
        let entries = fs::read_dir(dir).into_iter().flatten().flatten();
        entries.map(|entry| entry.path()).filter(|path| path.is_dir()).collect()
    };
    let root = Path::new("/sys/fs/cgroup");
    let below = children(root).into_iter().flat_map(|hierarchy| children(&hierarchy));
    let ours = children(root).into_iter().chain(below);
    for cgroup in ours.filter(|path| name_of(path).starts_with(&format!("{run}-node"))) {
        remove_tree(&cgroup, &children);
    }
}

/// A cgroup with those below it: its files go with it.
fn remove_tree(cgroup: &Path, children: &impl Fn(&Path) -> Vec<PathBuf>) {
    for child in children(cgroup) {
        remove_tree(&child, children);
    }
    let _ = fs::remove_dir(cgroup);
}
