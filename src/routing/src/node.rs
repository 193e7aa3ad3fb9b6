//! The node's side. No node can speak with the children of its own macvlan masters, so it reaches every NIC of a pod by
//! the pod's veth pair: a table with a route per address, a rule before main that leads there, and permanent
//! neighbours, because the pod need not answer for the address on that link.

mod claim;
mod remove;
mod wire;

use std::net::IpAddr;
use std::time::Duration;

use attach::{Error, Pod};
use ipnet::IpNet;
use netlink::link::LinkKind;
use netlink::{Family, HwAddr, Neighbour, RouteFilter, scope};
use serde::{Deserialize, Serialize};
use state::{Dirs, Lock};

use super::hosts;
use super::model::{Link, NodeEnd, PROTOCOL, View};
use crate::Failure;

pub(super) use claim::Claim;
pub(super) use remove::remove;

/// Where Spiderpool has its rule: before main, and after what a main CNI puts in front of everything.
const RULE_PRIORITY: u32 = 1000;
/// Longer than the pods of a node take that start at once.
const PATIENCE: Duration = Duration::from_secs(10);
/// What one NIC has on the node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct OnNode {
    /// `hostRuleTable`
    table: u32,
    /// The node's end of the pod's veth pair.
    index: u32,
    ifname: String,
    /// MAC of the pod's end.
    mac: [u8; 6],
    addresses: Vec<IpAddr>,
}

impl OnNode {
    pub(super) fn new(table: u32, end: &NodeEnd, addresses: impl Iterator<Item = IpAddr>) -> Self {
        let (index, ifname, mac) = (end.index, end.ifname.clone(), end.pod_mac);
        Self { table, index, ifname, mac, addresses: addresses.collect() }
    }

    /// But for the addresses that another NIC leads to in the same way; `None` where none is left.
    pub(super) fn without(&self, other: Option<&Self>) -> Option<Self> {
        let is_theirs = |ip: &IpAddr| {
            other.is_some_and(|other| other.table == self.table && other.addresses.contains(ip))
        };
        let addresses: Vec<_> = self.addresses.iter().copied().filter(|ip| !is_theirs(ip)).collect();
        (!addresses.is_empty()).then(|| Self { addresses, ..self.clone() })
    }

    /// Whether this NIC's host route is the one by which the node sends `address` to its link `index`.
    pub(super) fn leads(&self, address: IpAddr, index: u32) -> bool {
        self.index == index && self.addresses.contains(&address)
    }

    fn route(&self, address: IpAddr) -> netlink::Route {
        netlink::Route {
            table: self.table,
            protocol: PROTOCOL,
            oif: Some(self.index),
            scope: Some(if address.is_ipv4() { scope::LINK } else { scope::UNIVERSE }),
            ..netlink::Route::new(address.into())
        }
    }

    fn neighbour(&self, address: IpAddr) -> Neighbour {
        let neighbour = Neighbour::permanent(self.index, address, HwAddr::from(self.mac));
        Neighbour { protocol: Some(PROTOCOL), ..neighbour }
    }

    fn families(&self) -> impl Iterator<Item = Family> + '_ {
        Family::BOTH.into_iter().filter(|&family| self.addresses.iter().any(|&ip| Family::from(ip) == family))
    }
}

fn rule(family: Family, table: u32) -> netlink::Rule {
    netlink::Rule { priority: Some(RULE_PRIORITY), protocol: PROTOCOL, ..netlink::Rule::new(family, table) }
}

/// The rule is common to all pods: who finds the table empty and drops it must not meet somebody who fills the table.
fn lock(dirs: &Dirs) -> Result<Lock, Error> {
    Ok(dirs.state.lock(&["locks"], "node-routes", PATIENCE)?)
}

/// The other end of the pod's way to its node; `None` if that is no veth, or ends in another namespace than ours.
/// `hosts` are known from an earlier attachment.
pub(super) fn look(
    host: &mut netlink::Rtnetlink,
    pod: &Pod,
    view: &View,
    link: &Link,
    hosts: Option<Vec<IpAddr>>,
) -> Result<Option<NodeEnd>, Error> {
    let (Some(peer), Some(pod_mac)) = (link.peer, link.mac) else { return Ok(None) };
    let Some(id) = host.netns_id(&pod.netns)? else { return Ok(None) };
    let leads_here = |end: &netlink::Link| {
        end.kind == LinkKind::Veth && (end.parent, end.parent_netnsid) == (Some(link.index), Some(id))
    };
    let Some(end) = host.link_by_index(peer)?.filter(leads_here) else { return Ok(None) };
    let Some(mac) = end.address.and_then(|address| address.mac()) else { return Ok(None) };
    let hosts = match hosts {
        Some(hosts) => hosts,
        None => hosts::find(host, view)?,
    };
    Ok(Some(NodeEnd { index: end.index, ifname: end.name, mac, pod_mac, hosts }))
}

