//! A router that advertises itself, without radvd.

use crate::mounts::must;
use crate::space::Space;
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrStorage, sendto, setsockopt, socket,
    sockopt::Ipv6MulticastHops,
};
use std::net::{Ipv6Addr, SocketAddr, SocketAddrV6};
use std::os::fd::AsRawFd;

/// A link's nodes hear it only from a neighbour (RFC 4861, section 6.1.2).
const HOPS: i32 = 255;
const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);

impl Space {
    /// One router advertisement on `ifname`: a default route by this namespace, and `prefix`/64 for addresses of one's own.
    pub fn advertise(&self, ifname: &str, prefix: Ipv6Addr) {
        let to = SocketAddrV6::new(ALL_NODES, 0, 0, self.ifindex(ifname));
        let sent = self.run(|| {
            let socket =
                socket(AddressFamily::Inet6, SockType::Raw, SockFlag::SOCK_CLOEXEC, SockProtocol::IcmpV6)?;
            setsockopt(&socket, Ipv6MulticastHops, &HOPS)?;
            let to = SockaddrStorage::from(SocketAddr::V6(to));
            sendto(socket.as_raw_fd(), &advertisement(prefix), &to, MsgFlags::empty())
        });
        must("send a router advertisement", sent);
    }
}

/// RFC 4861, sections 4.2 and 4.6.2; the kernel fills in the checksum.
fn advertisement(prefix: Ipv6Addr) -> Vec<u8> {
    let (hop_limit, flags, lifetime) = (64, 0, 1800_u16.to_be_bytes());
    let mut packet = vec![134, 0, 0, 0, hop_limit, flags, lifetime[0], lifetime[1]];
    packet.extend([0; 8]);
    let (kind, eight_bytes, length, on_link_and_autonomous) = (3, 4, 64, 0xc0);
    packet.extend([kind, eight_bytes, length, on_link_and_autonomous]);
    packet.extend(3600_u32.to_be_bytes());
    packet.extend(3600_u32.to_be_bytes());
    packet.extend([0; 4]);
    packet.extend(prefix.octets());
    packet
}
