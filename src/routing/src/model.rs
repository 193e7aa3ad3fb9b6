use std::collections::BTreeSet;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

/// `RTPROT_*` of every rule and route that is ours.
pub(super) const PROTOCOL: u8 = 211;
/// `RT_TABLE_MAIN`
pub(super) const MAIN: u32 = 254;
/// The rule of table T has this much more: before main's 32766, after what people number by hand.
pub(super) const PRIORITY_BASE: u32 = 10_000;

/// The pod's end of its own veth pair with the node (mode underlay); the name that Spiderpool gives it, too.
pub(super) const POD_VETH: &str = "veth0";

/// `RTPROT_REDIRECT`
const REDIRECT: u8 = 1;
/// `RTPROT_RA`
const ADVERTISED: u8 = 9;
/// The kernel renews and expires these itself.
const KERNELS_OWN: [u8; 2] = [REDIRECT, ADVERTISED];

/// A unicast route with one nexthop. Equal in every field means the same route in the kernel.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Route {
    pub(super) dst: IpNet,
    pub(super) table: u32,
    pub(super) protocol: u8,
    pub(super) scope: u8,
    pub(super) priority: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) gateway: Option<IpAddr>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) src: Option<IpAddr>,
    /// Index of the link; 0 for a route of several, which belongs to nobody.
    pub(super) dev: u32,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) onlink: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) mtu: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) advmss: Option<u32>,
}

/// A rule that looks at the source, or at the mark of whatever source (a prefix of length 0).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Rule {
    pub(super) src: IpNet,
    /// Bits that have to be set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) mark: Option<u32>,
    pub(super) table: u32,
    pub(super) priority: u32,
    pub(super) protocol: u8,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Link {
    pub(super) index: u32,
    pub(super) name: String,
    /// 6 bytes, or nothing that a prefix could be put before.
    pub(super) mac: Option<[u8; 6]>,
    pub(super) tx_queue_len: u32,
    /// `rp_filter`, `arp_announce` and `arp_ignore` of the link itself; `None` where IPv4 is not set up on it.
    pub(super) ipv4: Option<Ipv4>,
    /// The other end, of a veth.
    pub(super) peer: Option<u32>,
}

/// Settings of a link below net.ipv4.conf.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Ipv4 {
    pub(super) rp_filter: u32,
    pub(super) arp_announce: u32,
    pub(super) arp_ignore: u32,
}

/// The node's end of the pod's way to it, and the addresses that the node goes by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct NodeEnd {
    pub(super) index: u32,
    pub(super) ifname: String,
    pub(super) mac: [u8; 6],
    /// MAC of the pod's end.
    pub(super) pod_mac: [u8; 6],
    /// First those from which the node itself would speak to the pod.
    pub(super) hosts: Vec<IpAddr>,
}

/// The pod as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct View {
    pub(super) links: Vec<Link>,
    /// Link and address with its prefix, in the kernel's order.
    pub(super) addresses: Vec<(u32, IpNet)>,
    /// All tables; routes that are equal but for the nexthop in the kernel's order.
    pub(super) routes: Vec<Route>,
    pub(super) rules: Vec<Rule>,
    /// Tables that rules and routes of other forms refer to.
    pub(super) other_tables: Vec<u32>,
    /// `net.ipv4.conf.all.rp_filter`
    pub(super) rp_filter: String,
    /// `None` where there is no veth pair between the two.
    pub(super) node: Option<NodeEnd>,
}

impl View {
    /// To be asked for many routes: a pod may have ten thousand.
    pub(super) fn route_set(&self) -> BTreeSet<&Route> {
        self.routes.iter().collect()
    }
}

impl Route {
    pub(super) fn is_v6(&self) -> bool {
        self.dst.addr().is_ipv6()
    }

    pub(super) fn is_default(&self) -> bool {
        self.dst.prefix_len() == 0
    }

    /// Neither the kernel's own business nor bound to the link by its nature.
    pub(super) fn is_movable(&self) -> bool {
        !self.is_bound() && !KERNELS_OWN.contains(&self.protocol)
    }

    /// A router has said so. It stays in main, for the kernel to renew, and counts in its link's table as any other.
    pub(super) fn is_advertised(&self) -> bool {
        !self.is_bound() && self.protocol == ADVERTISED
    }

    fn is_bound(&self) -> bool {
        match self.dst {
            IpNet::V4(net) => net.addr().is_multicast(),
            IpNet::V6(net) => net.addr().is_unicast_link_local() || net.addr().is_multicast(),
        }
    }

    /// The same, as ours, in another table.
    pub(super) fn copy_to(&self, table: u32) -> Self {
        Self { table, protocol: PROTOCOL, ..self.clone() }
    }

    /// The same straight on the link.
    pub(super) fn without_gateway(self) -> Self {
        /// `RT_SCOPE_LINK`; IPv6 has no scopes.
        const LINK: u8 = 253;
        let scope = if self.is_v6() { self.scope } else { LINK };
        Self { gateway: None, onlink: false, scope, ..self }
    }

