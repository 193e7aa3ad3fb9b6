use proptest::prelude::*;

use super::*;
use crate::witness::bytes;
use crate::{addr, link, neigh, route, rule};

fn acknowledgement(hex: &str) -> Result<(), Refusal> {
    Messages(&sized(hex)).next().unwrap().acknowledgement()
}

/// The bytes of a message, with its length filled in.
fn sized(hex: &str) -> Vec<u8> {
    let mut message = bytes(hex);
    let length = u32::try_from(message.len()).unwrap().to_ne_bytes();
    message[..4].copy_from_slice(&length);
    message
}

/// What follows the header of the request, which is all that comes back of it.
#[test]
fn refusal_with_text_and_offset() {
    let answer = "00000000 0200 0003 07000000 4d000000  eaffffff 34000000 1000 0506 07000000 00000000
        0d000100 626164206d6f646500 000000  08000200 2c000000";
    let refusal = Refusal { errno: Errno::EINVAL, message: Some("bad mode".into()), offset: Some(44) };
    assert_eq!(acknowledgement(answer), Err(refusal.clone()));
    let text = "Invalid argument (EINVAL), the kernel says: bad mode, at byte 44 of the request";
    assert_eq!(refusal.to_string(), text);
}

/// Without `NETLINK_CAP_ACK` the whole request comes back before the attributes.
#[test]
fn refusal_after_the_echoed_request() {
    let answer = "00000000 0200 0002 07000000 4d000000  efffffff 18000000 1000 0506 07000000 00000000
        aabbccdd aabbccdd  0a000100 74616b656e00 0000";
    let refusal = Refusal { errno: Errno::EEXIST, message: Some("taken".into()), offset: None };
    assert_eq!(acknowledgement(answer), Err(refusal));
}

#[test]
fn acknowledgement_is_zero() {
    let answer = "00000000 0200 0001 07000000 4d000000  00000000 34000000 1000 0506 07000000 00000000";
    assert_eq!(acknowledgement(answer), Ok(()));
}

#[test]
fn end_of_a_dump_may_be_a_refusal() {
    let end = sized("00000000 0300 0200 07000000 4d000000  feffffff");
    assert_eq!(Messages(&end).next().unwrap().done().unwrap_err().errno, Errno::ENOENT);
}

#[test]
fn no_refusal_reads_as_if_nothing_were_there() {
    for errno in
        [Errno::ENOENT, Errno::ESRCH, Errno::ENODEV, Errno::EADDRNOTAVAIL, Errno::EPERM, Errno::EBUSY]
    {
        let text = Refusal { errno, message: None, offset: None }.to_string().to_lowercase();
        assert!(!text.contains("not found") && !text.contains("no such file"), "{text}");
    }
}

proptest! {
    /// Whatever arrives: no panic, no endless loop, nothing read past the end.
    #[test]
    fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..300), kind in 16_u16..40) {
        for message in Messages(&bytes).chain([Message { kind, flags: 0x300, sequence: 0, payload: &bytes }]) {
            let _ = (message.acknowledgement(), message.done());
            let _ = (link::decode(&message), addr::decode(&message), route::decode(&message));
            let _ = (rule::decode(&message), neigh::decode(&message));
        }
        prop_assert!(Attributes(&bytes).count() <= bytes.len() / 4 + 1);
    }

    /// As above, with attributes that are well formed and values that are not.
    #[test]
    fn any_values_are_survived(
        values in prop::collection::vec((0_u16..70, prop::collection::vec(any::<u8>(), 0..24)), 0..12),
        header in prop::collection::vec(any::<u8>(), 16),
        kind in 16_u16..40,
    ) {
        for header_length in [8, 12, 16] {
            let mut payload = header[..header_length].to_vec();
            for (kind, value) in &values {
                payload.extend((u16::try_from(value.len()).unwrap() + 4).to_ne_bytes());
                payload.extend(kind.to_ne_bytes());
                payload.extend(value);
                payload.resize(payload.len().next_multiple_of(4), 0);
            }
            let message = Message { kind, flags: 0, sequence: 0, payload: &payload };
            let _ = (link::decode(&message), addr::decode(&message), route::decode(&message));
            let _ = (rule::decode(&message), neigh::decode(&message));
        }
    }
}
