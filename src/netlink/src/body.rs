//! Writing what follows `struct nlmsghdr`: the family's own header, then attributes, as [`attr`](crate::attr) reads them.

use netlink_packet_core::Emitable;

const HEADER: usize = 4;

/// Header and attributes of a message.
#[derive(Debug, PartialEq)]
pub(crate) struct Body(pub(crate) Vec<u8>);

impl Emitable for Body {
    fn buffer_len(&self) -> usize {
        self.0.len()
    }

    fn emit(&self, buffer: &mut [u8]) {
        buffer[..self.0.len()].copy_from_slice(&self.0);
    }
}

/// One attribute, and the padding that the next one wants.
pub(crate) fn put(into: &mut Vec<u8>, kind: u16, value: &[u8]) {
    nest(into, kind, |inner| inner.extend_from_slice(value));
}

/// An attribute whose value is attributes again. Whether `NLA_F_NESTED` has to say so depends on the reader.
pub(crate) fn nest(into: &mut Vec<u8>, kind: u16, fill: impl FnOnce(&mut Vec<u8>)) {
    let start = into.len();
    into.extend_from_slice(&[0; HEADER]);
    fill(into);
    let length = u16::try_from(into.len() - start).unwrap_or(u16::MAX);
    into[start..start + 2].copy_from_slice(&length.to_ne_bytes());
    into[start + 2..start + HEADER].copy_from_slice(&kind.to_ne_bytes());
    into.resize(into.len().next_multiple_of(4), 0);
}

pub(crate) fn u32(into: &mut Vec<u8>, kind: u16, number: u32) {
    put(into, kind, &number.to_ne_bytes());
}

pub(crate) fn u16(into: &mut Vec<u8>, kind: u16, number: u16) {
    put(into, kind, &number.to_ne_bytes());
}

/// Text with its NUL.
pub(crate) fn text(into: &mut Vec<u8>, kind: u16, text: &str) {
    nest(into, kind, |inner| {
        inner.extend_from_slice(text.as_bytes());
        inner.push(0);
    });
}
