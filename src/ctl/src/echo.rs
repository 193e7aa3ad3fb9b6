//! ICMP echo with the one thing that ping(8) does not tell: on which link the answer came in (`IP_PKTINFO`, `IPV6_PKTINFO`).

use std::io::{IoSlice, IoSliceMut};
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{
    AddressFamily, ControlMessageOwned, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrStorage, bind,
    recvmsg, sendmsg, setsockopt, socket, sockopt,
};

/// An unanswered request is repeated after this time: the first may fall victim to address resolution.
const REPEAT: Duration = Duration::from_millis(200);

/// Types of messages: RFC 792, RFC 4443.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Types {
    request: u8,
    reply: u8,
}

const V4: Types = Types { request: 8, reply: 0 };
const V6: Types = Types { request: 128, reply: 129 };

/// One question.
#[derive(Clone, Debug)]
pub(crate) struct Probe {
    /// An address of this namespace.
    pub(crate) source: IpAddr,
    /// Of the same family.
    pub(crate) target: IpAddr,
    /// Leave by this link whatever the routes say.
    pub(crate) device: Option<String>,
}

/// What came back.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Answer {
    /// The link by which it came in.
    pub(crate) ifindex: u32,
    /// From the first request.
    pub(crate) after: Duration,
}

/// Asks all at once, from the calling thread's namespace; `None` for what stays unanswered until the limit.
pub(crate) fn ask(probes: &[Probe], limit: Duration) -> Result<Vec<Option<Answer>>> {
    let start = Instant::now();
    let mut open =
        probes.iter().zip(1..).map(|(probe, id)| Open::new(probe, id)).collect::<Result<Vec<_>>>()?;
    while open.iter().any(|open| open.answer.is_none()) && start.elapsed() < limit {
        for open in open.iter_mut().filter(|open| open.answer.is_none()) {
            open.send()?;
        }
        let round = Instant::now();
        while round.elapsed() < REPEAT && open.iter().any(|open| open.answer.is_none()) {
            wait(&open, REPEAT.saturating_sub(round.elapsed()))?;
            open.iter_mut().try_for_each(|open| open.receive(start))?;
        }
    }
    Ok(open.into_iter().map(|open| open.answer).collect())
}

/// A question that is under way.
struct Open {
    socket: OwnedFd,
    /// Until the socket has it: an address of IPv6 is none before it is known to be no duplicate.
    source: Option<IpAddr>,
    target: IpAddr,
    id: u16,
    answer: Option<Answer>,
}

impl Open {
    fn new(probe: &Probe, id: u16) -> Result<Self> {
        let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
        let socket = if probe.target.is_ipv4() {
            let socket = socket(AddressFamily::Inet, SockType::Raw, flags, SockProtocol::Icmp)?;
            setsockopt(&socket, sockopt::Ipv4PacketInfo, &true)?;
            socket
        } else {
            let socket = socket(AddressFamily::Inet6, SockType::Raw, flags, SockProtocol::IcmpV6)?;
            setsockopt(&socket, sockopt::Ipv6RecvPacketInfo, &true)?;
            socket
        };
        if let Some(device) = &probe.device {
            let bound = setsockopt(&socket, sockopt::BindToDevice, &device.into());
            bound.with_context(|| format!("bind a socket to {device}"))?;
        }
        Ok(Self { socket, source: Some(probe.source), target: probe.target, id, answer: None })
    }

    /// Whether there is an address to ask from.
    fn bind(&mut self) -> Result<bool> {
        let Some(source) = self.source else { return Ok(true) };
        match bind(self.socket.as_raw_fd(), &SockaddrStorage::from(SocketAddr::new(source, 0))) {
            Ok(()) => self.source = None,
            Err(Errno::EADDRNOTAVAIL) => {}
            Err(errno) => return Err(errno).with_context(|| format!("bind a socket to {source}")),
        }
        Ok(self.source.is_none())
    }

    fn send(&mut self) -> Result<()> {
        if !self.bind()? {
            return Ok(());
        }
        let target = SockaddrStorage::from(SocketAddr::new(self.target, 0));
        let request = self.types().request_of(self.id);
        let sent = sendmsg(
            self.socket.as_raw_fd(),
            &[IoSlice::new(&request)],
            &[],
            MsgFlags::empty(),
            Some(&target),
        );
        match sent {
            // No route or no neighbour is an answer that did not come, not a failure of the demo's own.
            Ok(_) | Err(Errno::ENETUNREACH | Errno::EHOSTUNREACH | Errno::EAGAIN) => Ok(()),
            Err(errno) => Err(errno).with_context(|| format!("send an echo request to {}", self.target)),
        }
    }

