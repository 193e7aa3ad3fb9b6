//! The counters of a pod's interfaces as /proc shows them for any process of the pod. A sandbox's process is known by its control
//! group, which the runtime names after the sandbox; everybody may read both files.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use netlink::Statistics;

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

    /// The counters of those sandboxes whose process is known and still there.
    pub(super) fn read(
        &mut self,
        wanted: &BTreeSet<String>,
    ) -> BTreeMap<String, BTreeMap<String, Statistics>> {
        let proc = &self.proc;
        self.found.retain(|container, _| wanted.contains(container));
        let read = |(container, process): (&String, &u32)| {
            let own = proc.join(process.to_string());
            let counters = parse(&fs::read_to_string(own.join("net/dev")).ok()?);
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
            let Ok(group) = fs::read_to_string(entry.path().join("cgroup")) else { continue };
            if let Some(container) = wanted.iter().find(|container| names(&group, container)) {
                self.found.entry(container.clone()).or_insert(number);
            }
        }
    }
}

fn is_of(process: &Path, container: &str) -> bool {
    fs::read_to_string(process.join("cgroup")).is_ok_and(|group| names(&group, container))
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
fn parse(text: &str) -> BTreeMap<String, Statistics> {
    text.lines().skip(2).filter_map(line).collect()
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
        let parsed = parse(text);
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
}
