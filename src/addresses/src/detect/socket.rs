use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::time::{Duration, Instant};

use attach::Error;
use nix::errno::Errno;
use nix::ifaddrs::getifaddrs;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{
    AddressFamily, LinkAddr, MsgFlags, SockFlag, SockProtocol, SockType, bind, recvfrom, send, socket,
};

use crate::Failure;

/// `PACKET_OUTGOING` (`include/uapi/linux/if_packet.h`)
const OUTGOING: u8 = 4;

/// Whole frames of one link. Opening and closing it each wait for a grace period of the kernel, 6 to 20 ms
/// (`packet_do_bind` and `packet_release` in `net/packet/af_packet.c`).
pub(super) struct PacketSocket {
    fd: OwnedFd,
    ifname: String,
}

impl PacketSocket {
    /// On a link of the namespace that the calling thread is in.
    pub(super) fn open(ifname: &str) -> Result<Self, Error> {
        let failed = |errno: Errno| failed("open a packet socket", ifname, errno);
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let fd = socket(AddressFamily::Packet, SockType::Raw, flags, SockProtocol::EthAll).map_err(failed)?;
        let address = link_address(ifname).map_err(failed)?;
        bind(fd.as_raw_fd(), &address).map_err(failed)?;
        Ok(Self { fd, ifname: ifname.to_owned() })
    }

    pub(super) fn send(&self, frame: &[u8]) -> Result<(), Error> {
        match send(self.fd.as_raw_fd(), frame, MsgFlags::empty()) {
            // Full for the moment: as good as a frame that gets lost, of which there are several.
            Ok(_) | Err(Errno::EAGAIN | Errno::ENOBUFS) => Ok(()),
            Err(errno) => Err(failed("send ARP", &self.ifname, errno)),
        }
    }

    /// Hands each frame that comes in before the deadline to `accept`, until it returns something.
    pub(super) fn receive<T>(
        &self,
        deadline: Instant,
        mut accept: impl FnMut(&[u8]) -> Option<T>,
    ) -> Result<Option<T>, Error> {
        // ARP is at the beginning of a frame; the rest of longer ones is cut off.
        let mut buffer = [0; 128];
        while self.wait(deadline)? {
            while let Some(length) = self.next(&mut buffer)? {
                if let Some(found) = accept(&buffer[..length]) {
                    return Ok(Some(found));
                }
            }
        }
        Ok(None)
    }

    /// The length of the next frame, 0 for one that we have sent; `None` when there is none.
    fn next(&self, buffer: &mut [u8]) -> Result<Option<usize>, Error> {
        match recvfrom::<LinkAddr>(self.fd.as_raw_fd(), buffer) {
            Ok((_, Some(from))) if from.pkttype() == OUTGOING => Ok(Some(0)),
            Ok((length, _)) => Ok(Some(length)),
            Err(Errno::EAGAIN) => Ok(None),
            Err(Errno::EINTR) => Ok(Some(0)),
            Err(errno) => Err(failed("receive ARP", &self.ifname, errno)),
        }
    }

    fn wait(&self, deadline: Instant) -> Result<bool, Error> {
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            // Rounded up: a wait of less than a millisecond must not become a busy loop.
            let left = left.checked_add(Duration::from_micros(999)).unwrap_or(left);
            let timeout = PollTimeout::try_from(left.as_millis()).unwrap_or(PollTimeout::MAX);
            match poll(&mut [PollFd::new(self.fd.as_fd(), PollFlags::POLLIN)], timeout) {
                Ok(0) | Err(Errno::EINTR) if Instant::now() < deadline => {}
                Err(Errno::EINTR) => return Ok(false),
                other => {
                    return other.map(|ready| ready > 0).map_err(|e| failed("wait for ARP", &self.ifname, e));
                }
            }
        }
    }
}

/// The only way to an address of that kind without unsafe code; of it, the kernel wants the link's index.
fn link_address(ifname: &str) -> Result<LinkAddr, Errno> {
    let mut entries = getifaddrs()?.filter(|entry| entry.interface_name == ifname);
    entries.find_map(|entry| entry.address?.as_link_addr().copied()).ok_or(Errno::ENODEV)
}

fn failed(doing: &'static str, ifname: &str, errno: Errno) -> Error {
    Failure::Packet { doing, ifname: ifname.to_owned(), source: io::Error::from(errno) }.into()
}
