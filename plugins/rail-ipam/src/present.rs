//! Addresses of interfaces that are there already, in the namespace of a thread. One request to the kernel for each: the C
//! library would ask for all links as well, and the room `netlink` would be a third of this binary.

use std::io;
use std::net::IpAddr;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;

use cni::Error;
use netns::NetNs;
use nix::errno::Errno;
use nix::net::if_::if_indextoname;
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, recv, send, setsockopt, socket, sockopt,
};
use nix::sys::time::{TimeVal, TimeValLike};

/// `RTM_GETADDR` and the like (`include/uapi/linux/rtnetlink.h`)
const GET: u16 = 22;
const NEW: u16 = 20;
const DELETE: u16 = 21;
/// `RTM_NEWLINK` and its like, `RTM_NEWNSID`
const GET_LINK: u16 = 18;
const NEW_LINK: u16 = 16;
const GET_NETNS_NUMBER: u16 = 90;
const NEW_NETNS_NUMBER: u16 = 88;
/// `NLM_F_REQUEST | NLM_F_ACK`
const ACKNOWLEDGE: u16 = 0x5;
/// `NLM_F_REQUEST | NLM_F_DUMP`
const DUMP: u16 = 0x301;
const ERROR: u16 = 2;
const DONE: u16 = 3;
/// `struct nlmsghdr`, and `struct ifaddrmsg`.
const HEADER: usize = 16;
const ADDRESS: usize = 8;
/// `struct ifinfomsg`, and `IFLA_LINK` and the others.
const LINK: usize = 16;
const PARENT: u16 = 5;
const LINK_INFO: u16 = 18;
const INFO_KIND: u16 = 1;
const PARENT_NETNSID: u16 = 37;
const DEVICE: u16 = 56;
const BUS: u16 = 57;
/// `NLA_F_NESTED`
const NESTED: u16 = 0x8000;
/// `NETNSA_NSID`, `NETNSA_FD`
const NETNS_NUMBER: u16 = 1;
const NETNS_FD: u8 = 3;
/// `IFA_ADDRESS`, which is the other end where there is an `IFA_LOCAL`.
const FAR: u16 = 1;
const LOCAL: u16 = 2;
/// `IFA_PROTO` (Linux 5.18), and what the plugins of this suite put there.
const PROTO: u16 = 11;
const OURS: u8 = 211;
const PATIENCE: i64 = 5;

/// Addresses, and the indices of their links.
pub(crate) type Addresses = Vec<(IpAddr, u32)>;

/// What the kernel says of a link: where it comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct LinkFacts {
    /// Empty for a device.
    pub(crate) kind: Vec<u8>,
    /// What it sits on.
    pub(crate) parent: Option<u32>,
    /// The number of the namespace of that, if it is another one.
    pub(crate) parent_netnsid: Option<i32>,
    /// Name of the device behind it, and that of its bus.
    pub(crate) device: Vec<u8>,
    pub(crate) bus: Vec<u8>,
}

/// The addresses with our mark in the network namespace that the calling thread is in: whoever is root there can write it.
pub(crate) fn marked() -> Result<Addresses, Errno> {
    dump(|body| address(body).filter(|_| of_suite(body)))
}

/// A link of that namespace; `None` where it is gone.
pub(crate) fn link(index: u32) -> Result<Option<LinkFacts>, Errno> {
    let mut body = [0; LINK];
    body[4..8].copy_from_slice(&index.to_ne_bytes());
    match ask(GET_LINK, ACKNOWLEDGE, &body, |body| Some(facts(body.get(LINK..)?))) {
        Ok(found) => Ok(found.into_iter().next()),
        Err(Errno::ENODEV) => Ok(None),
        Err(errno) => Err(errno),
    }
}

