//! All that the checks judge.

use std::net::{IpAddr, Ipv6Addr};

use ipnet::IpNet;
use netlink::Dcb;

/// What can be seen of a node, or of a pod on it.
#[derive(Clone, Debug, Default)]
pub struct Sight {
    /// A node's, or a pod's.
    pub whose: Whose,
    /// RDMA devices, by name.
    pub devices: Vec<RdmaDevice>,
    /// Interfaces of the namespace.
    pub netdevs: Vec<Netdev>,
    /// `exclusive` or `shared`.
    pub netns_mode: Option<String>,
    /// What modprobe sets at boot, and the file that says so.
    pub boot_mode: Option<(String, String)>,
    /// Below /dev/infiniband.
    pub chars: Vec<Char>,
    /// GPUs of NVIDIA.
    pub gpus: Vec<Gpu>,
    /// Functions that have VFs now.
    pub pfs: Vec<Pf>,
    /// `nvidia_peermem` is loaded.
    pub peermem: bool,
    /// It has registered with the RDMA core.
    pub memory_peers: bool,
    /// `/proc/driver/nvidia/version`
    pub nvidia_version: Option<String>,
    /// Kernel, `6.8.0-31-generic`.
    pub release: String,
    /// Kinds of IOMMU groups: `DMA`, `DMA-FQ`, `identity`.
    pub iommu: Vec<String>,
    /// How many NUMA nodes.
    pub numa_nodes: usize,
    /// Kubelet's devices: who holds what.
    pub held: Vec<Holder>,
    /// Files of /etc/cni/net.d that runtimes consider, in their order, with the type of their first plugin.
    pub cni: Vec<(String, String)>,
    /// What could not be looked at, and why.
    pub unseen: Vec<String>,
}

/// Whose it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Whose {
    /// All that the node has.
    #[default]
    Node,
    /// What a pod sees.
    Pod,
}

/// An RDMA device.
#[derive(Clone, Debug, Default)]
pub struct RdmaDevice {
    /// `mlx5_0`
    pub name: String,
    /// As sysfs writes it, `0002:c903:0028:7a1c`.
    pub node_guid: String,
    /// Its function; `None` for Soft-RoCE.
    pub pci: Option<Pci>,
    /// Its `uverbsN`.
    pub uverbs: Option<String>,
    /// By number.
    pub ports: Vec<Port>,
}

/// A port.
#[derive(Clone, Debug, Default)]
pub struct Port {
    /// From 1.
    pub number: u32,
    /// `4: ACTIVE`
    pub state: String,
    /// `5: LinkUp`
    pub phys_state: String,
    /// `200 Gb/sec (4X HDR)`
    pub rate: String,
    /// `InfiniBand`, or `Ethernet`.
    pub link_layer: String,
    /// `InfiniBand`: its own address; 0 before the subnet manager gave one.
    pub lid: u32,
    /// And that of the subnet manager.
    pub sm_lid: u32,
    /// Without holes.
    pub gids: Vec<Gid>,
    /// Without holes.
    pub pkeys: Vec<Pkey>,
}

/// An entry of a GID table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gid {
    /// Its place.
    pub index: u32,
    /// The GID.
    pub gid: Ipv6Addr,
    /// `RoCE v2`
    pub kind: String,
    /// Its interface, where that is in this namespace.
    pub netdev: Option<String>,
}

/// An entry of a partition table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pkey {
    /// Its place.
    pub index: u32,
    /// With the bit of full members.
    pub pkey: u16,
}

/// An interface.
#[derive(Clone, Debug, Default)]
pub struct Netdev {
    /// `ens1f0`
    pub name: String,
    /// Bytes.
    pub mtu: u32,
    /// Administratively.
    pub up: bool,
    /// Of all scopes.
    pub addresses: Vec<IpNet>,
    /// What the driver does with priorities.
    pub dcb: Option<Dcb>,
}

/// A PCI function.
#[derive(Clone, Debug, Default)]
pub struct Pci {
    /// `0000:1a:00.0`
    pub address: String,
    /// Interfaces here.
    pub netdevs: Vec<String>,
    /// -1 where the firmware does not tell.
    pub numa: Option<i32>,
    /// Its PF, if it is a VF.
    pub pf: Option<String>,
    /// Interfaces of its PF here.
    pub pf_netdevs: Vec<String>,
    /// Itself, and every bridge up to the root.
    pub path: Vec<Hop>,
}

