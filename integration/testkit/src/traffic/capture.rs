//! Every frame that passes through a namespace, with the interface it used.

use crate::mounts::must;
use crate::space::Space;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{
    AddressFamily, LinkAddr, SockFlag, SockProtocol, SockType, recvfrom, setsockopt, socket, sockopt,
};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::time::{Duration, Instant};

const PACKET_OUTGOING: u8 = 4;

/// Bytes of frames that nobody has read yet. The kernel's default is full after 300 small ones, and drops what comes then.
const BUFFER: usize = 16 << 20;

/// Frames since its creation, up to what fits in the socket's buffer.
#[derive(Debug)]
pub struct Capture {
    space: Space,
    socket: OwnedFd,
}

/// One frame on one interface.
#[derive(Clone, Debug)]
pub struct Frame {
    /// The interface's name when the frame was read, or `?INDEX`.
    pub ifname: String,
    /// Sent by this namespace, not received.
    pub outgoing: bool,
    /// From the link header on.
    pub bytes: Vec<u8>,
}

impl Space {
    /// Starts to capture on every interface of the namespace.
    pub fn capture(&self) -> Capture {
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let opened = self.run(|| socket(AddressFamily::Packet, SockType::Raw, flags, SockProtocol::EthAll));
        let socket = must("open a packet socket", opened);
        must("give the packet socket a buffer", setsockopt(&socket, sockopt::RcvBufForce, &BUFFER));
        Capture { space: self.clone(), socket }
    }
}

impl Capture {
    /// The first frame that `wanted` accepts, or `None` after `limit`; frames before it are dropped.
    pub fn find(&self, limit: Duration, wanted: impl Fn(&Frame) -> bool) -> Option<Frame> {
        let deadline = Instant::now() + limit;
        loop {
            match self.next() {
                Some(frame) if wanted(&frame) => return Some(frame),
                Some(_) => (),
                None if self.wait(deadline) => (),
                None => return None,
            }
        }
    }

    /// What is there already, without waiting.
    pub fn drain(&self) -> Vec<Frame> {
        std::iter::from_fn(|| self.next()).collect()
    }

    fn next(&self) -> Option<Frame> {
        let mut buffer = vec![0; 65536];
        let (length, from) = recvfrom::<LinkAddr>(self.socket.as_raw_fd(), &mut buffer).ok()?;
        buffer.truncate(length);
        let from = from?;
        Some(Frame {
            ifname: self.ifname(must("read an interface index", u32::try_from(from.ifindex()))),
            outgoing: from.pkttype() == PACKET_OUTGOING,
            bytes: buffer,
        })
    }

    fn ifname(&self, index: u32) -> String {
        let name = self.space.run(|| nix::net::if_::if_indextoname(index));
        name.map_or_else(|_| format!("?{index}"), |name| name.to_string_lossy().into_owned())
    }

    fn wait(&self, deadline: Instant) -> bool {
        let left = deadline.saturating_duration_since(Instant::now());
        let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
        let mut fds = [PollFd::new(self.socket.as_fd(), PollFlags::POLLIN)];
        !left.is_zero() && poll(&mut fds, timeout).is_ok_and(|ready| ready > 0)
    }
}

impl Frame {
    /// The Ethernet type: 0x0806 ARP, 0x0800 IPv4, 0x86dd IPv6; 0 if the frame is too short.
    pub fn ethertype(&self) -> u16 {
        self.bytes.get(12..14).map_or(0, |two| u16::from_be_bytes([two[0], two[1]]))
    }

    /// Source and destination of an IPv4 or IPv6 packet in an Ethernet frame.
    pub fn ends(&self) -> Option<(std::net::IpAddr, std::net::IpAddr)> {
        let packet = self.bytes.get(14..)?;
        match self.ethertype() {
            0x0800 => Some((ip::<4>(packet, 12)?.into(), ip::<4>(packet, 16)?.into())),
            0x86dd => Some((ip::<16>(packet, 8)?.into(), ip::<16>(packet, 24)?.into())),
            _ => None,
        }
    }
}

fn ip<const N: usize>(packet: &[u8], at: usize) -> Option<[u8; N]> {
    packet.get(at..at + N)?.try_into().ok()
}
