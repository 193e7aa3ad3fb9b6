//! A pool that has been validated: every address it offers can be handed out.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;

use crate::{Range, RangeSet};

/// An address family.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Family {
    /// IPv4
    V4,
    /// IPv6
    V6,
}

impl Family {
    /// That of an address.
    pub fn of(ip: IpAddr) -> Self {
        if ip.is_ipv4() { Self::V4 } else { Self::V6 }
    }

    /// `IPv4` or `IPv6`.
    pub fn name(self) -> &'static str {
        match self {
            Self::V4 => "IPv4",
            Self::V6 => "IPv6",
        }
    }
}

/// Addresses of one subnet, and who may have them.
#[derive(Clone, Debug)]
pub struct Pool {
    /// Unique among the pools of a node.
    pub name: String,
    /// Without host bits.
    pub subnet: IpNet,
    /// What may be handed out: `ips` without excluded ones, reserved ones and the gateway.
    pub offered: RangeSet,
    /// The default gateway of the interface.
    pub gateway: Option<IpAddr>,
    /// Beside the connected and the default route.
    pub routes: Vec<PoolRoute>,
    /// Where and for whom the pool may be used.
    pub scope: Scope,
    /// Used when nobody names a pool.
    pub default: bool,
    /// Gives no new addresses.
    pub disabled: bool,
    /// The same pod gets the same address again, over reboots.
    pub sticky: bool,
    /// Seconds for which a released address is left alone while others are free.
    pub rest: u32,
    /// Of a pool of the cluster: what is offered is this node's share.
    pub share: Option<Share>,
    /// Of a sticky pool of the cluster: who is to have which address of the share again, wherever his pod runs. None where nobody
    /// keeps that over nodes.
    pub pins: Option<BTreeMap<IpAddr, String>>,
    pub(crate) withheld: Withheld,
}

/// What is known of the rest of a pool of which this node has a share.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Share {
    /// How many addresses no node had, when the grant was written.
    pub free: Option<u64>,
}

/// A pool without an address left, for messages.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Spent {
    /// Its name.
    pub pool: String,
    /// Its subnet.
    pub subnet: IpNet,
    /// How many addresses it offers here.
    pub offered: u128,
    /// Of a pool of the cluster.
    pub share: Option<Share>,
}

/// Addresses within the subnet that are not offered, each set for one reason.
#[derive(Clone, Debug, Default)]
pub(crate) struct Withheld {
    pub(crate) excluded: RangeSet,
    pub(crate) reserved: RangeSet,
}

/// A route of a pool.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PoolRoute {
    /// The destination, never a default route.
    pub dst: IpNet,
    /// A neighbour: in the pool's subnet, or link-local.
    pub gw: IpAddr,
}

/// The selectors of a pool; an empty list means anybody.
#[derive(Clone, Debug, Default)]
pub struct Scope {
    /// Kubernetes names of nodes.
    pub nodes: Vec<String>,
    /// Kubernetes namespaces of pods.
    pub namespaces: Vec<String>,
    /// Network names, of which only what follows the last `/` is compared.
    pub networks: Vec<String>,
    /// Selectors that only the Kubernetes API can answer.
    pub unanswerable: Vec<&'static str>,
}

impl Pool {
    /// The family of its addresses.
    pub fn family(&self) -> Family {
        Family::of(self.subnet.addr())
    }

    /// An address with the prefix length of the subnet.
    pub fn with_prefix(&self, ip: IpAddr) -> IpNet {
        // The length of a subnet fits every address in it.
        IpNet::new(ip, self.subnet.prefix_len()).unwrap_or_else(|_| ip.into())
    }

    /// Why an address of the subnet is not offered.
    pub(crate) fn objection(&self, ip: IpAddr) -> &'static str {
        match () {
            () if self.gateway == Some(ip) => "the gateway",
            () if unusable(&self.subnet).contains(ip) => no_host(&self.subnet, ip),
            () if self.withheld.reserved.contains(ip) => "a reserved address",
            () if self.withheld.excluded.contains(ip) => "an excluded address",
            () if self.share.is_some() => "not among the addresses that the cluster has granted to this node",
            () => "in the subnet, but in none of the ranges",
        }
    }

    /// Why the pool offers nothing at all.
    pub fn emptiness(&self) -> &'static str {
        match &self.withheld {
            Withheld { excluded, reserved } if excluded.is_empty() && reserved.is_empty() => {
                "it lists no ips"
            }
            _ => "all of its ips are excluded, reserved or no address for a host",
        }
    }

    /// What owners other than this one are to have again.
    pub(crate) fn pinned_for_others(&self, owner: Option<&str>) -> RangeSet {
        let others = self.pins.iter().flatten().filter(|(_, own)| Some(own.as_str()) != owner);
        others.map(|(ip, _)| Range::one(*ip)).collect()
    }

    /// It has no address left.
    pub(crate) fn spent(&self) -> Spent {
        let (offered, share) = (self.offered.len(), self.share);
        Spent { pool: self.name.clone(), subnet: self.subnet, offered, share }
    }

    /// Takes reserved addresses out of the offer.
    pub(crate) fn reserve(&mut self, reserved: &RangeSet) {
        self.withheld.reserved = self.offered.common(reserved);
        self.offered = self.offered.without(reserved);
    }
}

impl fmt::Display for Spent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "pool {:?} ({})", self.pool, self.subnet)?;
        let Some(share) = self.share else { return Ok(()) };
        write!(f, " of which this node has {}", self.offered)?;
        share.free.map_or(Ok(()), |free| write!(f, ", and no node had {free} at the last grant"))
    }
}

impl Scope {
    /// The more specific, the greater: a node beats a namespace beats a network.
    pub(crate) fn rank(&self) -> (bool, bool, bool) {
        (!self.nodes.is_empty(), !self.namespaces.is_empty(), !self.networks.is_empty())
    }
}

/// The addresses of a subnet that no host can have. IPv4: its own and the broadcast address (RFC 3021: not in a /31). IPv6:
/// its own, which every router of it answers to (RFC 4291, 2.6.1; RFC 6164: not in a /127).
pub(crate) fn unusable(subnet: &IpNet) -> RangeSet {
    match subnet {
        IpNet::V4(net) if net.prefix_len() < 31 => {
            [net.network(), net.broadcast()].into_iter().map(|ip| Range::one(IpAddr::V4(ip))).collect()
        }
        IpNet::V6(net) if net.prefix_len() < 127 => Range::one(net.network().into()).into(),
        _ => RangeSet::default(),
    }
}

fn no_host(subnet: &IpNet, ip: IpAddr) -> &'static str {
    match subnet {
        IpNet::V6(_) => "the subnet-router anycast address",
        IpNet::V4(net) if net.network() == ip => "the network's own address",
        IpNet::V4(_) => "the broadcast address",
    }
}

/// Reached by its link alone, wherever the subnet is: `fe80::1`, `169.254.1.1`.
pub(crate) fn is_link_local(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_unicast_link_local(),
    }
}
