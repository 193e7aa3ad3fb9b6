pub use netlink_packet_route::link::{
    BondMode, IpVlanFlags, IpVlanMode, IpoibMode, MacVlanMode, VlanProtocol,
};

// include/uapi/linux/if_link.h: what `IFLA_INFO_DATA` holds, kind by kind.
pub(super) const IFLA_MACVLAN_MODE: u16 = 1;
pub(super) const IFLA_MACVLAN_BC_QUEUE_LEN: u16 = 7;
pub(super) const IFLA_IPVLAN_MODE: u16 = 1;
pub(super) const IFLA_IPVLAN_FLAGS: u16 = 2;
pub(super) const IFLA_VLAN_ID: u16 = 1;
pub(super) const IFLA_VLAN_PROTOCOL: u16 = 5;
pub(super) const IFLA_BOND_MODE: u16 = 1;
pub(super) const IFLA_IPOIB_PKEY: u16 = 1;
pub(super) const IFLA_IPOIB_MODE: u16 = 2;
pub(super) const IFLA_IPOIB_UMCAST: u16 = 3;

/// What a link is (`IFLA_LINKINFO`).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LinkKind {
    /// Made by a driver for a device: a NIC, a VF, `lo`.
    Device,
    /// `macvlan`
    Macvlan(Macvlan),
    /// `ipvlan`
    Ipvlan(Ipvlan),
    /// `vlan`
    Vlan(Vlan),
    /// `bond`
    Bond(Bond),
    /// `ipoib`, parent and child alike.
    Ipoib(Ipoib),
    /// `veth`
    Veth,
    /// `bridge`
    Bridge,
    /// `dummy`
    Dummy,
    /// Any other, by the kernel's name of it.
    Other(String),
}

/// A macvlan link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Macvlan {
    /// How the links of one parent see each other.
    pub mode: MacVlanMode,
    /// Length of the broadcast queue that is asked for (Linux 5.11); the parent uses the longest of its links.
    pub bc_queue_len: Option<u32>,
}

/// An ipvlan link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ipvlan {
    /// l2, l3 or l3s
    pub mode: IpVlanMode,
    /// Empty for bridge, or private, or vepa.
    pub flags: IpVlanFlags,
}

/// A VLAN link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vlan {
    /// 1 to 4094
    pub id: u16,
    /// 802.1Q or 802.1ad
    pub protocol: VlanProtocol,
}

/// A bond.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Bond {
    /// The policy.
    pub mode: BondMode,
    /// Everything else, as far as it is asked for or the kernel tells it.
    pub options: Vec<BondOption>,
}

/// One option of a bond.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BondOption {
    /// `IFLA_BOND_*` (`include/uapi/linux/if_link.h`)
    pub attribute: u16,
    /// The value as the kernel has it, in the byte order of the machine.
    pub value: Vec<u8>,
}

/// An IP-over-InfiniBand link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ipoib {
    /// Partition; bit 15 is full membership. `None` asks for the parent's.
    pub pkey: Option<u16>,
    /// Datagram or connected; `None` leaves it to the driver.
    pub mode: Option<IpoibMode>,
    /// Whether user space takes part in multicast groups.
    pub umcast: Option<bool>,
}

impl Macvlan {
    /// A macvlan of that mode, with the kernel's queue length.
    pub fn new(mode: MacVlanMode) -> Self {
        Self { mode, bc_queue_len: None }
    }
}

impl LinkKind {
    /// The kernel's name of the kind; empty for a device.
    pub fn name(&self) -> &str {
        match self {
            Self::Device => "",
            Self::Macvlan(_) => "macvlan",
            Self::Ipvlan(_) => "ipvlan",
            Self::Vlan(_) => "vlan",
            Self::Bond(_) => "bond",
            Self::Ipoib(_) => "ipoib",
            Self::Veth => "veth",
            Self::Bridge => "bridge",
            Self::Dummy => "dummy",
            Self::Other(name) => name,
        }
    }
}
