use proptest::prelude::*;

use super::*;

fn tlv(kind: u8, value: &[u8]) -> Vec<u8> {
    let header = u16::from(kind) << 9 | u16::try_from(value.len()).unwrap();
    [&header.to_be_bytes()[..], value].concat()
}

/// As a switch of the name sends it from the port.
fn frame(tlvs: &[(u8, &[u8])]) -> Vec<u8> {
    let mut frame = vec![0x01, 0x80, 0xc2, 0, 0, 0x0e, 2, 0, 0, 0, 0, 1, 0x88, 0xcc];
    frame.extend(tlvs.iter().flat_map(|(kind, value)| tlv(*kind, value)));
    frame
}

const MAC: [u8; 7] = [4, 0x0c, 0x42, 0xa1, 0x03, 0x00, 0xb2];

#[test]
fn a_frame_says_switch_and_port() {
    let sent = frame(&[
        (1, &MAC),
        (2, b"\x05Ethernet1/3"),
        (3, &[0, 120]),
        (4, b"rail 3 of node7\0"),
        (5, b"leaf3"),
        (127, b"\x00\x12\x0fsomething of a vendor"),
        (0, b""),
        (5, b"behind the end"),
    ]);
    let expected = Neighbour {
        chassis: "0c:42:a1:03:00:b2".to_owned(),
        port: "Ethernet1/3".to_owned(),
        system: Some("leaf3".to_owned()),
        description: Some("rail 3 of node7".to_owned()),
    };
    assert_eq!(Neighbour::read(&sent), Some(expected));
}

#[test]
fn identities_are_addresses_too() {
    let chassis =
        |value: &[u8]| Neighbour::read(&frame(&[(1, value), (2, b"\x07p1"), (3, &[0, 1])])).unwrap().chassis;
    assert_eq!(chassis(&[5, 1, 10, 0, 0, 1]), "10.0.0.1");
    let mut six = vec![5, 2];
    six.extend("fd00::7".parse::<Ipv6Addr>().unwrap().octets());
    assert_eq!(chassis(&six), "fd00::7");
    assert_eq!(chassis(b"\x07chassis-9"), "chassis-9");
    assert_eq!(chassis(b"\x04abc"), "abc", "no MAC address is that short");
}

#[test]
fn what_is_no_word_of_a_switch_is_none() {
    let whole = [(1, &MAC[..]), (2, b"\x05p"), (3, &[0, 120][..])];
    assert!(Neighbour::read(&frame(&whole)).is_some());
    assert_eq!(Neighbour::read(&frame(&whole[..2])), None, "no time to live");
    assert_eq!(Neighbour::read(&frame(&[whole[0], whole[1], (3, &[0, 0])])), None, "it says goodbye");
    assert_eq!(Neighbour::read(&frame(&whole[1..])), None, "no chassis");
    assert_eq!(Neighbour::read(&frame(&[(1, &[]), whole[1], whole[2]])), None);
    let mut other = frame(&whole);
    other[13] = 0x06;
    assert_eq!(Neighbour::read(&other), None, "another protocol");
}

proptest! {
    /// Whatever somebody sends, what comes out is short, and reading ends.
    #[test]
    fn hostile_frames_are_read_to_an_end(noise in prop::collection::vec(any::<u8>(), 0..1600)) {
        let behind = [&frame(&[])[..], &noise].concat();
        for bytes in [&noise, &behind] {
            if let Some(neighbour) = Neighbour::read(bytes) {
                let all = [Some(neighbour.chassis), Some(neighbour.port), neighbour.system, neighbour.description];
                prop_assert!(all.iter().flatten().all(|text| text.chars().count() <= LONGEST));
            }
        }
    }

    /// A frame that is cut anywhere is none, or says what was before the cut.
    #[test]
    fn a_frame_that_breaks_off_says_nothing_that_was_not_sent(cut in 0_usize..80, name in "\\PC{0,300}") {
        let name = &name.as_bytes()[..name.len().min(511)];
        let sent = frame(&[(1, &MAC), (2, b"\x05p1"), (3, &[0, 120]), (5, name), (0, b"")]);
        let whole = Neighbour::read(&sent).unwrap();
        let system = String::from_utf8_lossy(name);
        prop_assert!(whole.system.iter().all(|told| system.contains(told.as_str())));
        if let Some(part) = Neighbour::read(&sent[..cut.min(sent.len())]) {
            prop_assert_eq!((part.chassis, part.port), (whole.chassis, whole.port));
            prop_assert!(part.system.is_none() || part.system == whole.system);
        }
    }
}

fn heard(nic: &str, switch: Option<&str>, wanted: Option<&str>) -> Heard {
    let neighbour = switch.map(|name| Neighbour {
        chassis: format!("mac of {name}"),
        port: "Ethernet1".to_owned(),
        system: Some(name.to_owned()),
        description: None,
    });
    Heard { nic: nic.to_owned(), neighbour, wanted: wanted.map(str::to_owned) }
}

#[test]
fn a_nic_in_its_own_switch_is_well_by_name_or_chassis() {
    let all = [
        heard("ens1", Some("leaf1"), Some("LEAF1")),
        heard("ens2", Some("leaf2"), Some("mac of leaf2")),
        heard("ens3", Some("leaf9"), None),
    ];
    let found = leaves(&all);
    assert!(found.iter().all(|finding| finding.level == Level::Good), "{found:?}");
    assert_eq!(found[0].value, "leaf1, port Ethernet1");
}

#[test]
fn swapped_cables_are_named_and_another_switch_is_an_error() {
    let all = [
        heard("ens1", Some("leaf2"), Some("leaf1")),
        heard("ens2", Some("leaf1"), Some("leaf2")),
        heard("ens3", Some("leaf4"), Some("leaf3")),
    ];
    let found = leaves(&all);
    assert!(found.iter().all(|finding| finding.level == Level::Error));
    assert_eq!(found[0].cure, "swap the cables of ens1 and ens2: each is in the other's switch");
    assert_eq!(found[1].cure, "swap the cables of ens2 and ens1: each is in the other's switch");
    assert_eq!(found[2].cure, "plug ens3 into leaf3, or write where it is into the file: leaf: leaf4");
    assert_eq!(found[2].wanted, "leaf3, as the file says");
}

#[test]
fn silence_is_worth_a_warning_only_where_a_switch_is_wanted() {
    let found = leaves(&[heard("ens1", None, None), heard("ens2", None, Some("leaf2"))]);
    assert_eq!((found[0].level, found[1].level), (Level::Info, Level::Warning));
}
