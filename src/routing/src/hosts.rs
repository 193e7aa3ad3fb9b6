//! The addresses that the node goes by.

use std::net::IpAddr;

use attach::Error;
use netlink::{Address, AddressFlags, RouteKind, RouteLookup, Rtnetlink};

use super::model::{View, is_link_local};

/// Links whose addresses are not the node's own business: bridges and veths of container networks, virtual IPs.
const NOT_THE_NODES: [&str; 13] = [
    "lo",
    "docker",
    "cbr",
    "dummy",
    "virbr",
    "lxcbr",
    "veth",
    "cali",
    "flannel",
    "kube-ipvs",
    "cni",
    "vx-submariner",
    "cilium",
];

/// First those from which the node would speak to the pod of `view`, then all others.
pub(super) fn find(node: &mut Rtnetlink, view: &View) -> Result<Vec<IpAddr>, Error> {
    let mut hosts = Vec::new();
    for (_, net) in view.addresses.iter().filter(|(_, net)| !is_link_local(net.addr())) {
        let route = node.route_to(&RouteLookup::new(net.addr()))?;
        let route = route.filter(|route| !matches!(route.kind, RouteKind::Local));
        let source = route.and_then(|route| route.source).filter(|source| !is_link_local(*source));
        push(&mut hosts, source);
    }
    let mut all: Vec<Address> = node.addresses(None)?.into_iter().filter(speaks_for_the_node).collect();
    all.sort_unstable_by_key(|address| address.index);
    let mut others = Vec::new();
    for of_link in all.chunk_by(|a, b| a.index == b.index) {
        if is_nodes(node, of_link[0].index)? {
            others.extend(of_link.iter().map(|address| address.net.addr()));
        }
    }
    others.sort_unstable();
    push(&mut hosts, others);
    Ok(hosts)
}

fn push(hosts: &mut Vec<IpAddr>, found: impl IntoIterator<Item = IpAddr>) {
    for ip in found {
        if !hosts.contains(&ip) {
            hosts.push(ip);
        }
    }
}

/// Only the links that have a global address are looked up: a node may have a thousand others.
fn is_nodes(node: &mut Rtnetlink, index: u32) -> Result<bool, Error> {
    let is_other = |name: &str| NOT_THE_NODES.iter().any(|prefix| name.starts_with(prefix));
    Ok(node.link_by_index(index)?.is_some_and(|link| !is_other(&link.name)))
}

/// Neither link-local nor one that comes and goes (RFC 8981).
fn speaks_for_the_node(address: &Address) -> bool {
    let ip = address.net.addr();
    let temporary = ip.is_ipv6() && address.flags.contains(AddressFlags::Secondary);
    !(is_link_local(ip) || temporary || address.is_tentative() || address.is_duplicate())
}
