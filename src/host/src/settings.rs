use std::net::IpAddr;

use ipnet::IpNet;

use crate::roce::Roce;

/// How the node's NICs are to be. Made by [`parse`](crate::parse) only, and so valid in itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// Who sees which RDMA device, now and after a boot.
    pub rdma_mode: Option<RdmaMode>,
    /// What is reached by the rails, one prefix of a family at most: everything else stays off them.
    pub rdma_subnets: Vec<IpNet>,
    /// In the order of the file.
    pub nics: Vec<Nic>,
    /// Lossless traffic classes, the same on every NIC.
    pub roce: Option<Roce>,
}

/// One NIC.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Nic {
    /// The interface.
    pub name: String,
    /// With the lengths of their subnets.
    pub addresses: Vec<IpNet>,
    /// One of a family at most, each in the subnet of an address.
    pub gateways: Vec<IpAddr>,
    /// Of the PF and its VFs.
    pub mtu: Option<u32>,
    /// The NIC's own table, if it has policy routing.
    pub table: Option<u32>,
    /// It leads to the RDMA subnets.
    pub rdma_route: bool,
    /// How many VFs.
    pub vfs: Option<u32>,
    /// Whether drivers take VFs by themselves.
    pub vf_autoprobe: Option<bool>,
    /// The switch that it is to be plugged into, by name or chassis: for `railctl doctor` alone.
    pub leaf: Option<String>,
}

/// Who sees which RDMA device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RdmaMode {
    /// Each namespace its own.
    Exclusive,
    /// All of them.
    Shared,
}

impl RdmaMode {
    /// As `rdma system` has it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Exclusive => "exclusive",
            Self::Shared => "shared",
        }
    }

    /// The value of the module parameter `ib_core.netns_mode`.
    pub(crate) fn parameter(self) -> u8 {
        match self {
            Self::Exclusive => 0,
            Self::Shared => 1,
        }
    }
}

impl Nic {
    /// Of that family.
    pub fn gateway(&self, v6: bool) -> Option<IpAddr> {
        self.gateways.iter().copied().find(|gateway| gateway.is_ipv6() == v6)
    }
}
