//! Netlink messages as bytes (include/uapi/linux/netlink.h).

use nix::libc::{NLM_F_ACK, NLM_F_REQUEST};

const HEADER: usize = 16;

/// One request.
pub(crate) struct Message(Vec<u8>);

impl Message {
    /// `fixed` is the structure that goes before the attributes.
    pub(crate) fn new(kind: u16, flags: i32, fixed: &[u8]) -> Self {
        let flags = u16::try_from(flags | NLM_F_REQUEST).expect("the flags of a message are 16 bits");
        let mut bytes = vec![0; HEADER];
        bytes[4..6].copy_from_slice(&kind.to_ne_bytes());
        bytes[6..8].copy_from_slice(&flags.to_ne_bytes());
        bytes.extend_from_slice(fixed);
        Self(bytes)
    }

    pub(crate) fn with(mut self, kind: u16, payload: &[u8]) -> Self {
        self.0.extend_from_slice(&attribute(kind, payload));
        self
    }

    /// The whole, numbered, with an acknowledgement asked for or not.
    pub(crate) fn bytes(mut self, sequence: u16, acknowledged: bool) -> Vec<u8> {
        let length = length(self.0.len());
        self.0[..4].copy_from_slice(&u32::from(length).to_ne_bytes());
        if acknowledged {
            let flags = u16::from_ne_bytes([self.0[6], self.0[7]]);
            let flags = i32::from(flags) | NLM_F_ACK;
            self.0[6..8].copy_from_slice(&u16::try_from(flags).expect("all flags are 16 bits").to_ne_bytes());
        }
        self.0[8..10].copy_from_slice(&sequence.to_ne_bytes());
        self.0
    }
}

/// Padded to four bytes; the payload of a nest is attributes again.
pub(crate) fn attribute(kind: u16, payload: &[u8]) -> Vec<u8> {
    let mut bytes = length(payload.len() + 4).to_ne_bytes().to_vec();
    bytes.extend_from_slice(&kind.to_ne_bytes());
    bytes.extend_from_slice(payload);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

fn length(bytes: usize) -> u16 {
    u16::try_from(bytes).expect("no message here is longer than a few hundred bytes")
}
