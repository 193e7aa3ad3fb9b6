use crate::{Link, Packet};
use std::net::Ipv4Addr;

const ETHERTYPE_ARP: u16 = 0x0806;
const ETHERTYPE_IPV4: u16 = 0x0800;
const REQUEST: u16 = 1;

/// An ARP announcement: a broadcast request with our address as sender and target (RFC 5227 section 2.3).
///
/// A request and not a reply, for the reasons of RFC 5227 section 3: by RFC 826 a receiver updates its entry before it
/// looks at the operation, and hosts that drop a reply they did not ask for still do so. Linux takes
/// both (`arp_process` in net/ipv4/arp.c), and a second form would double the broadcasts for no one.
pub(crate) fn announcement(link: &Link, address: Ipv4Addr) -> Packet {
    let hardware = link.address();
    let mut payload = Vec::with_capacity(16 + 2 * hardware.len());
    payload.extend(link.hardware_type().to_be_bytes());
    payload.extend(ETHERTYPE_IPV4.to_be_bytes());
    payload.extend([length(hardware), 4]);
    payload.extend(REQUEST.to_be_bytes());
    payload.extend(hardware);
    payload.extend(address.octets());
    payload.extend(vec![0; hardware.len()]);
    payload.extend(address.octets());
    Packet { ethertype: ETHERTYPE_ARP, destination: link.broadcast(), payload }
}

/// 6 or 20, by the construction of a link.
fn length(hardware: &[u8]) -> u8 {
    u8::try_from(hardware.len()).unwrap_or(u8::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ethernet_announcement_is_a_broadcast_request_for_itself() {
        let link = Link::ethernet(7, &[2, 0, 0, 0, 0, 9]).unwrap();
        let packet = announcement(&link, Ipv4Addr::new(172, 16, 1, 20));
        assert_eq!((packet.ethertype, packet.destination), (0x0806, vec![0xff; 6]));
        let expected: [u8; 28] = [
            0, 1, 8, 0, 6, 4, 0, 1, // Ethernet, IPv4, lengths, request
            2, 0, 0, 0, 0, 9, 172, 16, 1, 20, // sender
            0, 0, 0, 0, 0, 0, 172, 16, 1, 20, // target
        ];
        assert_eq!(packet.payload, expected);
    }

    #[test]
    fn ipoib_announcement_has_twenty_byte_addresses() {
        let (address, broadcast) = ([7; 20], [0xaa; 20]);
        let link = Link::infiniband(7, &address, &broadcast).unwrap();
        let packet = announcement(&link, Ipv4Addr::new(10, 0, 0, 1));
        assert_eq!(packet.destination, broadcast);
        assert_eq!(packet.payload[..8], [0, 32, 8, 0, 20, 4, 0, 1]);
        assert_eq!(packet.payload[8..28], address);
        assert_eq!(packet.payload.len(), 8 + 2 * 24);
    }
}
