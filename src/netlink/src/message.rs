//! `struct nlmsghdr` around what is sent and received.

use std::fmt::{self, Display};

use netlink_packet_core::{Emitable, NLM_F_ACK_TLVS, NLM_F_CAPPED, NLM_F_REQUEST};
use nix::errno::Errno;

use crate::attr::{Attributes, u16_at, u32_at};
use crate::error::{Error, Failure, Refusal};

pub(crate) const HEADER: usize = 16;
const SEQUENCE: std::ops::Range<usize> = 8..12;

const NLMSGERR_ATTR_MSG: u16 = 1;
const NLMSGERR_ATTR_OFFS: u16 = 2;

/// One encoded request, with what its error would have to say.
#[derive(Debug)]
pub(crate) struct Request {
    operation: &'static str,
    object: Object,
    bytes: Vec<u8>,
}

/// What a request is about. Text is made of it for an error only: most requests have none.
struct Object(Box<dyn Display>);

impl fmt::Debug for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Request {
    /// As [`Request::about`], of an object that cannot be kept.
    pub(crate) fn new(
        operation: &'static str,
        object: impl Display,
        kind: u16,
        flags: u16,
        body: &impl Emitable,
    ) -> Self {
        Self::about(operation, object.to_string(), kind, flags, body)
    }

    /// A message of type `kind`; `flags` without `NLM_F_REQUEST` and without those of the way it is sent.
    pub(crate) fn about(
        operation: &'static str,
        object: impl Display + 'static,
        kind: u16,
        flags: u16,
        body: &impl Emitable,
    ) -> Self {
        let length = HEADER + body.buffer_len();
        let mut bytes = vec![0; length];
        bytes[..4].copy_from_slice(&(u32::try_from(length).unwrap_or(u32::MAX)).to_ne_bytes());
        bytes[4..6].copy_from_slice(&kind.to_ne_bytes());
        bytes[6..8].copy_from_slice(&(flags | NLM_F_REQUEST).to_ne_bytes());
        body.emit(&mut bytes[HEADER..]);
        Self { operation, object: Object(Box::new(object)), bytes }
    }

    /// Appends the message to `buffer`, numbered and with further flags.
    pub(crate) fn write(&self, buffer: &mut Vec<u8>, sequence: u32, flags: u16) {
        let start = buffer.len();
        buffer.extend_from_slice(&self.bytes);
        let flags = u16_at(&self.bytes, 6).unwrap_or_default() | flags;
        buffer[start + 6..start + 8].copy_from_slice(&flags.to_ne_bytes());
        buffer[start + SEQUENCE.start..start + SEQUENCE.end].copy_from_slice(&sequence.to_ne_bytes());
        // Every message of a batch starts at a multiple of NLMSG_ALIGNTO.
        buffer.resize(buffer.len().next_multiple_of(4), 0);
    }

    pub(crate) fn refused(&self, refusal: Refusal) -> Error {
        Failure::Refused { operation: self.operation, object: self.object.0.to_string(), refusal }.into()
    }

    pub(crate) fn failed(&self, source: std::io::Error) -> Error {
        Failure::Socket { operation: self.operation, object: self.object.0.to_string(), source }.into()
    }

    pub(crate) fn interrupted(&self, attempts: u32) -> Error {
        Failure::Interrupted { operation: self.operation, object: self.object.0.to_string(), attempts }.into()
    }

    pub(crate) fn unexpected(&self, what: &'static str) -> Error {
        Failure::Unexpected { operation: self.operation, object: self.object.0.to_string(), what }.into()
    }
}

/// One received message.
#[derive(Clone, Copy)]
pub(crate) struct Message<'a> {
    pub(crate) kind: u16,
    pub(crate) flags: u16,
    pub(crate) sequence: u32,
    pub(crate) payload: &'a [u8],
}

/// The messages of one datagram. Ends at the first that does not fit.
pub(crate) struct Messages<'a>(pub(crate) &'a [u8]);

impl<'a> Iterator for Messages<'a> {
    type Item = Message<'a>;

    fn next(&mut self) -> Option<Message<'a>> {
        let length = usize::try_from(u32_at(self.0, 0)?).ok()?;
        let message = Message {
            kind: u16_at(self.0, 4)?,
            flags: u16_at(self.0, 6)?,
            sequence: u32_at(self.0, SEQUENCE.start)?,
            payload: self.0.get(HEADER..length)?,
        };
        self.0 = self.0.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some(message)
    }
}

impl Message<'_> {
    /// The verdict of an `NLMSG_ERROR`: 0 is the acknowledgement.
    pub(crate) fn acknowledgement(&self) -> Result<(), Refusal> {
        let echoed = match self.flags & NLM_F_CAPPED {
            0 => u32_at(self.payload, 4).and_then(|length| usize::try_from(length).ok()).unwrap_or(HEADER),
            _ => HEADER,
        };
        self.verdict(4 + echoed.next_multiple_of(4))
    }

    /// The verdict of an `NLMSG_DONE`.
    pub(crate) fn done(&self) -> Result<(), Refusal> {
        self.verdict(4)
    }

    fn verdict(&self, extended: usize) -> Result<(), Refusal> {
        let code = u32_at(self.payload, 0).map_or(0, u32::cast_signed);
        if code == 0 {
            return Ok(());
        }
        let mut refusal =
            Refusal { errno: Errno::from_raw(code.saturating_neg()), message: None, offset: None };
        if self.flags & NLM_F_ACK_TLVS != 0 {
            let attributes = self.payload.get(extended..).unwrap_or_default();
            for attribute in Attributes(attributes) {
                match attribute.kind {
                    NLMSGERR_ATTR_MSG => refusal.message = Some(attribute.string()),
                    NLMSGERR_ATTR_OFFS => refusal.offset = attribute.u32(),
                    _ => {}
                }
            }
        }
        Err(refusal)
    }
}

#[cfg(test)]
mod tests;
