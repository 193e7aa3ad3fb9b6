use nix::errno::Errno;
use std::net::IpAddr;

/// Why an address was not announced. Announcing is best effort: a caller logs it and goes on.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Neither Ethernet nor `IPoIB`.
    #[error(
        "link {ifindex} has a hardware address of {length} bytes: announcing needs 6 (Ethernet), \
         or 20 with the broadcast address (IPoIB)"
    )]
    HardwareAddress {
        /// The link.
        ifindex: u32,
        /// Bytes in its hardware address.
        length: usize,
    },
    /// An address that no single interface owns.
    #[error("{0} cannot be announced: expected a unicast address of an interface")]
    NotUnicast(IpAddr),
    /// No packet socket: most often `CAP_NET_RAW` is missing.
    #[error("cannot open a packet socket for link {ifindex} (it needs CAP_NET_RAW): {errno}")]
    Open {
        /// The link.
        ifindex: u32,
        /// The kernel's answer.
        errno: Errno,
    },
    /// The kernel did not take a packet: `ENETDOWN` before the link is up, `ENXIO` when it is gone.
    #[error("cannot announce {address} on link {ifindex}: {errno}")]
    Send {
        /// The link.
        ifindex: u32,
        /// The address that was to be announced.
        address: IpAddr,
        /// The kernel's answer.
        errno: Errno,
    },
}
