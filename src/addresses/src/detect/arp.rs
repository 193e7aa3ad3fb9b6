//! ARP as RFC 826 has it, in the frames of Ethernet and of IP over InfiniBand (RFC 4391).

use std::net::Ipv4Addr;

use netlink::HwAddr;
use netlink::link::arphrd::INFINIBAND;

const ETHERTYPE_ARP: [u8; 2] = [0x08, 0x06];
const ETHERTYPE_IPV4: [u8; 2] = [0x08, 0x00];
const REQUEST: [u8; 2] = [0, 1];
/// Hardware type, protocol type, the two lengths, and the operation.
const FIXED: usize = 8;

/// How frames begin on a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Framing {
    hardware_type: u16,
    own: HwAddr,
    everybody: HwAddr,
}

/// Who says, or asks, what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Arp {
    pub(super) is_request: bool,
    pub(super) sender: (HwAddr, Ipv4Addr),
    pub(super) target: Ipv4Addr,
}

impl Framing {
    /// Of a link with broadcast and a hardware address.
    pub(super) fn of(link: &netlink::Link) -> Option<Self> {
        let (own, everybody) = (link.address?, link.broadcast?);
        Some(Self { hardware_type: link.hardware_type, own, everybody })
    }

    pub(super) fn own(&self) -> HwAddr {
        self.own
    }

    /// The probe of RFC 5227, section 2.1.1: a request whose sender has no protocol address yet, so that nobody's table
    /// learns anything from it.
    pub(super) fn probe(&self, target: Ipv4Addr) -> Vec<u8> {
        let mut frame = self.header();
        let own = self.own.as_bytes();
        frame.extend_from_slice(&self.hardware_type.to_be_bytes());
        frame.extend_from_slice(&ETHERTYPE_IPV4);
        frame.push(u8::try_from(own.len()).unwrap_or_default());
        frame.push(4);
        frame.extend_from_slice(&REQUEST);
        frame.extend_from_slice(own);
        frame.extend_from_slice(&Ipv4Addr::UNSPECIFIED.octets());
        frame.resize(frame.len() + own.len(), 0);
        frame.extend_from_slice(&target.octets());
        frame
    }

    /// What a frame of this link says, if it is ARP for IPv4.
    pub(super) fn parse(&self, frame: &[u8]) -> Option<Arp> {
        let (ethertype, arp) = match self.hardware_type {
            INFINIBAND => (frame.get(20..22)?, frame.get(24..)?),
            _ => (frame.get(12..14)?, frame.get(14..)?),
        };
        let length = self.own.as_bytes().len();
        let fixed = arp.get(..FIXED)?;
        let is_ours =
            ethertype == ETHERTYPE_ARP && fixed[2..4] == ETHERTYPE_IPV4 && usize::from(fixed[4]) == length;
        if !is_ours || fixed[5] != 4 {
            return None;
        }
        let rest = arp.get(FIXED..)?;
        let ip = |at: usize| Some(Ipv4Addr::from(*rest.get(at..)?.first_chunk::<4>()?));
        let hardware = HwAddr::new(rest.get(..length)?)?;
        let is_request = fixed[6..8] == REQUEST;
        Some(Arp { is_request, sender: (hardware, ip(length)?), target: ip(2 * length + 4)? })
    }

    /// Ethernet: destination, source, type. `IPoIB`: destination, type, two reserved bytes (`struct ipoib_header` below
    /// the pseudo header of `drivers/infiniband/ulp/ipoib`).
    fn header(&self) -> Vec<u8> {
        let mut header = self.everybody.as_bytes().to_vec();
        if self.hardware_type == INFINIBAND {
            header.extend_from_slice(&ETHERTYPE_ARP);
            header.extend_from_slice(&[0, 0]);
        } else {
            header.extend_from_slice(self.own.as_bytes());
            header.extend_from_slice(&ETHERTYPE_ARP);
        }
        header
    }
}

impl Arp {
    /// Whether whoever sent it has, or wants at this moment, the address that `own` asks for (RFC 5227, section 2.1.1).
    pub(super) fn disputes(&self, wanted: Ipv4Addr, own: HwAddr) -> bool {
        let (hardware, ip) = self.sender;
        let probes_it = self.is_request && ip.is_unspecified() && self.target == wanted;
        hardware != own && (ip == wanted || probes_it)
    }
}

#[cfg(test)]
mod tests;
