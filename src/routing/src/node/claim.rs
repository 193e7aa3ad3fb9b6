//! Whether an address is the pod's to have. The node's own traffic follows what is written down here, so an address that
//! the node uses otherwise would take that traffic into the pod.

use std::net::IpAddr;

use attach::{Error, Pod};
use netlink::{Link, Neighbour, RouteFilter, RouteKind, RouteLookup};
use state::Dirs;
use sysfs::Root;

use super::OnNode;
use crate::model::PROTOCOL;
use crate::{Failure, record};

/// The addresses of one NIC, before the node is led to them.
pub(crate) struct Claim<'a> {
    pub(crate) part: &'a OnNode,
    /// The NIC as it is in the pod.
    pub(crate) nic: Link,
    /// That of the host, by the pod's number for it.
    pub(crate) host_id: Option<i32>,
}

impl Claim<'_> {
    /// Whether the entry has an address of these at another machine.
    pub(super) fn is_denied_by(&self, entry: &Neighbour) -> bool {
        let is_elsewhere = entry.index != self.part.index && entry.address != self.nic.address;
        is_elsewhere && self.part.addresses.contains(&entry.ip)
    }

    /// Links and addresses of owners that are gone. The error names whose an address is.
    pub(super) fn judge(
        &self,
        dirs: &Dirs,
        host: &mut netlink::Rtnetlink,
    ) -> Result<Vec<(u32, IpAddr)>, Error> {
        let mut stale = Vec::new();
        for &address in &self.part.addresses {
            let lookup = RouteLookup { as_listed: true, ..RouteLookup::new(address) };
            let Some(route) = host.route_to(&lookup)? else { continue };
            if route.table == self.part.table {
                stale.extend(self.earlier_owner(dirs, host, address, &route)?);
            } else if let Some(whose) = self.whose(host, address, &route)? {
                return Err(Failure::NotThePods { address, whose }.into());
            }
        }
        Ok(stale)
    }

    /// Of a route in the table for pods that leads elsewhere: a record tells whether its owner lives.
    fn earlier_owner(
        &self,
        dirs: &Dirs,
        host: &mut netlink::Rtnetlink,
        address: IpAddr,
        route: &netlink::Route,
    ) -> Result<Option<(u32, IpAddr)>, Error> {
        let Some(other) = route.oif.filter(|oif| *oif != self.part.index) else { return Ok(None) };
        let by = name(host, other)?;
        if let Some(owner) = record::owner(dirs, |part| part.leads(address, other))? {
            return Err(Failure::NotThePods {
                address,
                whose: format!("{owner} has it, which the node reaches by {by}"),
            }
            .into());
        }
        // Of another suite, of whose pods there are no records: its link goes with its pod.
        let leads_to_somebody = host.link_by_index(other)?.is_some_and(|link| link.has_carrier());
        if route.protocol != PROTOCOL && leads_to_somebody {
            let whose = format!("the node is led to it by {by}, by a route of protocol {}", route.protocol);
            return Err(Failure::NotThePods { address, whose }.into());
        }
        tracing::warn!(%address, by, table = self.part.table, "an earlier owner of this address left its route behind: it is replaced");
        Ok(Some((other, address)))
    }

    /// Of an address that the node reaches otherwise; `None` if that takes nothing from anybody.
    fn whose(
        &self,
        host: &mut netlink::Rtnetlink,
        address: IpAddr,
        route: &netlink::Route,
    ) -> Result<Option<String>, Error> {
        let oif = route.oif.unwrap_or_default();
        match route.kind {
            RouteKind::Unicast => (),
            RouteKind::Local | RouteKind::Anycast | RouteKind::Broadcast | RouteKind::Multicast => {
                return Ok(Some(format!("it is the node's own, on {}", name(host, oif)?)));
            }
            _ => return Ok(None),
        }
        if leads_by(route, address) || is_gateway(host, oif, address)? {
            return Ok(Some(format!("it is a gateway of the node, on {}", name(host, oif)?)));
        }
        if route.is_default() || self.is_of_a_master(host, address, route)? {
            return Ok(None);
        }
        let link = name(host, oif)?;
        let way = route.gateway.map_or(link.clone(), |gateway| format!("{gateway} on {link}"));
        Ok(Some(format!("the node reaches it by {way} (route {})", route.dst)))
    }

    /// On the wire that the NIC itself is on.
    fn is_of_a_master(
        &self,
        host: &mut netlink::Rtnetlink,
        address: IpAddr,
        route: &netlink::Route,
    ) -> Result<bool, Error> {
        let masters = self.masters()?;
        if route.oif.is_some_and(|oif| masters.contains(&oif)) {
            return Ok(true);
        }
        // Several NICs of the node in one subnet: it sends by the first, whichever the pod's is on.
        for master in masters {
            if host.addresses(Some(master))?.iter().any(|own| own.net.contains(&address)) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The node's links that the NIC is a child of, or a VF.
    pub(super) fn masters(&self) -> Result<Vec<u32>, Error> {
        let parent =
            self.nic.parent.filter(|_| self.host_id.is_some() && self.nic.parent_netnsid == self.host_id);
        let Some(bdf) = self.nic.device.as_ref().and_then(|device| device.parse().ok()) else {
            return Ok(parent.into_iter().collect());
        };
        let Some(pf) = Root::system().pci(bdf)?.physfn()? else { return Ok(parent.into_iter().collect()) };
        let mut masters: Vec<u32> = parent.into_iter().collect();
        for netdev in pf.netdevs()? {
            masters.push(netdev.ifindex()?);
        }
        Ok(masters)
    }
}

fn leads_by(route: &netlink::Route, address: IpAddr) -> bool {
    route.gateway == Some(address) || route.next_hops.iter().any(|hop| hop.gateway == Some(address))
}

/// Of any route on the link, in whatever table.
fn is_gateway(host: &mut netlink::Rtnetlink, link: u32, address: IpAddr) -> Result<bool, Error> {
    let filter = RouteFilter { family: Some(address.into()), oif: Some(link), ..RouteFilter::default() };
    Ok(host.routes(&filter)?.iter().any(|route| leads_by(route, address)))
}

pub(super) fn name(host: &mut netlink::Rtnetlink, index: u32) -> Result<String, Error> {
    Ok(host.link_by_index(index)?.map_or_else(|| format!("link {index}"), |link| link.name))
}

impl<'a> Claim<'a> {
    /// Of NICs of the pod, by their indexes there.
    pub(crate) fn of(
        parts: impl Iterator<Item = (u32, &'a OnNode)>,
        pod: &mut Pod,
    ) -> Result<Vec<Self>, Error> {
        let (mut claims, mut host_id) = (Vec::new(), None);
        for (index, part) in parts {
            let Some(nic) = pod.netlink.link_by_index(index)? else { continue };
            if claims.is_empty() {
                host_id = pod.netlink.netns_id(&netns::NetNs::current()?)?;
            }
            claims.push(Self { part, nic, host_id });
        }
        Ok(claims)
    }
}
