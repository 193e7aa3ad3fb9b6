use netlink_packet_route::link::{LinkFlags, State};

use super::ipv4::Ipv4Conf;
use super::kind::LinkKind;
use super::offload::{Limits, XdpMode};
use crate::hwaddr::HwAddr;

/// A link as the kernel describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Index in its namespace.
    pub index: u32,
    /// Name, at most 15 bytes.
    pub name: String,
    /// Alternative names, each at most 127 bytes.
    pub alt_names: Vec<String>,
    /// `IFLA_IFALIAS`: free text, at most 255 bytes.
    pub alias: Option<String>,
    /// What it is.
    pub kind: LinkKind,
    /// One of [`arphrd`](super::arphrd).
    pub hardware_type: u16,
    /// MTU in bytes.
    pub mtu: u32,
    /// Greatest MTU the driver takes; `None` if it does not say.
    pub max_mtu: Option<u32>,
    /// Hardware address; `None` if there is none, or of an unusual length.
    pub address: Option<HwAddr>,
    /// Address of all stations; on InfiniBand the group of all, with the partition in it.
    pub broadcast: Option<HwAddr>,
    /// Address burnt into the device.
    pub perm_address: Option<HwAddr>,
    /// `IFF_*`
    pub flags: LinkFlags,
    /// RFC 2863 state.
    pub oper_state: State,
    /// Link it sits on (`IFLA_LINK`), an index in the namespace of `parent_netnsid`.
    pub parent: Option<u32>,
    /// Id, in this namespace, of the parent's namespace; `None` if it is this one.
    pub parent_netnsid: Option<i32>,
    /// Bond or bridge it belongs to.
    pub master: Option<u32>,
    /// Group, 0 unless set.
    pub group: u32,
    /// Length of the transmit queue.
    pub tx_queue_len: u32,
    /// `IFLA_LINKMODE`: 0 default, 1 dormant.
    pub link_mode: u8,
    /// How large the stack builds packets for it.
    pub limits: Limits,
    /// The ways in which XDP programs are attached to it.
    pub xdp: Vec<XdpMode>,
    /// How many have asked for promiscuous mode.
    pub promiscuity: u32,
    /// The device that it represents, as in `0000:03:00.2` (Linux 5.14).
    pub device: Option<String>,
    /// IPv4 settings, see [`Link::ipv4`]; `None` where IPv4 is not set up on the link.
    pub ipv4_conf: Option<[u32; 3]>,
    /// Port name of a representor, as in `pf0vf2`.
    pub phys_port_name: Option<String>,
}

impl Link {
    /// An IPv4 setting; `None` where IPv4 is not set up on the link.
    pub fn ipv4(&self, setting: Ipv4Conf) -> Option<u32> {
        let place = Ipv4Conf::ALL.iter().position(|other| *other == setting)?;
        self.ipv4_conf.map(|values| values[place])
    }

    /// Administratively up.
    pub fn is_up(&self) -> bool {
        self.flags.contains(LinkFlags::Up)
    }

    /// Able to carry packets: up, with carrier, and not dormant.
    pub fn is_running(&self) -> bool {
        self.flags.contains(LinkFlags::Running)
    }

    /// Whether there is a carrier.
    pub fn has_carrier(&self) -> bool {
        self.flags.contains(LinkFlags::LowerUp)
    }

    /// Set promiscuous by hand; see `promiscuity` for those that do it behind the scenes.
    pub fn is_promisc(&self) -> bool {
        self.flags.contains(LinkFlags::Promisc)
    }

    /// Whether all multicast is received.
    pub fn is_allmulti(&self) -> bool {
        self.flags.contains(LinkFlags::Allmulti)
    }

    /// Whether this is its name or one of its alternative names.
    pub fn is_called(&self, name: &str) -> bool {
        self.name == name || self.alt_names.iter().any(|alt_name| alt_name == name)
    }
}
