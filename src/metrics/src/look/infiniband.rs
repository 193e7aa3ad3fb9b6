//! `/sys/class/infiniband`, of the network namespace in which sysfs was mounted.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use crate::infiniband::COUNTERS;
use crate::sight::Port;

/// Those of NICs, and of VFs that are a pod's: an idle VF has nothing to tell.
pub(super) fn ports(sys: &Path, own: &BTreeSet<&str>) -> Vec<Port> {
    let class = sys.join("class/infiniband");
    let devices = names(&class).into_iter();
    let devices = devices
        .filter(|name| own.contains(name.as_str()) || !class.join(name).join("device/physfn").exists());
    devices.flat_map(|name| of_device(&class.join(&name), &name)).collect()
}

fn of_device(path: &Path, name: &str) -> Vec<Port> {
    let ports = names(&path.join("ports")).into_iter().filter_map(|number| number.parse::<u32>().ok());
    ports
        .map(|number| Port {
            device: name.to_owned(),
            number,
            counters: counters(&path.join(format!("ports/{number}"))),
        })
        .collect()
}

/// Those that the driver has.
fn counters(port: &Path) -> BTreeMap<String, u64> {
    let read = |file: &&str| {
        Some(((*file).to_owned(), fs::read_to_string(port.join(file)).ok()?.trim().parse().ok()?))
    };
    COUNTERS.iter().map(|(file, ..)| file).filter_map(read).collect()
}

fn names(path: &Path) -> Vec<String> {
    let entries = fs::read_dir(path).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.sort_unstable();
    names
}
