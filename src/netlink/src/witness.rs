//! Comparing our requests with those that `ip` and `rdma` (iproute2 6.1) sent, as strace saw them.

use netlink_packet_core::{NLA_TYPE_MASK, NLM_F_ACK};

use crate::attr::{u16_at, u32_at};
use crate::message::{HEADER, Message, Messages, Request};

/// What a message says, regardless of the order of its attributes and of its sequence number.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Meaning {
    pub(crate) kind: u16,
    flags: u16,
    header: Vec<u8>,
    attributes: Vec<Part>,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Value(u16, Vec<u8>),
    Nest(u16, Vec<Part>),
}

/// Bytes of a dump such as `10 00 00 00` or `10000000`.
pub(crate) fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u32> =
        hex.chars().filter(|c| !c.is_whitespace()).map(|c| c.to_digit(16).unwrap()).collect();
    digits.chunks(2).map(|pair| u8::try_from(pair[0] * 16 + pair[1]).unwrap()).collect()
}

pub(crate) fn ours(request: &Request, header: usize) -> Meaning {
    let mut buffer = Vec::new();
    request.write(&mut buffer, 1, NLM_F_ACK);
    meaning(&buffer, header)
}

/// `header` is the length of the family's own header.
pub(crate) fn theirs(hex: &str, header: usize) -> Meaning {
    meaning(&bytes(hex), header)
}

/// Has `read` look at the first message of a dump.
pub(crate) fn first<T>(hex: &str, read: impl FnOnce(&Message<'_>) -> T) -> T {
    first_of(&bytes(hex), read)
}

pub(crate) fn first_of<T>(message: &[u8], read: impl FnOnce(&Message<'_>) -> T) -> T {
    read(&Messages(message).next().unwrap())
}

pub(crate) fn meaning(message: &[u8], header: usize) -> Meaning {
    assert_eq!(u32_at(message, 0), u32::try_from(message.len()).ok(), "length");
    let (header, attributes) = message[HEADER..].split_at(header);
    let attributes = parts(attributes).expect("attributes that fill the message");
    let field = |at| u16_at(message, at).unwrap();
    Meaning { kind: field(4), flags: field(6), header: header.to_vec(), attributes }
}

/// The attributes that fill `bytes` exactly, sorted.
fn parts(mut bytes: &[u8]) -> Option<Vec<Part>> {
    let mut parts = Vec::new();
    while !bytes.is_empty() {
        let length = usize::from(u16_at(bytes, 0)?);
        let kind = u16_at(bytes, 2)? & NLA_TYPE_MASK;
        let value = bytes.get(4..length)?;
        parts.push(match self::parts(value) {
            Some(nested) if !nested.is_empty() => Part::Nest(kind, nested),
            _ => Part::Value(kind, without_nul(value).to_vec()),
        });
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    parts.sort();
    Some(parts)
}

/// The kernel takes text with and without a NUL, and `ip` sends the kinds of links without.
fn without_nul(value: &[u8]) -> &[u8] {
    match value {
        [text @ .., 0] if text.len() > 1 && text.iter().all(u8::is_ascii_graphic) => text,
        _ => value,
    }
}
