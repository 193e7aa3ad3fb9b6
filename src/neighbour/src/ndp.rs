use crate::{Link, Packet};
use std::net::Ipv6Addr;

const ETHERTYPE_IPV6: u16 = 0x86dd;
const ICMPV6: u8 = 58;
const NEIGHBOUR_ADVERTISEMENT: u8 = 136;
const OVERRIDE: u8 = 0x20;
const TARGET_LINK_LAYER_ADDRESS: u8 = 2;
/// Receivers drop a packet that a router has forwarded (RFC 4861 section 7.1.2).
const HOP_LIMIT: u8 = 255;
const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);

/// An unsolicited neighbour advertisement to all nodes, with the override flag (RFC 4861 sections 4.4 and 7.2.6).
///
/// The source is the announced address itself, as the kernel's own has it: it is the one known to be on the link.
pub(crate) fn advertisement(link: &Link, address: Ipv6Addr) -> Packet {
    let message = message(link, address);
    let mut payload = header(address, ALL_NODES, &message);
    payload.extend(message);
    Packet { ethertype: ETHERTYPE_IPV6, destination: link.multicast(ALL_NODES), payload }
}

fn message(link: &Link, address: Ipv6Addr) -> Vec<u8> {
    let value = link.option_value();
    let mut message = vec![NEIGHBOUR_ADVERTISEMENT, 0, 0, 0, OVERRIDE, 0, 0, 0];
    message.extend(address.octets());
    message.extend([TARGET_LINK_LAYER_ADDRESS, eights(2 + value.len())]);
    message.extend(value);
    let checksum = checksum(address, ALL_NODES, &message);
    message[2..4].copy_from_slice(&checksum.to_be_bytes());
    message
}

fn header(source: Ipv6Addr, destination: Ipv6Addr, message: &[u8]) -> Vec<u8> {
    let mut header = vec![0x60, 0, 0, 0];
    header.extend(length(message).to_be_bytes());
    header.extend([ICMPV6, HOP_LIMIT]);
    header.extend(source.octets());
    header.extend(destination.octets());
    header
}

/// The length of an option in units of eight bytes: 1 or 3.
fn eights(bytes: usize) -> u8 {
    u8::try_from(bytes / 8).unwrap_or(u8::MAX)
}

/// 32 or 48.
fn length(message: &[u8]) -> u16 {
    u16::try_from(message.len()).unwrap_or(u16::MAX)
}

/// Over the pseudo header of RFC 8200 section 8.1 and the message, whose length is even.
fn checksum(source: Ipv6Addr, destination: Ipv6Addr, message: &[u8]) -> u16 {
    let pseudo =
        [&source.octets()[..], &destination.octets(), &length(message).to_be_bytes(), &[0, ICMPV6]].concat();
    let pairs = pseudo.chunks_exact(2).chain(message.chunks_exact(2));
    !pairs.fold(0, |sum: u16, pair| {
        let (sum, carry) = sum.overflowing_add(u16::from_be_bytes([pair[0], pair[1]]));
        sum + u16::from(carry)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADDRESS: Ipv6Addr = Ipv6Addr::new(0xfd00, 0x16, 1, 0, 0, 0, 0, 0x20);

    #[test]
    fn ethernet_advertisement_overrides_and_names_the_address_twice() {
        let link = Link::ethernet(7, &[2, 0, 0, 0, 0, 9]).unwrap();
        let packet = advertisement(&link, ADDRESS);
        assert_eq!((packet.ethertype, packet.destination), (0x86dd, vec![0x33, 0x33, 0, 0, 0, 1]));
        assert_eq!(packet.payload[..8], [0x60, 0, 0, 0, 0, 32, 58, 255]);
        assert_eq!(packet.payload[8..24], ADDRESS.octets());
        assert_eq!(packet.payload[24..40], ALL_NODES.octets());
        assert_eq!(packet.payload[40..42], [136, 0]);
        assert_eq!(packet.payload[44..48], [0x20, 0, 0, 0]);
        assert_eq!(packet.payload[48..64], ADDRESS.octets());
        assert_eq!(packet.payload[64..], [2, 1, 2, 0, 0, 0, 0, 9]);
    }

    #[test]
    fn checksum_makes_the_sum_of_all_words_vanish() {
        let link = Link::ethernet(7, &[2, 0, 0, 0, 0, 9]).unwrap();
        let packet = advertisement(&link, ADDRESS);
        assert_eq!(checksum(ADDRESS, ALL_NODES, &packet.payload[40..]), 0);
    }

    #[test]
    fn ipoib_advertisement_goes_to_the_group_of_its_partition() {
        let mut broadcast = [0xff; 20];
        broadcast[..10].copy_from_slice(&[0, 0xff, 0xff, 0xff, 0xff, 0x12, 0x40, 0x1b, 0x80, 0x05]);
        let link = Link::infiniband(7, &[7; 20], &broadcast).unwrap();
        let packet = advertisement(&link, ADDRESS);
        assert_eq!(packet.destination[..10], [0, 0xff, 0xff, 0xff, 0xff, 0x12, 0x60, 0x1b, 0x80, 0x05]);
        assert_eq!(packet.destination[10..], ALL_NODES.octets()[6..]);
        assert_eq!(packet.payload[4..6], [0, 48]);
        assert_eq!(packet.payload[64..68], [2, 3, 0, 0]);
        assert_eq!(packet.payload[68..], [7; 20]);
    }
}
