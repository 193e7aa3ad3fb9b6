use super::*;
use crate::witness::{bytes, first_of};

/// The bit sets of an answer: 64 bits of which the lowest eight can be changed, and these of them are asked for.
fn answer(wanted: u8) -> Vec<u8> {
    let set = |kind: u16, low: u8| {
        let mut body = Vec::new();
        body::nest(&mut body, kind | NLA_F_NESTED, |set| {
            body::put(set, 1, &[]);
            body::u32(set, 2, 64);
            body::put(set, 4, &[low, 0, 0, 0, 0, 0, 0, 0]);
        });
        body
    };
    let mut payload = message(FEATURES_GET);
    payload.extend([set(FEATURES_HW, 0xff), set(FEATURES_WANTED, wanted)].concat());
    let mut whole = u32::try_from(16 + payload.len()).unwrap().to_ne_bytes().to_vec();
    whole.extend([0; 12]);
    whole.extend(payload);
    whole
}

fn read(wanted: u8) -> Features {
    first_of(&answer(wanted), features).unwrap()
}

#[test]
fn what_is_asked_for_is_compared_where_it_can_be_changed() {
    let features = read(0x15);
    assert!(features.wanted.agree(&read(0x15).wanted, &features.changeable));
    assert!(!features.wanted.agree(&read(0x14).wanted, &features.changeable));
    assert!(features.wanted.agree(&read(0x14).wanted, &Bits::default()), "nothing can be changed");
}

#[test]
fn a_change_names_values_and_mask() {
    let mut buffer = Vec::new();
    set(21, 7, &read(0x15)).write(&mut buffer, 1, 0);
    let expected = "0c01 0000 1400 0180 0800 0100 0700 0000 0800 0300 0300 0000 2400 0380 0800 0200 4000 0000 \
                    0c00 0400 1500 0000 0000 0000 0c00 0500 ff00 0000 0000 0000";
    assert_eq!(buffer[16..], bytes(expected)[..]);
}

#[test]
fn bits_of_a_record_are_read_again() {
    let wanted = read(0x15).wanted;
    let text = serde_json::to_string(&wanted).unwrap();
    assert_eq!(serde_json::from_str::<Bits>(&text).unwrap(), wanted);
}
