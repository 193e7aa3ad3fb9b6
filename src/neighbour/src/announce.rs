use crate::socket::PacketSocket;
use crate::{Error, Link, Packet, arp, ndp};
use std::net::IpAddr;
use std::time::Duration;

/// How often an address is announced: `MAX_NEIGHBOR_ADVERTISEMENT` of RFC 4861 section 10. RFC 5227 asks for two.
pub const ROUNDS: u32 = 3;

/// Announces the addresses of one link to everyone on it.
///
/// It sends from the namespace it was made in. IPv6 addresses should have passed duplicate address detection.
#[derive(Debug)]
pub struct Announcer {
    link: Link,
    socket: PacketSocket,
    packets: Vec<(IpAddr, Packet)>,
}

impl Announcer {
    /// Prepares the packets and opens a socket in the network namespace of the calling thread; sends nothing yet.
    pub fn new(link: Link, addresses: &[IpAddr]) -> Result<Self, Error> {
        let packets = addresses.iter().map(|address| Ok((*address, packet(&link, *address)?)));
        let packets = packets.collect::<Result<_, Error>>()?;
        let socket = PacketSocket::open().map_err(|errno| Error::Open { ifindex: link.ifindex, errno })?;
        Ok(Self { link, socket, packets })
    }

    /// One packet for each address. All are tried; the first failure is returned.
    pub fn announce(&self) -> Result<(), Error> {
        let outcomes: Vec<_> =
            self.packets.iter().map(|(address, packet)| self.send(*address, packet)).collect();
        outcomes.into_iter().collect()
    }

    /// [`ROUNDS`] announcements, the first at once, against loss; ends with the first round that fails. Blocks for the
    /// intervals between them: the RFCs have one or two seconds, which the ADD of a pod cannot spare.
    pub fn announce_repeatedly(&self, interval: Duration) -> Result<(), Error> {
        self.announce()?;
        (1..ROUNDS).try_for_each(|_| {
            self.socket.wait(interval);
            self.announce()
        })
    }

    fn send(&self, address: IpAddr, packet: &Packet) -> Result<(), Error> {
        let ifindex = self.link.ifindex;
        self.socket.send(&self.link, packet).map_err(|errno| Error::Send { ifindex, address, errno })
    }
}

fn packet(link: &Link, address: IpAddr) -> Result<Packet, Error> {
    if address.is_unspecified() || address.is_multicast() || address.is_loopback() {
        return Err(Error::NotUnicast(address));
    }
    Ok(match address {
        IpAddr::V4(address) => arp::announcement(link, address),
        IpAddr::V6(address) => ndp::advertisement(link, address),
    })
}
