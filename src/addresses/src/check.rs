use std::fmt::Write as _;
use std::net::IpAddr;
use std::path::Path;

use attach::{Error, Pod};
use cni::{CniResult, Request};
use netlink::{Link, Route, RouteFilter};
use netns::NetNs;

use crate::routes;

/// `RT_TABLE_MAIN`
const MAIN: u32 = 254;

/// A route of a result, and what the result itself says of it. A plugin of an older library, later in the chain, has dropped the
/// table: then any will do.
struct ExpectedRoute<'a> {
    spec: &'a Route,
    table: Option<u32>,
    priority: Option<u32>,
}

/// What of a result is not on the link any more, a line each; `mine` picks the result's addresses that are the link's.
///
/// Addresses and routes that others have added are none of our business. A default route may have been moved to
/// another table by a plugin later in the chain; then `prevResult` says so.
pub fn differences(
    pod: &mut Pod,
    link: &Link,
    result: &CniResult,
    mine: usize,
) -> Result<Vec<String>, Error> {
    let mut found = missing_addresses(pod, link, result, mine)?;
    let present = pod.netlink.routes(&RouteFilter { oif: Some(link.index), ..RouteFilter::default() })?;
    for (spec, route) in routes(link, result).iter().zip(&result.routes) {
        let wanted = ExpectedRoute { spec, table: route.table, priority: route.priority };
        if reaches(result, mine, spec) && !present.iter().any(|route| covers(route, &wanted, link.index)) {
            found.push(format!("route {} is missing", described(spec, &link.name)));
        }
    }
    Ok(found)
}

/// As ip(8) and the check of policy routing say it, so that one route that both miss is one difference.
fn described(route: &Route, ifname: &str) -> String {
    let mut text = if route.is_default() { "default".to_owned() } else { route.dst.to_string() };
    if let Some(gateway) = route.gateway {
        let _ = write!(text, " via {gateway}");
    }
    let table = if route.table == MAIN { "main".to_owned() } else { route.table.to_string() };
    let _ = write!(text, " dev {ifname} table {table}");
    text
}

fn missing_addresses(
    pod: &mut Pod,
    link: &Link,
    result: &CniResult,
    mine: usize,
) -> Result<Vec<String>, Error> {
    let present = pod.netlink.addresses(Some(link.index))?;
    let wanted = result.ips.iter().filter(|ip| ip.interface.is_none_or(|index| index == mine));
    let missing = wanted.filter(|ip| !present.iter().any(|address| address.net == ip.address));
    Ok(missing.map(|ip| format!("address {} is missing on {}", ip.address, link.name)).collect())
}

/// `prevResult` is that of the whole chain: a route by another interface's gateway is not this link's.
fn reaches(result: &CniResult, mine: usize, route: &Route) -> bool {
    let Some(gateway) = route.gateway else { return true };
    let of_other =
        |ip: &cni::IpConfig| ip.interface.is_some_and(|index| index != mine) && ip.address.contains(&gateway);
    !result.ips.iter().any(of_other)
}

/// IPv6 may have made a branch of it, of a route that leaves by others as well.
fn covers(present: &Route, wanted: &ExpectedRoute<'_>, link: u32) -> bool {
    let ExpectedRoute { spec, table, priority } = wanted;
    let leads = |gateway: Option<IpAddr>| spec.gateway.is_none() || gateway == spec.gateway;
    present.dst == spec.dst
        && table.is_none_or(|table| present.table == table)
        && priority.is_none_or(|priority| present.priority == Some(priority))
        && (present.oif == Some(link) && leads(present.gateway)
            || present.next_hops.iter().any(|hop| hop.oif == link && leads(hop.gateway)))
}

/// What of `prevResult` is not in the pod any more, as far as it is about that link.
pub fn result_differences(request: &Request, pod: &mut Pod, link: &Link) -> Result<Vec<String>, cni::Error> {
    let result = request.config.require_prev_result()?;
    let is_ours = |i: &cni::Interface| {
        i.name == link.name && i.sandbox.as_deref().is_some_and(|path| leads_to(&pod.netns, path))
    };
    let Some(mine) = result.interfaces.iter().position(is_ours) else {
        let sandbox = pod.netns.path().display();
        return Ok(vec![format!("prevResult has no interface {} in {sandbox}", link.name)]);
    };
    let mut found = Vec::new();
    if let Some(expected) = result.interfaces[mine].mtu.filter(|mtu| *mtu != link.mtu) {
        found.push(format!("its MTU is {}, expected {expected}", link.mtu));
    }
    let mac = link.address.map(|address| address.to_string());
    if let Some(expected) =
        result.interfaces[mine].mac.as_ref().filter(|expected| mac.as_ref() != Some(expected))
    {
        found.push(format!("its MAC is {}, expected {expected}", mac.unwrap_or_default()));
    }
    found.extend(differences(pod, link, result, mine)?);
    Ok(found)
}

/// Several paths lead to one namespace, and that of ADD may be gone by now: then the record says whose it is.
fn leads_to(pod: &NetNs, sandbox: &str) -> bool {
    if Path::new(sandbox) == pod.path() {
        return true;
    }
    match NetNs::open(Path::new(sandbox)) {
        Ok(other) => other.id() == pod.id(),
        Err(error) => error.is_gone() && !sandbox.is_empty(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_is_worded_as_by_ip() {
        let mut route = Route::new("0.0.0.0/0".parse().unwrap());
        (route.gateway, route.oif, route.table) = (Some("172.16.15.254".parse().unwrap()), Some(14), 105);
        assert_eq!(described(&route, "net5"), "default via 172.16.15.254 dev net5 table 105");
        let route = Route::new("172.16.0.0/16".parse().unwrap());
        assert_eq!(described(&route, "net5"), "172.16.0.0/16 dev net5 table main");
    }
}