fn facts(attributes: &[u8]) -> LinkFacts {
    let number = |bytes: &[u8]| bytes.first_chunk().copied();
    let text = |bytes: &[u8]| bytes.strip_suffix(&[0]).unwrap_or(bytes).to_vec();
    let of = |wanted| attribute(attributes, wanted);
    LinkFacts {
        kind: of(LINK_INFO).and_then(|nested| attribute(nested, INFO_KIND)).map(text).unwrap_or_default(),
        parent: of(PARENT).and_then(number).map(u32::from_ne_bytes),
        parent_netnsid: of(PARENT_NETNSID).and_then(number).map(i32::from_ne_bytes),
        device: of(DEVICE).map(text).unwrap_or_default(),
        bus: of(BUS).map(text).unwrap_or_default(),
    }
}

/// The number that the calling thread's namespace has for another one, if it has any.
pub(crate) fn number_of(netns: &NetNs) -> Result<Option<i32>, Errno> {
    // `struct rtgenmsg` with its padding, then the descriptor.
    let mut body = vec![0, 0, 0, 0, 8, 0, NETNS_FD, 0];
    body.extend(netns.fd().as_raw_fd().to_ne_bytes());
    let number = |body: &[u8]| attribute(body.get(4..)?, NETNS_NUMBER)?.first_chunk().copied();
    let found = ask(GET_NETNS_NUMBER, ACKNOWLEDGE, &body, number)?;
    Ok(found.into_iter().next().map(i32::from_ne_bytes).filter(|number| *number >= 0))
}

/// Takes addresses off all links of the pod; what is gone is as it should be.
pub(crate) fn take_away(pod: Option<&Path>, addresses: &[IpAddr]) -> Result<(), Error> {
    let Some(Ok(netns)) = pod.map(NetNs::open) else { return Ok(()) };
    let taken = netns.run(|| delete_all(addresses)).map_err(|error| Error::netns(error.to_string()))?;
    taken.map_err(|errno| {
        let list: Vec<_> = addresses.iter().map(ToString::to_string).collect();
        let source = io::Error::from(errno);
        Error::internal(format!("take {} off the pod, which may answer for it: {source}", list.join(", ")))
    })
}

