//! Messages of protobuf, as far as two lists need them: texts and messages within messages. All else is passed over.

/// The fields of a message that hold bytes, by their numbers, in their order. `None` if the bytes are no protobuf message.
pub(crate) fn fields(mut message: &[u8]) -> Option<Vec<(u64, &[u8])>> {
    let mut found = Vec::new();
    while !message.is_empty() {
        let key = varint(&mut message)?;
        match key & 7 {
            0 => {
                varint(&mut message)?;
            }
            1 => {
                take(&mut message, 8)?;
            }
            2 => {
                let length = varint(&mut message)?;
                found.push((key >> 3, take(&mut message, length)?));
            }
            5 => {
                take(&mut message, 4)?;
            }
            // Groups, which nobody writes any more.
            _ => return None,
        }
    }
    Some(found)
}

/// Of a field that holds text; what is none is a text that nobody has written.
pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn varint(message: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for place in 0..10 {
        let byte = take(message, 1)?.first().copied()?;
        value |= u64::from(byte & 0x7f) << (7 * place);
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

fn take<'a>(message: &mut &'a [u8], length: u64) -> Option<&'a [u8]> {
    let (taken, rest) = message.split_at_checked(usize::try_from(length).ok()?)?;
    *message = rest;
    Some(taken)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 1: 150, 2: "testing", 3: a fixed64, 4: a fixed32, 300: "": the encodings of the language's own documentation.
    const MESSAGE: &[u8] =
        b"\x08\x96\x01\x12\x07testing\x19\x01\x02\x03\x04\x05\x06\x07\x08\x25\x01\x02\x03\x04\xe2\x12\x00";

    #[test]
    fn texts_are_found_among_others() {
        assert_eq!(fields(MESSAGE).unwrap(), [(2, &b"testing"[..]), (300, b"")]);
        assert_eq!(fields(b""), Some(Vec::new()));
    }

    /// Cut short, a message ends between two fields or is none.
    #[test]
    fn what_is_torn_is_no_message() {
        for end in 0..MESSAGE.len() {
            let is_between = [0, 3, 12, 21, 26].contains(&end);
            assert_eq!(fields(&MESSAGE[..end]).is_some(), is_between, "{end}");
        }
        for bad in [&b"\x0b"[..], b"\x0c", b"\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", &[0xff; 32]] {
            assert_eq!(fields(bad), None, "{bad:?}");
        }
    }
}