    fn types(&self) -> Types {
        if self.target.is_ipv4() { V4 } else { V6 }
    }

    /// Takes what has arrived; other sockets' answers come to this one, too.
    fn receive(&mut self, start: Instant) -> Result<()> {
        let mut buffer = [0; 256];
        let mut control = nix::cmsg_space!(nix::libc::in6_pktinfo);
        loop {
            let mut parts = [IoSliceMut::new(&mut buffer)];
            let message = match recvmsg::<()>(
                self.socket.as_raw_fd(),
                &mut parts,
                Some(&mut control),
                MsgFlags::empty(),
            ) {
                Err(Errno::EAGAIN) => return Ok(()),
                message => message.context("receive an echo reply")?,
            };
            let (bytes, link) = (message.bytes, message.cmsgs()?.find_map(|message| arrival(&message)));
            let is_own = self.types().is_reply(buffer.get(..bytes).unwrap_or_default(), self.id);
            if let (Some(ifindex), true) = (link, is_own) {
                self.answer.get_or_insert(Answer { ifindex, after: start.elapsed() });
            }
        }
    }
}

fn arrival(message: &ControlMessageOwned) -> Option<u32> {
    match message {
        ControlMessageOwned::Ipv4PacketInfo(info) => u32::try_from(info.ipi_ifindex).ok(),
        ControlMessageOwned::Ipv6PacketInfo(info) => Some(info.ipi6_ifindex),
        _ => None,
    }
}

fn wait(open: &[Open], time: Duration) -> Result<()> {
    let unanswered = open.iter().filter(|open| open.answer.is_none());
    let mut polled: Vec<_> =
        unanswered.map(|open| PollFd::new(open.socket.as_fd(), PollFlags::POLLIN)).collect();
    match poll(&mut polled, PollTimeout::try_from(time).unwrap_or(PollTimeout::ZERO)) {
        Ok(_) | Err(Errno::EINTR) => Ok(()),
        Err(errno) => Err(errno).context("wait for echo replies"),
    }
}

impl Types {
    /// Type, code, checksum, identifier, sequence number. For IPv6 the kernel makes the checksum anew, since addresses are in it.
    fn request_of(self, id: u16) -> [u8; 8] {
        let [high, low] = id.to_be_bytes();
        let mut packet = [self.request, 0, 0, 0, high, low, 0, 1];
        let [first, second] = checksum(&packet).to_be_bytes();
        (packet[2], packet[3]) = (first, second);
        packet
    }

    /// A raw socket of IPv4 delivers the IP header, too.
    fn is_reply(self, packet: &[u8], id: u16) -> bool {
        let header = match self {
            V4 => packet.first().map_or(0, |byte| usize::from(byte & 0x0f) * 4),
            _ => 0,
        };
        match packet.get(header..header + 6) {
            Some(icmp) => icmp[0] == self.reply && icmp[4..6] == id.to_be_bytes(),
            None => false,
        }
    }
}

/// RFC 1071, for an even number of bytes.
fn checksum(bytes: &[u8]) -> u16 {
    let words = bytes.chunks_exact(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(pair[1]));
    let sum: u32 = words.sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    !u16::try_from(folded & 0xffff).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_request_has_a_valid_checksum() {
        assert_eq!(checksum(&V4.request_of(7)), 0);
        assert_eq!(V4.request_of(7)[..2], [8, 0]);
    }

    #[test]
    fn only_the_own_reply_counts() {
        let mut packet = vec![0x45; 20];
        packet.extend(V4.request_of(7));
        assert!(!V4.is_reply(&packet, 7), "a request is no reply");
        packet[20] = V4.reply;
        assert!(V4.is_reply(&packet, 7));
        assert!(!V4.is_reply(&packet, 8));
        assert!(!V4.is_reply(&packet[..24], 7) && !V4.is_reply(&[], 7));
        let mut packet = V6.request_of(7);
        assert!(!V6.is_reply(&packet, 7), "a request is no reply");
        packet[0] = V6.reply;
        assert!(V6.is_reply(&packet, 7) && !V6.is_reply(&packet, 8) && !V6.is_reply(&packet[..5], 7));
    }
}
