use std::io;

use anyhow::{Context, Result};
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};

use crate::message::Message;

pub(crate) fn open() -> Result<Socket> {
    open_for(NETLINK_ROUTE)
}

pub(crate) fn open_for(protocol: isize) -> Result<Socket> {
    let mut socket = Socket::new(protocol)?;
    socket.bind_auto()?;
    socket.connect(&SocketAddr::new(0, 0))?;
    Ok(socket)
}

/// All in one system call, and one answer: what the kernel refuses it says unasked, before it acknowledges the last.
pub(crate) fn send(socket: &Socket, messages: Vec<(&'static str, Message)>) -> Result<()> {
    let (names, messages): (Vec<_>, Vec<_>) = messages.into_iter().unzip();
    let mut bytes = Vec::new();
    for (sequence, message) in (0..).zip(messages) {
        bytes.extend(message.bytes(sequence, usize::from(sequence) + 1 == names.len()));
    }
    socket.send(&bytes, 0)?;
    let mut answer = [0; 512];
    socket.recv(&mut &mut answer[..], 0)?;
    let number = |at: usize| i32::from_ne_bytes([answer[at], answer[at + 1], answer[at + 2], answer[at + 3]]);
    match number(16) {
        0 => Ok(()),
        error => {
            let refused = usize::try_from(number(8)).ok().and_then(|place| names.get(place).copied());
            Err(io::Error::from_raw_os_error(-error)).context(refused.unwrap_or_default())
        }
    }
}
