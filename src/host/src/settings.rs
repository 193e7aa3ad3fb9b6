use std::net::IpAddr;

use ipnet::IpNet;
use sysfs::Bdf;

use crate::classes::{Memory, Shares};
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
    /// The names of functions' interfaces, also of those that are still to come.
    pub names: Vec<(Bdf, String)>,
    /// Lossless traffic classes, the same on every NIC.
    pub roce: Option<Roce>,
    /// How traffic classes share the line, the same on every NIC.
    pub ets: Option<Shares>,
    /// Memory of priorities, the same on every NIC.
    pub buffers: Option<Memory>,
}

/// One NIC.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Nic {
    /// The interface.
    pub name: String,
    /// The function that is to have the interface of that name.
    pub pci: Option<Bdf>,
    /// What its port is to be.
    pub link_type: Option<LinkType>,
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

/// What a port is: its firmware decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkType {
    /// With `RoCE`.
    Ethernet,
    /// With `IPoIB`.
    InfiniBand,
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
