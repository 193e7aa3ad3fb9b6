use crate::{Link, Packet};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::time::Duration;

const LONGEST_ADDRESS: usize = 20;

/// `sockaddr_ll` with room for an `IPoIB` address: packet(7) lets `sll_addr` go on beyond the struct.
#[repr(C)]
struct LinkAddress {
    head: libc::sockaddr_ll,
    tail: [u8; LONGEST_ADDRESS - 8],
}

const _: () = assert!(std::mem::size_of::<LinkAddress>() == 12 + LONGEST_ADDRESS);

/// Sends only: with protocol 0 the kernel queues nothing for it.
#[derive(Debug)]
pub(crate) struct PacketSocket(OwnedFd);

impl PacketSocket {
    /// In the network namespace of the calling thread, where it stays.
    pub(crate) fn open() -> Result<Self, Errno> {
        socket(AddressFamily::Packet, SockType::Datagram, SockFlag::SOCK_CLOEXEC, None).map(Self)
    }

    /// The interface index in the destination decides where the packet leaves, whatever the routes say.
    #[expect(unsafe_code, reason = "nix has no way to make a link-layer address to send to")]
    pub(crate) fn send(&self, link: &Link, packet: &Packet) -> Result<(), Errno> {
        let to = destination(link, packet)?;
        let size =
            libc::socklen_t::try_from(std::mem::size_of::<LinkAddress>()).map_err(|_| Errno::EINVAL)?;
        // SAFETY: the buffer and the address outlive the call, each with its own length; sendto only reads them,
        // and LinkAddress is repr(C) and begins with a sockaddr_ll.
        let sent = unsafe {
            libc::sendto(
                self.0.as_raw_fd(),
                packet.payload.as_ptr().cast(),
                packet.payload.len(),
                0,
                (&raw const to).cast(),
                size,
            )
        };
        Errno::result(sent).map(drop)
    }

    /// Lets `time` pass, or less when the socket reports an error.
    pub(crate) fn wait(&self, time: Duration) {
        let timeout = PollTimeout::try_from(time).unwrap_or(PollTimeout::MAX);
        // An early end by a signal brings the next packet forward, which does no harm.
        let _ = poll(&mut [PollFd::new(self.0.as_fd(), PollFlags::empty())], timeout);
    }
}

fn destination(link: &Link, packet: &Packet) -> Result<LinkAddress, Errno> {
    let mut address = [0; LONGEST_ADDRESS];
    let length = packet.destination.len();
    address.get_mut(..length).ok_or(Errno::EINVAL)?.copy_from_slice(&packet.destination);
    let (first, rest) = address.split_first_chunk::<8>().ok_or(Errno::EINVAL)?;
    let head = libc::sockaddr_ll {
        sll_family: u16::try_from(libc::AF_PACKET).map_err(|_| Errno::EINVAL)?,
        sll_protocol: packet.ethertype.to_be(),
        sll_ifindex: i32::try_from(link.ifindex).map_err(|_| Errno::ENXIO)?,
        sll_hatype: 0,
        sll_pkttype: 0,
        sll_halen: u8::try_from(length).map_err(|_| Errno::EINVAL)?,
        sll_addr: *first,
    };
    Ok(LinkAddress { head, tail: rest.try_into().map_err(|_| Errno::EINVAL)? })
}