/// Makes the node's side of NICs, once every address has been found to be the pod's to have.
pub(super) fn add(dirs: &Dirs, host: &mut netlink::Rtnetlink, claims: &[Claim<'_>]) -> Result<(), Error> {
    if claims.is_empty() {
        return Ok(());
    }
    let others = wire::others(host, claims)?;
    if !others.is_empty() {
        // What the routes tell takes no time, and says more.
        judge(dirs, host, claims)?;
        wire::require_gone(host, claims, &others)?;
    }
    let _lock = lock(dirs)?;
    let stale = judge(dirs, host, claims)?;
    let parts: Vec<&OnNode> = claims.iter().map(|claim| claim.part).collect();
    let missing = missing_rules(host, &parts)?;
    drop_stale_neighbours(host, &stale)?;
    let mut batch = host.batch();
    for (family, table) in missing {
        batch.add_rule(&rule(family, table));
    }
    for part in parts {
        for &address in &part.addresses {
            batch.replace_route(&part.route(address)).replace_neighbour(&part.neighbour(address));
        }
    }
    Ok(batch.commit()?)
}

fn judge(
    dirs: &Dirs,
    host: &mut netlink::Rtnetlink,
    claims: &[Claim<'_>],
) -> Result<Vec<(u32, IpAddr)>, Error> {
    let mut stale = Vec::new();
    for claim in claims {
        stale.extend(claim.judge(dirs, host)?);
    }
    Ok(stale)
}

/// The rules that nobody has made yet: Spiderpool's own, or that of an earlier pod, serves as well.
fn missing_rules(host: &mut netlink::Rtnetlink, parts: &[&OnNode]) -> Result<Vec<(Family, u32)>, Error> {
    let mut missing = Vec::new();
    for family in Family::BOTH {
        let mut tables: Vec<u32> = parts
            .iter()
            .filter(|part| part.families().any(|of| of == family))
            .map(|part| part.table)
            .collect();
        tables.sort_unstable();
        tables.dedup();
        if tables.is_empty() {
            continue;
        }
        let present = host.rules(family)?;
        tables.retain(|table| !present.iter().any(|rule| leads_there(rule, *table)));
        for table in tables {
            require_free_table(host, family, table)?;
            missing.push((family, table));
        }
    }
    Ok(missing)
}

fn leads_there(rule: &netlink::Rule, table: u32) -> bool {
    rule.table == table && rule.from.is_none() && rule.priority == Some(RULE_PRIORITY)
}

/// Everything that the node sends is going to look there first: a table of its own would get it all, or lose single
/// addresses to pods.
fn require_free_table(host: &mut netlink::Rtnetlink, family: Family, table: u32) -> Result<(), Error> {
    let filter = RouteFilter { family: Some(family), table: Some(table), ..RouteFilter::default() };
    let is_nodes = |route: &&netlink::Route| {
        route.dst.prefix_len() < route.dst.max_prefix_len() || route.protocol != PROTOCOL
    };
    match host.routes(&filter)?.iter().find(is_nodes) {
        None => Ok(()),
        Some(route) => Err(Failure::NodesTable { table, route: route.to_string() }.into()),
    }
}

/// Of owners that are gone, on the links that the table still leads to.
fn drop_stale_neighbours(host: &mut netlink::Rtnetlink, stale: &[(u32, IpAddr)]) -> Result<(), Error> {
    for &(index, address) in stale {
        match host.delete_neighbour(index, address) {
            Err(error) if !error.is_gone() => return Err(error.into()),
            _ => (),
        }
    }
    Ok(())
}

/// What leads to `addresses` by the node's end of a link that ends in the pod, without a record of it.
pub(super) fn find(
    host: &mut netlink::Rtnetlink,
    pod: &Pod,
    addresses: &[IpAddr],
) -> Result<Vec<OnNode>, Error> {
    let Some(id) = host.netns_id(&pod.netns)? else { return Ok(Vec::new()) };
    let filter = RouteFilter { protocol: Some(PROTOCOL), ..RouteFilter::default() };
    let mut found = Vec::new();
    for route in host.routes(&filter)? {
        let address = route.dst.addr();
        let is_theirs = route.dst == IpNet::from(address) && addresses.contains(&address);
        let Some(index) = route.oif.filter(|_| is_theirs) else { continue };
        let Some(end) = host.link_by_index(index)? else { continue };
        if end.kind == LinkKind::Veth && end.parent_netnsid == Some(id) {
            let (table, ifname) = (route.table, end.name);
            found.push(OnNode { table, index, ifname, mac: Default::default(), addresses: vec![address] });
        }
    }
    Ok(found)
}

/// For CHECK.
pub(super) fn differences(host: &mut netlink::Rtnetlink, part: &OnNode) -> Result<Vec<String>, Error> {
    let OnNode { table, index, ifname, addresses, .. } = part;
    if host.link_by_index(*index)?.is_none_or(|link| link.name != *ifname) {
        return Ok(vec![format!("the node has lost {ifname}, its end of the pod's veth pair")]);
    }
    let filter =
        RouteFilter { family: None, table: Some(*table), oif: Some(*index), protocol: Some(PROTOCOL) };
    let routes = host.routes(&filter)?;
    let neighbours = host.neighbours(Some(*index))?;
    let mut found = Vec::new();
    for &address in addresses {
        if !routes.iter().any(|route| route.dst == IpNet::from(address)) {
            found.push(format!("the node's route {address} dev {ifname} table {table} is missing"));
        }
        let expected = part.neighbour(address);
        if !neighbours.iter().any(|other| {
            (other.ip, other.address, other.state) == (address, expected.address, expected.state)
        }) {
            let mac = HwAddr::from(part.mac);
            found.push(format!(
                "the node's neighbour {address} dev {ifname} lladdr {mac} permanent is missing"
            ));
        }
    }
    for family in part.families() {
        if !host.rules(family)?.iter().any(|rule| leads_there(rule, *table)) {
            found.push(format!(
                "the node's rule {RULE_PRIORITY}: from all lookup {table} ({family:?}) is missing"
            ));
        }
    }
    Ok(found)
}
