//! What the kernel says of a pod.

use std::collections::BTreeMap;

use anyhow::Result;
use ipnet::IpNet;
use netlink::{Family, Link, Route, RouteFilter, RouteKind, Rtnetlink, Rule};
use serde::Serialize;

/// `RT_TABLE_LOCAL`, `RT_TABLE_MAIN`, `RT_TABLE_DEFAULT`.
const LOCAL: u32 = 255;
const MAIN: u32 = 254;
const DEFAULT: u32 = 253;

/// A link of the pod.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Interface {
    pub(crate) kind: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) mac: Option<String>,
    pub(crate) mtu: u32,
    pub(crate) up: bool,
    /// The NIC in the host, where this shows from here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) master: Option<String>,
    pub(crate) addresses: Vec<IpNet>,
    /// The table that rules send its addresses to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) table: Option<u32>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) gateways: Vec<std::net::IpAddr>,
}

/// Rules and routes as ip(8) words them.
#[derive(Debug, PartialEq, Serialize)]
pub(crate) struct Routing {
    pub(crate) rules: Vec<String>,
    /// By table, `main` last.
    pub(crate) tables: BTreeMap<String, Vec<String>>,
}

/// A link by its name in the pod; `None` when it is not there.
pub(crate) fn interface(
    pod: &mut Rtnetlink,
    host: &mut Rtnetlink,
    ifname: &str,
) -> Result<Option<Interface>> {
    let Some(link) = pod.link_by_name(ifname)? else { return Ok(None) };
    let addresses: Vec<IpNet> =
        pod.addresses(Some(link.index))?.into_iter().map(|address| address.net).collect();
    let table = table_of(pod, &addresses)?;
    let gateways = gateways(pod, link.index, table.unwrap_or(MAIN))?;
    Ok(Some(Interface {
        kind: link.kind.name().to_owned(),
        mac: link.address.as_ref().map(ToString::to_string),
        mtu: link.mtu,
        up: link.is_up(),
        master: master(host, &link)?,
        addresses,
        table,
        gateways,
    }))
}

/// The parent has an index of its own namespace; only in the one that we are in can it be named.
fn master(host: &mut Rtnetlink, link: &Link) -> Result<Option<String>> {
    let Some(index) = link.parent.filter(|_| link.parent_netnsid.is_some()) else { return Ok(None) };
    Ok(host.link_by_index(index)?.map(|parent| parent.name))
}

fn table_of(pod: &mut Rtnetlink, addresses: &[IpNet]) -> Result<Option<u32>> {
    for family in Family::BOTH {
        let rules = pod.rules(family)?;
        let own = |rule: &&Rule| {
            rule.from.is_some_and(|from| addresses.iter().any(|net| IpNet::from(net.addr()) == from))
        };
        if let Some(rule) = rules.iter().find(own) {
            return Ok(Some(rule.table));
        }
    }
    Ok(None)
}

fn gateways(pod: &mut Rtnetlink, index: u32, table: u32) -> Result<Vec<std::net::IpAddr>> {
    let filter = RouteFilter { table: Some(table), oif: Some(index), ..RouteFilter::default() };
    Ok(pod.routes(&filter)?.into_iter().filter(Route::is_default).filter_map(|route| route.gateway).collect())
}

/// Everything but the kernel's own table and multicast.
pub(crate) fn routing(pod: &mut Rtnetlink) -> Result<Routing> {
    let names: BTreeMap<u32, String> = pod.links()?.into_iter().map(|link| (link.index, link.name)).collect();
    let mut rules = Vec::new();
    for family in Family::BOTH {
        rules.extend(pod.rules(family)?.iter().filter(|rule| !is_standard(rule)).map(rule_text));
    }
    let mut tables: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for route in pod.routes(&RouteFilter::default())?.iter().filter(|route| is_of_interest(route)) {
        tables.entry(table_name(route.table)).or_default().push(route_text(route, &names));
    }
    Ok(Routing { rules, tables })
}

/// Those of every namespace: local, main and default.
fn is_standard(rule: &Rule) -> bool {
    matches!((rule.priority, rule.table), (Some(0), LOCAL) | (Some(32766), MAIN) | (Some(32767), DEFAULT))
}

/// What everybody has says nothing: the kernel's own table, multicast, and the link-local prefix of each IPv6 link.
fn is_of_interest(route: &Route) -> bool {
    let link_local = matches!(route.dst, IpNet::V6(net) if net.addr().is_unicast_link_local());
    route.table != LOCAL && route.kind != RouteKind::Multicast && !link_local
}

fn table_name(table: u32) -> String {
    match table {
        MAIN => "main".to_owned(),
        table => table.to_string(),
    }
}

fn rule_text(rule: &Rule) -> String {
    let mut text = Rule { table: 0, ..rule.clone() }.to_string();
    if let Some((mark, mask)) = rule.fwmark {
        text = text.replace(" lookup 0", &format!(" fwmark {mark:#x}/{mask:#x} lookup 0"));
    }
    let text = text.replace(" lookup 0", &format!(" lookup {}", table_name(rule.table)));
    // ip(8) leaves out the length of a prefix that is one address.
    text.replace("/32 ", " ").replace("/128 ", " ")
}

fn route_text(route: &Route, names: &BTreeMap<u32, String>) -> String {
    let name = |index: u32| names.get(&index).cloned().unwrap_or_else(|| format!("link {index}"));
    let mut text = if route.is_default() { "default".to_owned() } else { destination(&route.dst) };
    if route.kind != RouteKind::Unicast {
        text = format!("{:?} {text}", route.kind).to_lowercase();
    }
    let optional = [
        route.gateway.map(|gateway| format!("via {gateway}")),
        route.oif.map(|index| format!("dev {}", name(index))),
        route.source.map(|source| format!("src {source}")),
        route.priority.map(|priority| format!("metric {priority}")),
        route.mtu.map(|mtu| format!("mtu {mtu}")),
    ];
    let hops = route.next_hops.iter().map(|hop| {
        let via = hop.gateway.map_or_else(String::new, |gateway| format!(" via {gateway}"));
        format!("nexthop{via} dev {} weight {}", name(hop.oif), hop.weight)
    });
    optional.into_iter().flatten().chain(hops).fold(text, |text, part| format!("{text} {part}"))
}

fn destination(net: &IpNet) -> String {
    if net.prefix_len() == net.max_prefix_len() { net.addr().to_string() } else { net.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_worded_as_by_ip() {
        let rule = Rule {
            priority: Some(10101),
            from: Some("172.16.11.1/32".parse().unwrap()),
            ..Rule::new(Family::V4, 101)
        };
        assert!(rule_text(&rule).ends_with("lookup 101"), "{}", rule_text(&rule));
        let marked = Rule { fwmark: Some((1, 0xff)), priority: Some(9), ..Rule::new(Family::V4, MAIN) };
        assert_eq!(rule_text(&marked), "9: from all fwmark 0x1/0xff lookup main");
    }

    #[test]
    fn routes_are_worded_as_by_ip() {
        let names = BTreeMap::from([(3, "net1".to_owned())]);
        let mut route = Route::new("0.0.0.0/0".parse().unwrap());
        (route.gateway, route.oif) = (Some("172.16.11.254".parse().unwrap()), Some(3));
        assert_eq!(route_text(&route, &names), "default via 172.16.11.254 dev net1");
        let mut route = Route::new("169.254.1.1/32".parse().unwrap());
        (route.oif, route.priority) = (Some(4), Some(7));
        assert_eq!(route_text(&route, &names), "169.254.1.1 dev link 4 metric 7");
    }
}
