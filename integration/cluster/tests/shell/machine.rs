//! What of the machine a cluster must leave as it was: namespaces, mounts, cgroups, processes, sysctls, and files where programs of a
//! node write. Others may be at work here meanwhile: of what has no name of the run, only what stays counts.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// A process: its id is used again, together with its start it is not.
pub(crate) type Process = (u32, String);

/// All processes, with their parents.
fn processes() -> Vec<(Process, u32)> {
    let entries = fs::read_dir("/proc").unwrap().flatten();
    let ids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let process = |id: u32| {
        let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
        // After the name, which may hold anything: state, parent, and 18 further on the start.
        let fields: Vec<_> = stat.rsplit_once(") ")?.1.split(' ').collect();
        Some(((id, fields[19].to_owned()), fields[1].parse().ok()?))
    };
    ids.filter_map(process).collect()
}

/// All that a process started, and what those started.
pub(crate) fn descendants(of: u32) -> Vec<Process> {
    let all = processes();
    let mut found: Vec<Process> = Vec::new();
    let mut parents = vec![of];
    while let Some(parent) = parents.pop() {
        let children = all.iter().filter(|(_, of)| *of == parent).map(|(process, _)| process.clone());
        let children: Vec<_> = children.collect();
        parents.extend(children.iter().map(|(id, _)| *id));
        found.extend(children);
    }
    found
}

/// Those of these processes that are still there.
pub(crate) fn alive(were: &[Process]) -> Vec<Process> {
    processes().into_iter().map(|(process, _)| process).filter(|process| were.contains(process)).collect()
}

/// The namespaces of processes, such as `net:[4026531840]`.
fn namespaces(ids: impl Iterator<Item = u32>) -> BTreeSet<String> {
    let links = ids.filter_map(|id| fs::read_dir(format!("/proc/{id}/ns")).ok()).flatten().flatten();
    let names = links.filter_map(|link| fs::read_link(link.path()).ok());
    names.map(|name| name.display().to_string()).collect()
}

/// The namespaces that these processes have and this one has not.
pub(crate) fn own_namespaces(of: &[Process]) -> BTreeSet<String> {
    let here = namespaces([std::process::id()].into_iter());
    namespaces(of.iter().map(|(id, _)| *id)).difference(&here).cloned().collect()
}

/// Those of these namespaces that a process or a mount of this place still holds.
pub(crate) fn held(were: &BTreeSet<String>) -> Vec<String> {
    let by_processes = namespaces(processes().into_iter().map(|((id, _), _)| id));
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    let held = |name: &&String| by_processes.contains(*name) || mounts.contains(name.as_str());
    were.iter().filter(held).cloned().collect()
}

/// Directories in which a node's programs write where they run on a machine itself.
const PLACES: [&str; 8] =
    ["/dev", "/etc", "/opt", "/run", "/usr/local/bin", "/var/lib", "/var/log", "/sys/fs/cgroup"];

/// Settings and files, as they are.
pub(crate) struct Machine {
    sysctls: BTreeMap<PathBuf, String>,
    files: BTreeSet<PathBuf>,
}

impl Machine {
    pub(crate) fn now() -> Self {
        let (mut sysctls, mut files) = (BTreeMap::new(), BTreeSet::new());
        walk(Path::new("/proc/sys"), &mut |path| {
            // What the kernel counts cannot be written, but for the last process id.
            let setting = fs::metadata(path).is_ok_and(|file| file.permissions().mode() & 0o200 != 0);
            if !setting || path.ends_with("ns_last_pid") {
                return;
            }
            if let Ok(text) = fs::read_to_string(path) {
                sysctls.insert(path.to_owned(), text);
            }
        });
        for place in PLACES {
            walk(Path::new(place), &mut |path| {
                files.insert(path.to_owned());
            });
        }
        Self { sysctls, files }
    }

    /// What is other than it was, or new.
    pub(crate) fn changes(&self) -> Vec<String> {
        let now = Self::now();
        let set = |(path, text): (&PathBuf, &String)| {
            let now = now.sysctls.get(path)?;
            (now != text).then(|| format!("{}: {} -> {}", path.display(), text.trim(), now.trim()))
        };
        let made = now.files.difference(&self.files).map(|path| path.display().to_string());
        self.sysctls.iter().filter_map(set).chain(made).collect()
    }
}

/// Every file and directory below `dir`; links are not followed.
fn walk(dir: &Path, seen: &mut impl FnMut(&Path)) {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        let is_dir = entry.file_type().is_ok_and(|kind| kind.is_dir());
        // Other clusters; what this one has of these is looked for by its name.
        let name = entry.file_name();
        if name == "railcni-cluster" || name.to_string_lossy().starts_with("cluster-") {
            continue;
        }
        seen(&path);
        if is_dir {
            walk(&path, seen);
        }
    }
}

#[test]
fn what_is_new_or_set_anew_is_seen() {
    let dir = tempfile::tempdir_in("/run").unwrap();
    let mut machine = Machine::now();
    let file = dir.path().join("left");
    fs::create_dir(&file).unwrap();
    machine.sysctls.insert("/proc/sys/kernel/panic".into(), "as it never was".into());
    let changes = machine.changes();
    for change in [file.display().to_string(), "/proc/sys/kernel/panic: as it never was -> ".into()] {
        assert!(changes.iter().any(|one| one.starts_with(&change)), "{change} is not in {changes:?}");
    }
}