/// A function or bridge on the way to the root.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hop {
    /// `0000:1a:00.0`
    pub address: String,
    /// `16.0 GT/s PCIe`, now and at best.
    pub speed: Option<(String, String)>,
    /// Lanes, now and at best.
    pub width: Option<(u32, u32)>,
    /// Largest read request, in bytes; `None` where config space could not be read.
    pub read_request: Option<u32>,
    /// The control word of access control services, of a bridge that has them.
    pub acs: Option<u16>,
}

/// A PCI function that has VFs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pf {
    /// `0000:1a:00.0`
    pub address: String,
    /// Interfaces here.
    pub netdevs: Vec<String>,
    /// How many VFs it has now.
    pub vfs: u32,
}

/// A GPU.
#[derive(Clone, Debug, Default)]
pub struct Gpu {
    /// Its function.
    pub pci: Pci,
}

/// A character device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Char {
    /// `uverbs0`
    pub name: String,
    /// Permission bits.
    pub mode: u32,
}

/// Devices that kubelet has given to a container.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Holder {
    /// Of the pod.
    pub uid: String,
    /// `rdma/hca_shared`
    pub resource: String,
    /// PCI addresses among them.
    pub devices: Vec<String>,
    /// Kubelet still has the pod.
    pub alive: bool,
}

impl Sight {
    /// The interface of that name.
    pub fn netdev(&self, name: &str) -> Option<&Netdev> {
        self.netdevs.iter().find(|netdev| netdev.name == name)
    }

    /// How many NICs have RDMA, VFs not counted.
    pub fn rails(&self) -> usize {
        let is_vf = |device: &&RdmaDevice| device.pci.as_ref().is_some_and(|pci| pci.pf.is_some());
        self.devices.iter().filter(|device| !is_vf(device)).count()
    }

    /// Nothing to judge here.
    pub fn has_no_rdma(&self) -> bool {
        self.devices.is_empty()
    }
}

impl RdmaDevice {
    /// A VF that nobody has taken up is no fault, and a device of the node that a pod sees in shared mode is none of the pod's.
    pub fn is_of_no_concern(&self, sight: &Sight) -> bool {
        let is_vf = self.pci.as_ref().is_some_and(|pci| pci.pf.is_some());
        let here = self.netdevs();
        if sight.whose == Whose::Pod {
            let is_own = self.ports.iter().any(Port::is_infiniband)
                && sight.netns_mode.as_deref() == Some("exclusive");
            return here.is_empty() && !is_own;
        }
        let is_up = |name: &String| sight.netdev(name).is_some_and(|netdev| netdev.up);
        is_vf && !here.iter().any(is_up)
    }

    /// Its interfaces here: those of its function, and of its GIDs.
    pub fn netdevs(&self) -> Vec<String> {
        let own = self.pci.iter().flat_map(|pci| pci.netdevs.iter().cloned());
        let of_gids =
            self.ports.iter().flat_map(|port| port.gids.iter().filter_map(|gid| gid.netdev.clone()));
        let mut names: Vec<String> = own.chain(of_gids).collect();
        names.sort_unstable();
        names.dedup();
        names
    }
}

impl Port {
    /// Native, not over Ethernet.
    pub fn is_infiniband(&self) -> bool {
        self.link_layer == "InfiniBand"
    }

    /// `mlx5_0/1`
    pub fn of(&self, device: &RdmaDevice) -> String {
        format!("{}/{}", device.name, self.number)
    }
}

impl Gid {
    /// The address that it stands for; `None` for one made of a GUID or MAC.
    pub fn address(&self) -> Option<IpAddr> {
        if let Some(v4) = self.gid.to_ipv4_mapped() {
            return Some(v4.into());
        }
        (!self.gid.is_unicast_link_local() && !self.gid.is_unspecified()).then_some(self.gid.into())
    }

    /// Routable.
    pub fn is_v2(&self) -> bool {
        self.kind == "RoCE v2"
    }
}
