//! `/sys/class/infiniband`, of the network namespace in which sysfs was mounted.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use crate::infiniband::COUNTERS;
use crate::sight::{Identity, Port};
use crate::spiderpool::NAMES;

/// Those of NICs, and of VFs that are a pod's: an idle VF has nothing to tell. `all` is what Spiderpool's names need, too.
pub(super) fn ports(sys: &Path, own: &BTreeSet<&str>, all: bool) -> Vec<Port> {
    let class = sys.join("class/infiniband");
    let devices = names(&class).into_iter();
    let devices = devices
        .filter(|name| own.contains(name.as_str()) || !class.join(name).join("device/physfn").exists());
    devices.flat_map(|name| of_device(&class.join(&name), &name, all)).collect()
}

fn of_device(path: &Path, name: &str, all: bool) -> Vec<Port> {
    let ports = names(&path.join("ports")).into_iter().filter_map(|number| number.parse::<u32>().ok());
    let read = |number: u32| {
        let own = path.join(format!("ports/{number}"));
        Port {
            device: name.to_owned(),
            number,
            counters: counters(&own, all),
            identity: if all { identity(path, &own) } else { Identity::default() },
        }
    };
    ports.map(read).collect()
}

/// Those that the driver has.
fn counters(port: &Path, all: bool) -> BTreeMap<String, u64> {
    let read = |file: &str| Some((file.to_owned(), text(&port.join(file))?.parse().ok()?));
    let more = NAMES.iter().filter(|_| all).map(|(file, ..)| *file);
    let files: BTreeSet<&str> = COUNTERS.iter().map(|(file, ..)| *file).chain(more).collect();
    files.into_iter().filter_map(read).collect()
}

fn identity(device: &Path, port: &Path) -> Identity {
    let netdev = |device: &Path| names(&device.join("net")).into_iter().next().unwrap_or_default();
    Identity {
        node_guid: text(&device.join("node_guid")).unwrap_or_default(),
        image_guid: text(&device.join("sys_image_guid")).unwrap_or_default(),
        netdev: netdev(&device.join("device")),
        parent: netdev(&device.join("device/physfn")),
        megabits: text(&port.join("rate")).and_then(|rate| megabits(&rate)),
        traffic_class: traffic_class(&text(&device.join("tc/1/traffic_class")).unwrap_or_default()),
    }
}

/// `100 Gb/sec (4X EDR)`
fn megabits(rate: &str) -> Option<u64> {
    let (number, _) = rate.split_once(" Gb/sec")?;
    let (whole, tenths) = number.split_once('.').unwrap_or((number, "0"));
    Some(whole.parse::<u64>().ok()?.checked_mul(1000)? + tenths.parse::<u64>().ok()?.min(9) * 100)
}

/// `Global tclass=160`; a driver without the file sets none.
fn traffic_class(text: &str) -> u64 {
    text.lines().find_map(|line| line.strip_prefix("Global tclass=")?.trim().parse().ok()).unwrap_or(0)
}

fn text(path: &Path) -> Option<String> {
    Some(fs::read_to_string(path).ok()?.trim().to_owned())
}

fn names(path: &Path) -> Vec<String> {
    let entries = fs::read_dir(path).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.sort_unstable();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_in_megabits() {
        assert_eq!(megabits("100 Gb/sec (4X EDR)"), Some(100_000));
        assert_eq!(megabits("2.5 Gb/sec (1X SDR)"), Some(2_500));
        for bad in ["", "fast", "x Gb/sec", "18446744073709551615 Gb/sec"] {
            assert_eq!(megabits(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_traffic_class_is_that_of_all() {
        assert_eq!(traffic_class("Global tclass=160\ntclass=96 src_ip=1.1.1.1"), 160);
        assert_eq!(traffic_class(""), 0);
    }
}
