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

/// All in one system call, then one acknowledgement each.
pub(crate) fn send(socket: &Socket, messages: Vec<(&'static str, Message)>) -> Result<()> {
    let (names, messages): (Vec<_>, Vec<_>) = messages.into_iter().unzip();
    socket.send(&messages.into_iter().flat_map(Message::bytes).collect::<Vec<_>>(), 0)?;
    names.into_iter().try_for_each(|name| acknowledged(socket).context(name))
}

fn acknowledged(socket: &Socket) -> Result<()> {
    let mut buffer = [0; 512];
    socket.recv(&mut &mut buffer[..], 0)?;
    let [_, _, _, _, a, b, c, d, ..] = buffer[12..] else { unreachable!("the buffer is longer") };
    match i32::from_ne_bytes([a, b, c, d]) {
        0 => Ok(()),
        error => Err(io::Error::from_raw_os_error(-error).into()),
    }
}