    /// Equal but for the nexthop: the kernel keeps one order among these, or makes one route of them.
    pub(super) fn rivals(&self, other: &Self) -> bool {
        (self.dst, self.table, self.priority) == (other.dst, other.table, other.priority)
    }

    /// Equal but for who added it.
    pub(super) fn leads_as(&self, other: &Self) -> bool {
        (&self.dst, self.table, self.gateway, self.dev) == (&other.dst, other.table, other.gateway, other.dev)
    }
}

impl Rule {
    pub(super) fn new(address: IpAddr, table: u32) -> Self {
        Self { src: address.into(), mark: None, table, priority: PRIORITY_BASE + table, protocol: PROTOCOL }
    }

    /// For all packets of a family that carry `mark`.
    pub(super) fn marked(is_v6: bool, mark: u32, table: u32) -> Self {
        Self {
            src: any_of(is_v6),
            mark: Some(mark),
            table,
            priority: PRIORITY_BASE + table,
            protocol: PROTOCOL,
        }
    }
}

impl View {
    pub(super) fn link(&self, name: &str) -> Option<&Link> {
        self.links.iter().find(|link| link.name == name)
    }

    /// The pod's end of its own veth pair with the node.
    pub(super) fn pod_veth(&self) -> Option<&Link> {
        self.link(POD_VETH).filter(|link| link.peer.is_some())
    }

    pub(super) fn has(&self, index: u32) -> bool {
        self.links.iter().any(|link| link.index == index)
    }

    /// For messages.
    pub(super) fn name(&self, index: u32) -> String {
        let link = self.links.iter().find(|link| link.index == index);
        link.map_or_else(|| format!("link {index}"), |link| link.name.clone())
    }

    /// Global addresses of a link. Link-local ones need no policy: their link is part of them.
    pub(super) fn addresses_of(&self, index: u32) -> impl Iterator<Item = IpNet> + '_ {
        let of_link = move |&&(link, net): &&(u32, IpNet)| link == index && !is_link_local(net.addr());
        self.addresses.iter().filter(of_link).map(|&(_, net)| net)
    }

    /// Whether the pod has a global address of the family.
    pub(super) fn has_family(&self, is_v6: bool) -> bool {
        self.addresses.iter().any(|(_, net)| net.addr().is_ipv6() == is_v6 && !is_link_local(net.addr()))
    }

    pub(super) fn main_defaults(&self) -> impl Iterator<Item = &Route> {
        self.routes.iter().filter(|route| route.table == MAIN && route.is_default() && route.is_movable())
    }

    /// Whether `host` is the link's own gateway, or in one of its subnets.
    pub(super) fn is_beside(&self, index: u32, host: IpAddr) -> bool {
        self.main_defaults().any(|route| route.dev == index && route.gateway == Some(host))
            || self.addresses_of(index).any(|net| net.contains(&host))
    }

    /// Whether `gateway` answers on the link itself, by main's connected routes.
    pub(super) fn reaches(&self, index: u32, gateway: IpAddr) -> bool {
        let connected = |route: &&Route| route.dev == index && route.table == MAIN && route.gateway.is_none();
        is_link_local_v6(gateway)
            || self.routes.iter().filter(connected).any(|route| route.dst.contains(&gateway))
    }

    pub(super) fn describe(&self, route: &Route) -> Description<'_> {
        Description { view: self, route: route.clone() }
    }
}

/// The default route's destination.
pub(super) fn any_of(is_v6: bool) -> IpNet {
    let address: IpAddr = if is_v6 { Ipv6Addr::UNSPECIFIED.into() } else { Ipv4Addr::UNSPECIFIED.into() };
    IpNet::new_assert(address, 0)
}

pub(super) fn is_link_local(address: IpAddr) -> bool {
    is_link_local_v6(address) || matches!(address, IpAddr::V4(v4) if v4.is_link_local() || v4.is_loopback())
}

fn is_link_local_v6(address: IpAddr) -> bool {
    matches!(address, IpAddr::V6(v6) if v6.is_unicast_link_local() || v6.is_loopback())
}

/// A route as `ip route` prints it.
pub(super) struct Description<'a> {
    view: &'a View,
    route: Route,
}

impl fmt::Display for Description<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Route { dst, gateway, dev, table, .. } = &self.route;
        match dst.prefix_len() {
            0 => f.write_str("default")?,
            _ => write!(f, "{dst}")?,
        }
        if let Some(gateway) = gateway {
            write!(f, " via {gateway}")?;
        }
        write!(
            f,
            " dev {} table {}",
            self.view.name(*dev),
            if *table == MAIN { "main".to_owned() } else { table.to_string() }
        )
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.mark {
            None => write!(f, "rule {}: from {} lookup {}", self.priority, self.src.addr(), self.table),
            Some(mark) => {
                write!(f, "rule {}: from all fwmark {mark:#x} lookup {}", self.priority, self.table)
            }
        }
    }
}
