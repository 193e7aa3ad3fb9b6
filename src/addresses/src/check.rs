use attach::{Error, Pod};
use cni::{CniResult, Request};
use netlink::{Link, Route, RouteFilter};

use crate::routes;

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
    for wanted in routes(link.index, result).iter().filter(|route| reaches(result, mine, route)) {
        if !present.iter().any(|route| covers(route, wanted)) {
            found.push(format!("route {wanted} is missing on {}", link.name));
        }
    }
    Ok(found)
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

fn covers(present: &Route, wanted: &Route) -> bool {
    present.dst == wanted.dst
        && present.table == wanted.table
        && (wanted.gateway.is_none() || present.gateway == wanted.gateway)
        && (wanted.priority.is_none() || present.priority == wanted.priority)
}

/// What of `prevResult` is not in the pod any more, as far as it is about that link.
pub fn result_differences(request: &Request, pod: &mut Pod, link: &Link) -> Result<Vec<String>, cni::Error> {
    let result = request.config.require_prev_result()?;
    let sandbox = pod.netns.path().display().to_string();
    let is_ours =
        |i: &cni::Interface| i.name == link.name && i.sandbox.as_deref().is_some_and(|path| path == sandbox);
    let Some(mine) = result.interfaces.iter().position(is_ours) else {
        return Ok(vec![format!("prevResult has no interface {} in {sandbox}", link.name)]);
    };
    let mut found = Vec::new();
    let mac = link.address.map(|address| address.to_string());
    if let Some(expected) =
        result.interfaces[mine].mac.as_ref().filter(|expected| mac.as_ref() != Some(expected))
    {
        found.push(format!("its MAC is {}, expected {expected}", mac.unwrap_or_default()));
    }
    found.extend(differences(pod, link, result, mine)?);
    Ok(found)
}
