use std::time::Duration;

use tempfile::TempDir;

use super::*;

fn set(ranges: &[(&str, &str, &str)]) -> Vec<RangeSpec> {
    let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let spec = |(subnet, start, end): &(&str, &str, &str)| RangeSpec {
        subnet: text(subnet),
        range_start: text(start),
        range_end: text(end),
        gateway: None,
    };
    ranges.iter().map(spec).collect()
}

fn read(sets: &[&[(&str, &str, &str)]]) -> Result<Vec<Vec<Pool>>, String> {
    let sets = sets
        .iter()
        .enumerate()
        .map(|(n, ranges)| (format!("ipam.ranges[{n}]"), set(ranges)))
        .collect::<Vec<_>>();
    range_sets(&sets, &mut Vec::new()).map_err(|error| error.to_string())
}

fn one(subnet: &str, start: &str, end: &str) -> Result<String, String> {
    let pool = read(&[&[(subnet, start, end)]])?.remove(0).remove(0);
    let offered = pool.offered.ranges().iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
    Ok(format!("{offered} via {}", pool.gateway.unwrap()))
}

#[test]
fn sane_defaults_of_a_subnet() {
    assert_eq!(one("10.1.0.0/16", "", "").unwrap(), "10.1.0.2-10.1.255.254 via 10.1.0.1");
    assert_eq!(one("192.0.2.0/30", "", "").unwrap(), "192.0.2.2 via 192.0.2.1");
    assert_eq!(
        one("2001:db8:1::/64", "", "").unwrap(),
        "2001:db8:1::2-2001:db8:1:0:ffff:ffff:ffff:ffff via 2001:db8:1::1"
    );
    assert_eq!(one("10.1.0.5/16", "10.1.7.1", "10.1.7.9").unwrap(), "10.1.7.1-10.1.7.9 via 10.1.0.1");
}

#[test]
fn ranges_that_are_refused() {
    let cases = [
        (
            ("192.0.2.0/31", "", ""),
            r#"subnet "192.0.2.0/31": is too small; it needs at least four addresses"#,
        ),
        (("", "", ""), "subnet: is missing; write ADDRESS/LENGTH such as 10.1.0.0/16"),
        (("10.1.0.0/16", "10.2.0.1", ""), r#"rangeStart "10.2.0.1": is outside the subnet 10.1.0.0/16"#),
        (("10.1.0.0/16", "", "10.0.0.1"), r#"rangeEnd "10.0.0.1": is outside the subnet 10.1.0.0/16"#),
        (("10.1.0.0/16", "ten", ""), r#"rangeStart "ten": is not an IP address"#),
        (
            ("10.1.0.0/16", "10.1.0.9", "10.1.0.5"),
            r#"rangeEnd "10.1.0.5": 10.1.0.5 is before 10.1.0.9; write the lower address first"#,
        ),
    ];
    for ((subnet, start, end), message) in cases {
        assert_eq!(one(subnet, start, end).unwrap_err(), format!("ipam.ranges[0]: {message}"));
    }
}

#[test]
fn sets_are_of_one_family_and_meet_nowhere() {
    let (a, b, six) = (("10.1.0.0/24", "", ""), ("10.1.1.0/24", "", ""), ("fd00::/64", "", ""));
    assert_eq!(read(&[&[a, b], &[six]]).unwrap().iter().map(Vec::len).collect::<Vec<_>>(), [2, 1]);
    let mixed = read(&[&[a, six]]).unwrap_err();
    assert_eq!(
        mixed,
        r#"ipam.ranges[0][1]: subnet "fd00::/64": is IPv6, and 10.1.0.0/24 of the same set is not"#
    );
    let overlap = |sets: &[&[(&str, &str, &str)]]| read(sets).unwrap_err();
    let again = ("10.1.0.0/16", "10.1.0.200", "10.1.2.0");
    let message =
        r#"subnet "10.1.0.0/16": has the range 10.1.0.200-10.1.2.0, which overlaps 10.1.0.1-10.1.0.254"#;
    assert_eq!(overlap(&[&[a, again]]), format!("ipam.ranges[0][1]: {message}"));
    assert_eq!(overlap(&[&[a], &[again]]), format!("ipam.ranges[1]: {message}"));
    assert_eq!(overlap(&[&[]]), "ipam.ranges[0]: ranges: are missing; write at least one with a subnet");
}

fn directory(files: &[(&str, &str)]) -> (TempDir, Directory) {
    let temp = tempfile::tempdir().unwrap();
    for (name, content) in files {
        file::replace(&temp.path().join(name), content.as_bytes()).unwrap();
    }
    let directory = Directory::new(temp.path().to_path_buf(), Duration::ZERO);
    (temp, directory)
}

const FILES: &[(&str, &str)] = &[
    ("lock", ""),
    ("last_reserved_ip.0", "10.1.0.4"),
    ("10.1.0.2", "pod1\r\nnet1"),
    ("10.1.0.3", "pod1\r\nnet2"),
    ("10.1.0.4", " old \n"),
    ("10.1.0.5", ""),
    ("fd00::2", "pod1\r\nnet1"),
];

#[test]
fn every_file_holds_its_address() {
    let (_temp, directory) = directory(FILES);
    let held = directory.held().unwrap();
    assert_eq!(held.len(), 5);
    assert!(held.contains("10.1.0.5".parse().unwrap()) && held.contains("fd00::2".parse().unwrap()));
    let nowhere = Directory::new("/proc/self/no/such".into(), Duration::ZERO);
    assert!(nowhere.held().unwrap().is_empty());
    nowhere.release("pod1", "net1").unwrap();
}

#[test]
fn a_release_takes_all_families_of_one_interface_and_old_files() {
    let (_temp, directory) = directory(FILES);
    assert_eq!(directory.of("pod1", "net1").unwrap().len(), 2);
    directory.release("pod1", "net1").unwrap();
    directory.release("pod1", "net1").unwrap();
    directory.release("old", "net7").unwrap();
    assert_eq!(directory.held().unwrap().ranges().len(), 2);
}

#[test]
fn only_what_is_valid_stays() {
    let (_temp, directory) = directory(FILES);
    directory.retain(|container_id, ifname| container_id == "old" && ifname.is_none()).unwrap();
    assert_eq!(
        directory.held().unwrap().ranges().iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["10.1.0.4"]
    );
}

#[test]
fn a_taken_lock_is_waited_for_and_not_ignored() {
    let (temp, directory) = directory(FILES);
    let _held = Lock::acquire(&temp.path().join("lock"), Duration::ZERO).unwrap();
    assert!(directory.release("pod1", "net1").is_err());
    assert_eq!(directory.held().unwrap().len(), 5);
    directory.release("somebody else", "net1").unwrap();
}
