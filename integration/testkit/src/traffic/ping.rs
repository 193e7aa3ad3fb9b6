//! ICMP echo without a ping program, which not every machine has.

use crate::mounts::must;
use crate::space::Space;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrStorage, bind, recv, sendto,
    setsockopt, socket, sockopt::BindToDevice,
};
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

/// One echo request and what may be chosen about it.
#[derive(Clone, Debug)]
pub struct Ping {
    to: IpAddr,
    from: Option<IpAddr>,
    device: Option<String>,
    limit: Duration,
}

impl Ping {
    /// To `to`, waiting up to two seconds.
    pub fn to(to: impl Into<IpAddr>) -> Self {
        Self { to: to.into(), from: None, device: None, limit: Duration::from_secs(2) }
    }

    /// From this source address, as `ping -I ADDRESS`.
    #[must_use]
    pub fn from(mut self, source: impl Into<IpAddr>) -> Self {
        self.from = Some(source.into());
        self
    }

    /// Through this interface, as `ping -I DEVICE`.
    #[must_use]
    pub fn through(mut self, device: &str) -> Self {
        self.device = Some(device.into());
        self
    }

    /// Waits this long for the reply.
    #[must_use]
    pub fn within(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }
}

impl Space {
    /// Whether a reply to one echo request comes back; the error says why it could not be sent.
    pub fn ping(&self, ping: &Ping) -> Result<bool, String> {
        static NEXT: AtomicU16 = AtomicU16::new(1);
        // Other pings of this process may share the namespace; those of other processes cannot.
        let mark = (0x7261, NEXT.fetch_add(1, Ordering::Relaxed));
        let sent = self.run(|| send(ping, mark));
        let socket = sent.map_err(|errno| format!("ping {} from {}: {errno}", ping.to, self.name()))?;
        Ok(answered(&socket, ping, mark))
    }

    /// Fails the test unless `ping` is answered.
    #[track_caller]
    pub fn assert_ping(&self, ping: &Ping) {
        match self.ping(ping) {
            Ok(true) => (),
            Ok(false) => panic!("no reply in {} to {ping:?}", self.name()),
            Err(error) => panic!("{error}"),
        }
    }
}

fn send(ping: &Ping, mark: (u16, u16)) -> nix::Result<OwnedFd> {
    let (family, protocol) = match ping.to {
        IpAddr::V4(_) => (AddressFamily::Inet, SockProtocol::Icmp),
        IpAddr::V6(_) => (AddressFamily::Inet6, SockProtocol::IcmpV6),
    };
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let socket = socket(family, SockType::Raw, flags, protocol)?;
    if let Some(device) = &ping.device {
        setsockopt(&socket, BindToDevice, &device.into())?;
    }
    if let Some(from) = ping.from {
        bind(socket.as_raw_fd(), &SockaddrStorage::from(SocketAddr::new(from, 0)))?;
    }
    let to = SockaddrStorage::from(SocketAddr::new(ping.to, 0));
    sendto(socket.as_raw_fd(), &request(ping.to, mark), &to, MsgFlags::empty())?;
    Ok(socket)
}

fn answered(socket: &OwnedFd, ping: &Ping, mark: (u16, u16)) -> bool {
    let deadline = Instant::now() + ping.limit;
    let mut buffer = [0; 2048];
    loop {
        while let Ok(length) = recv(socket.as_raw_fd(), &mut buffer, MsgFlags::empty()) {
            if is_reply(ping.to, &buffer[..length], mark) {
                return true;
            }
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return false;
        }
        let mut fds = [PollFd::new(socket.as_fd(), PollFlags::POLLIN)];
        let timeout = must("wait for a reply", PollTimeout::try_from(left));
        must("wait for a reply", poll(&mut fds, timeout));
    }
}

/// RFC 792 and RFC 4443 section 4.1; the kernel fills in the checksum of `ICMPv6`.
fn request(to: IpAddr, (id, sequence): (u16, u16)) -> Vec<u8> {
    let kind = if to.is_ipv4() { 8 } else { 128 };
    let mut packet = vec![kind, 0, 0, 0];
    packet.extend(id.to_be_bytes());
    packet.extend(sequence.to_be_bytes());
    packet.extend(b"railcni!");
    if to.is_ipv4() {
        let checksum = checksum(&packet).to_be_bytes();
        packet[2..4].copy_from_slice(&checksum);
    }
    packet
}

/// A raw IPv4 socket gets the IP header too, an IPv6 one does not.
fn is_reply(to: IpAddr, bytes: &[u8], (id, sequence): (u16, u16)) -> bool {
    let header = if to.is_ipv4() { bytes.first().map_or(0, |first| usize::from(first & 15) * 4) } else { 0 };
    let kind = if to.is_ipv4() { 0 } else { 129 };
    let mark = [id.to_be_bytes(), sequence.to_be_bytes()].concat();
    bytes.get(header).is_some_and(|first| *first == kind)
        && bytes.get(header + 4..header + 8) == Some(&mark[..])
}

/// RFC 1071: the complement of the sum with end-around carry.
fn checksum(bytes: &[u8]) -> u16 {
    let words = bytes.chunks(2).map(|pair| u16::from_be_bytes([pair[0], *pair.get(1).unwrap_or(&0)]));
    !words.fold(0, |sum: u16, word| {
        let (sum, carry) = sum.overflowing_add(word);
        sum + u16::from(carry)
    })
}
