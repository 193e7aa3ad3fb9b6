use crate::Error;
use std::net::Ipv6Addr;

const ARPHRD_ETHER: u16 = 1;
const ARPHRD_INFINIBAND: u16 = 32;

/// The link that packets leave by, with its hardware address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    pub(crate) ifindex: u32,
    layer: Layer,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Layer {
    Ethernet { address: [u8; 6] },
    Infiniband { address: [u8; 20], broadcast: [u8; 20] },
}

impl Link {
    /// An Ethernet link (veth, macvlan, ipvlan, VF) with its six-byte address.
    pub fn ethernet(ifindex: u32, address: &[u8]) -> Result<Self, Error> {
        let address = exactly(ifindex, address)?;
        Ok(Self { ifindex, layer: Layer::Ethernet { address } })
    }

    /// An `IPoIB` link: both addresses have 20 bytes; the broadcast one carries the partition and the scope
    /// (RFC 4391 section 4).
    pub fn infiniband(ifindex: u32, address: &[u8], broadcast: &[u8]) -> Result<Self, Error> {
        let (address, broadcast) = (exactly(ifindex, address)?, exactly(ifindex, broadcast)?);
        Ok(Self { ifindex, layer: Layer::Infiniband { address, broadcast } })
    }

    pub(crate) fn address(&self) -> &[u8] {
        match &self.layer {
            Layer::Ethernet { address } => address,
            Layer::Infiniband { address, .. } => address,
        }
    }

    pub(crate) fn broadcast(&self) -> Vec<u8> {
        match &self.layer {
            Layer::Ethernet { .. } => vec![0xff; 6],
            Layer::Infiniband { broadcast, .. } => broadcast.to_vec(),
        }
    }

    /// Where a multicast group lives: RFC 2464 section 7, RFC 4391 section 4.
    pub(crate) fn multicast(&self, group: Ipv6Addr) -> Vec<u8> {
        let group = group.octets();
        match &self.layer {
            Layer::Ethernet { .. } => [&[0x33, 0x33], &group[12..]].concat(),
            Layer::Infiniband { broadcast, .. } => {
                // QPN of multicast, then a GID: the broadcast group's scope and P_Key with IPv6's signature.
                let scope = 0x10 | (broadcast[5] & 0x0f);
                let head = [0x00, 0xff, 0xff, 0xff, 0xff, scope, 0x60, 0x1b, broadcast[8], broadcast[9]];
                [&head[..], &group[6..]].concat()
            }
        }
    }

    /// The hardware type of ARP: RFC 826, RFC 4391 section 9.1.1.
    pub(crate) fn hardware_type(&self) -> u16 {
        match &self.layer {
            Layer::Ethernet { .. } => ARPHRD_ETHER,
            Layer::Infiniband { .. } => ARPHRD_INFINIBAND,
        }
    }

    /// The link-layer address as NDP options carry it: RFC 2464 section 6; RFC 4391 section 9.3 puts two zero bytes
    /// before it, so that the option is a multiple of eight.
    pub(crate) fn option_value(&self) -> Vec<u8> {
        match &self.layer {
            Layer::Ethernet { address } => address.to_vec(),
            Layer::Infiniband { address, .. } => [&[0, 0], &address[..]].concat(),
        }
    }
}

fn exactly<const N: usize>(ifindex: u32, bytes: &[u8]) -> Result<[u8; N], Error> {
    bytes.try_into().map_err(|_| Error::HardwareAddress { ifindex, length: bytes.len() })
}