fn delete_all(addresses: &[IpAddr]) -> Result<(), Errno> {
    let taken = |body: &[u8]| address(body).filter(|(ip, _)| addresses.contains(ip)).map(|_| body.to_vec());
    let bodies = dump(taken)?;
    let socket = open()?;
    for body in bodies {
        send(socket.as_raw_fd(), &request(DELETE, ACKNOWLEDGE, &body), MsgFlags::empty())?;
        match receive(&socket, &|_| None::<()>, &mut Vec::new()) {
            Ok(_) | Err(Errno::EADDRNOTAVAIL | Errno::ENODEV) => (),
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}

fn of_suite(body: &[u8]) -> bool {
    body.get(ADDRESS..).and_then(|attributes| attribute(attributes, PROTO)) == Some(&[OURS])
}

pub(crate) fn name(index: u32) -> String {
    if_indextoname(index)
        .map_or_else(|_| format!("number {index}"), |name| name.to_string_lossy().into_owned())
}

/// Every address of the network namespace that the calling thread is in.
pub(crate) fn list() -> Result<Addresses, Errno> {
    dump(address)
}

/// What `take` makes of each.
fn dump<T>(take: impl Fn(&[u8]) -> Option<T>) -> Result<Vec<T>, Errno> {
    // Of any family, of any link.
    ask(GET, DUMP, &[0; ADDRESS], take)
}

fn ask<T>(kind: u16, flags: u16, body: &[u8], take: impl Fn(&[u8]) -> Option<T>) -> Result<Vec<T>, Errno> {
    let socket = open()?;
    send(socket.as_raw_fd(), &request(kind, flags, body), MsgFlags::empty())?;
    let mut found = Vec::new();
    while !receive(&socket, &take, &mut found)? {}
    Ok(found)
}

fn open() -> Result<OwnedFd, Errno> {
    let socket =
        socket(AddressFamily::Netlink, SockType::Raw, SockFlag::SOCK_CLOEXEC, SockProtocol::NetlinkRoute)?;
    setsockopt(&socket, sockopt::ReceiveTimeout, &TimeVal::seconds(PATIENCE))?;
    Ok(socket)
}

fn request(kind: u16, flags: u16, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; HEADER];
    bytes.extend_from_slice(body);
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    bytes[..4].copy_from_slice(&length.to_ne_bytes());
    bytes[4..6].copy_from_slice(&kind.to_ne_bytes());
    bytes[6..8].copy_from_slice(&flags.to_ne_bytes());
    bytes
}

/// Takes the next messages; true when they were the last.
fn receive<T>(
    socket: &OwnedFd,
    take: &impl Fn(&[u8]) -> Option<T>,
    found: &mut Vec<T>,
) -> Result<bool, Errno> {
    // A dump comes in pieces of at most 32 KiB (`netlink_dump`).
    let mut buffer = vec![0; 32 * 1024];
    let length = recv(socket.as_raw_fd(), &mut buffer, MsgFlags::empty())?;
    let mut rest = &buffer[..length];
    while let Some((kind, body, after)) = message(rest) {
        match kind {
            DONE => return Ok(true),
            ERROR => return error(body).map_or(Ok(true), Err),
            NEW | NEW_LINK | NEW_NETNS_NUMBER => found.extend(take(body)),
            _ => (),
        }
        rest = after;
    }
    if rest.is_empty() { Ok(false) } else { Err(Errno::EBADMSG) }
}

fn message(bytes: &[u8]) -> Option<(u16, &[u8], &[u8])> {
    let length = u32::from_ne_bytes(*bytes.first_chunk()?) as usize;
    let kind = u16::from_ne_bytes(*bytes.get(4..)?.first_chunk()?);
    let body = bytes.get(HEADER..length)?;
    Some((kind, body, bytes.get(length.next_multiple_of(4)..).unwrap_or_default()))
}

/// `None` for what is no error, but an acknowledgement.
fn error(body: &[u8]) -> Option<Errno> {
    let code = body.first_chunk().map_or(0, |code| i32::from_ne_bytes(*code));
    code.checked_neg().filter(|code| *code != 0).map(Errno::from_raw)
}

fn address(body: &[u8]) -> Option<(IpAddr, u32)> {
    let index = u32::from_ne_bytes(*body.get(4..)?.first_chunk()?);
    let attributes = body.get(ADDRESS..)?;
    let own = attribute(attributes, LOCAL).or_else(|| attribute(attributes, FAR))?;
    let v4 = <[u8; 4]>::try_from(own).map(IpAddr::from);
    let own = v4.or_else(|_| <[u8; 16]>::try_from(own).map(IpAddr::from)).ok()?;
    Some((own, index))
}

fn attribute(mut bytes: &[u8], wanted: u16) -> Option<&[u8]> {
    loop {
        let length = usize::from(u16::from_ne_bytes(*bytes.first_chunk()?));
        let kind = u16::from_ne_bytes(*bytes.get(2..)?.first_chunk()?);
        let value = bytes.get(4..length)?;
        if kind & !NESTED == wanted {
            return Some(value);
        }
        bytes = bytes.get(length.next_multiple_of(4)..)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loopback_address_is_on_the_first_link() {
        let all = list().unwrap();
        assert!(
            all.iter().any(|(ip, index)| *ip == IpAddr::from([127, 0, 0, 1]) && name(*index) == "lo"),
            "{all:?}"
        );
    }

    #[test]
    fn the_near_end_of_a_link_between_two_is_what_counts() {
        let body = |attributes: &[(u16, [u8; 4])]| {
            let mut body = vec![2, 32, 0, 0, 7, 0, 0, 0];
            for (kind, value) in attributes {
                body.extend(8_u16.to_ne_bytes());
                body.extend(kind.to_ne_bytes());
                body.extend(value);
            }
            body
        };
        let (near, far) = ([10, 0, 0, 1], [10, 0, 0, 2]);
        let expected = Some((IpAddr::from(near), u32::from_ne_bytes([7, 0, 0, 0])));
        assert_eq!(address(&body(&[(FAR, far), (LOCAL, near)])), expected);
        assert_eq!(address(&body(&[(FAR, near)])), expected);
        for length in 0..16 {
            assert_eq!(address(&body(&[(FAR, near)])[..length]), None);
        }
    }
}
