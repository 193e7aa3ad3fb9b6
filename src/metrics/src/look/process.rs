//! The counters of a pod's interfaces as /proc shows them for any process of the pod. A sandbox's process is known by its control
//! group, which the runtime names after the sandbox; everybody may read both files.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};

use netlink::Statistics;

/// Of a file that a pod makes as long as it has links: thousands of them. What comes later is not seen.
const MOST: u64 = 1 << 20;

/// Interfaces by sandbox.
pub(super) type Wanted = BTreeMap<String, BTreeSet<String>>;

#[derive(Debug)]
pub(super) struct Processes {
    proc: PathBuf,
    /// By sandbox.
    found: BTreeMap<String, u32>,
}

impl Processes {
    pub(super) fn new(proc: &Path) -> Self {
        Self { proc: proc.to_owned(), found: BTreeMap::new() }
    }

    /// The counters of those interfaces of sandboxes whose process is known and still there.
    pub(super) fn read(&mut self, wanted: &Wanted) -> BTreeMap<String, BTreeMap<String, Statistics>> {
        let proc = &self.proc;
        self.found.retain(|container, _| wanted.contains_key(container));
        let read = |(container, process): (&String, &u32)| {
            let own = proc.join(process.to_string());
            let counters = parse(&beginning(&own.join("net/dev"))?, wanted.get(container)?);
            // Afterwards: another process may have got the number in between.
            is_of(&own, container).then(|| (container.clone(), counters))
        };
        let seen: BTreeMap<_, _> = self.found.iter().filter_map(read).collect();
        self.found.retain(|container, _| seen.contains_key(container));
        seen
    }

    /// Looks through all processes.
    pub(super) fn find(&mut self, wanted: &BTreeSet<String>) {
        let Ok(entries) = fs::read_dir(&self.proc) else { return };
        for entry in entries.flatten() {
            let Some(number) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else {
                continue;
            };
            let Some(group) = beginning(&entry.path().join("cgroup")) else { continue };
            if let Some(container) = wanted.iter().find(|container| names(&group, container)) {
                self.found.entry(container.clone()).or_insert(number);
            }
        }
    }
}

fn is_of(process: &Path, container: &str) -> bool {
    beginning(&process.join("cgroup")).is_some_and(|group| names(&group, container))
}

/// Whole lines.
fn beginning(path: &Path) -> Option<String> {
    // Room from the beginning: a file of /proc tells no size, and reading it in growing pieces takes twice the calls.
    let mut bytes = Vec::with_capacity(4096);
    File::open(path).ok()?.take(MOST).read_to_end(&mut bytes).ok()?;
    if bytes.len() as u64 == MOST {
        bytes.truncate(bytes.iter().rposition(|&byte| byte == b'\n')?);
    }
    String::from_utf8(bytes).ok()
}

/// Whether a control group is that of the container, as containerd, CRI-O and Docker call it with either of their drivers:
/// `.../cri-containerd-ID.scope`, `...:cri-containerd:ID`, `.../ID`.
fn names(group: &str, container: &str) -> bool {
    let is_own = |part: &str| {
        let before = part.strip_suffix(".scope").unwrap_or(part).strip_suffix(container);
        before.is_some_and(|before| before.is_empty() || before.ends_with(['-', ':']))
    };
    !container.is_empty() && group.lines().any(|line| line.split('/').any(is_own))
}

/// `/proc/PID/net/dev`: two lines of headings, then `NAME: ` and sixteen numbers.
fn parse(text: &str, wanted: &BTreeSet<String>) -> BTreeMap<String, Statistics> {
    text.lines().skip(2).filter_map(line).filter(|(name, _)| wanted.contains(name)).collect()
}

fn line(line: &str) -> Option<(String, Statistics)> {
    let (name, numbers) = line.rsplit_once(':')?;
    let numbers: Vec<u64> = numbers.split_whitespace().map_while(|number| number.parse().ok()).collect();
    let at = |place: usize| numbers.get(place).copied();
    let statistics = Statistics {
        rx_bytes: at(0)?,
        rx_packets: at(1)?,
        rx_errors: at(2)?,
        rx_dropped: at(3)?,
        tx_bytes: at(8)?,
        tx_packets: at(9)?,
        tx_errors: at(10)?,
        tx_dropped: at(11)?,
    };
    Some((name.trim().to_owned(), statistics))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_control_group_names_its_sandbox_whoever_made_it() {
        for group in [
            "0::/kubepods.slice/kubepods-pod1.slice/cri-containerd-ab12.scope\n",
            "0::/../../kubepods-pod1.slice/crio-ab12.scope/container\n",
            "11:memory:/kubepods/besteffort/pod1/ab12\n0::/\n",
            "0::/system.slice/kubepods-burstable-pod1.slice:cri-containerd:ab12\n",
            "0::/docker/ab12\n",
        ] {
            assert!(names(group, "ab12"), "{group}");
        }
        for group in ["0::/cri-containerd-xab12.scope\n", "0::/ab12x\n", "0::/ab12.slice\n", "0::/\n", ""] {
            assert!(!names(group, "ab12"), "{group}");
        }
        assert!(!names("0::/\n", ""));
    }

    #[test]
    fn sixteen_numbers_are_a_link() {
        let text = "Inter-|   Receive\n face |bytes\n  net1: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\neth0:99\nbad: x\n";
        let parsed = parse(text, &["net1".to_owned(), "eth0".to_owned(), "bad".to_owned()].into());
        let expected = Statistics {
            rx_bytes: 1,
            rx_packets: 2,
            rx_errors: 3,
            rx_dropped: 4,
            tx_bytes: 9,
            tx_packets: 10,
            tx_errors: 11,
            tx_dropped: 12,
        };
        assert_eq!(parsed, BTreeMap::from([("net1".to_owned(), expected)]));
    }
    #[test]
    fn of_a_pod_with_links_without_end_a_mebibyte_is_read_and_its_rails_are_kept() {
        let base = tempfile::tempdir().unwrap();
        let own = base.path().join("7");
        fs::create_dir_all(own.join("net")).unwrap();
        state::file::replace(&own.join("cgroup"), b"0::/ab12\n").unwrap();
        let link = |name: &str| format!("{name}: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n");
        let decoys: String = (0..30_000).map(|number| link(&format!("decoy{number}"))).collect();
        let text = format!("\n\n{}{decoys}{}", link("net1"), link("net2"));
        assert!(text.len() as u64 > MOST);
        state::file::replace(&own.join("net/dev"), text.as_bytes()).unwrap();
        let rails = ["net1".to_owned(), "net2".to_owned()].into();
        let wanted = Wanted::from([("ab12".to_owned(), rails)]);
        let mut processes = Processes::new(base.path());
        processes.find(&["ab12".to_owned()].into());
        let seen = processes.read(&wanted);
        let names: Vec<_> = seen["ab12"].keys().collect();
        assert_eq!(names, ["net1"]);
    }
}
