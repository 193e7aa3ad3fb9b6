//! The addresses and routes of a result, on a link in the pod.

mod advertisements;
pub mod announce;
mod busy;
mod check;
mod dad;
mod detect;
mod error;
mod give;
mod metric;
mod refusal;

use std::net::IpAddr;

use attach::{Error, Pod, sysctl};
use cni::{CniResult, IpConfig};
use netlink::{Address, Batch, Link, Route};

pub use check::{differences, result_differences};
pub use detect::Detection;
pub use error::Failure;
pub use give::{Candidate, Options, give};
pub use metric::metric;

/// Marks what this suite adds to routing (`RTA_PROTOCOL`, `FRA_PROTOCOL`) and addresses (`IFA_PROTO`), so that anyone
/// can tell it from the rest.
pub const PROTOCOL: u8 = 211;

/// Gives links their addresses, brings them up, which announces them, and adds the routes, in one batch of requests; then waits for
/// duplicate address detection where there is an IPv6 gateway to be reached from an address.
pub(crate) fn configure_all(pod: &mut Pod, links: &[(&Link, &CniResult)]) -> Result<(), Error> {
    prepare(pod, links)?;
    let mut batch = pod.netlink.batch();
    for (link, result) in links {
        push(&mut batch, link, result);
    }
    let outcomes = batch.outcomes()?;
    refusal::first(busy::ask_again(&mut pod.netlink, links, outcomes)?, links)?;
    let ipv6_gateway =
        |result: &CniResult| result.ips.iter().any(|ip| ip.gateway.is_some_and(|gateway| gateway.is_ipv6()));
    dad::wait(pod, &those(links, ipv6_gateway))?;
    let with_addresses: Vec<_> = links.iter().copied().filter(|(_, result)| !result.ips.is_empty()).collect();
    announce::repeat(pod, &with_addresses);
    Ok(())
}

fn those<'a>(links: &[(&'a Link, &CniResult)], which: impl Fn(&CniResult) -> bool) -> Vec<&'a Link> {
    links.iter().filter(|(_, result)| which(result)).map(|(link, _)| *link).collect()
}

/// Whether the pod's lo has to have IPv6 for it, which [`give`] sees to.
pub(crate) fn has_ipv6(result: &CniResult) -> bool {
    result.ips.iter().any(|ip| ip.address.addr().is_ipv6())
}

/// The routes are the last, as many as the result has.
fn push(batch: &mut Batch<'_>, link: &Link, result: &CniResult) {
    for ip in &result.ips {
        batch.add_address(&address(link.index, ip));
    }
    batch.set_up(link.index);
    for route in routes(link, result) {
        batch.append_route(&route);
    }
}

/// What is to be set before a link has addresses. Only IPv6 needs the pod's /proc for that.
pub(crate) fn prepare(pod: &mut Pod, links: &[(&Link, &CniResult)]) -> Result<(), Error> {
    announce::enable(&mut pod.netlink, links.iter().map(|(link, _)| *link));
    // Where nobody gives addresses, those of IPv6 may come by themselves.
    let may_have_ipv6 = |result: &CniResult| result.ips.is_empty() || has_ipv6(result);
    if links.iter().any(|(_, result)| may_have_ipv6(result)) {
        let mut concerned = links.iter().filter(|(_, result)| may_have_ipv6(result));
        pod.netns.run(|| concerned.try_for_each(|(link, result)| prepare_ipv6(&link.name, result)))??;
    }
    Ok(())
}

/// IPv6 may be off by default in the pod, and its addresses are to survive the link going down, as those of IPv4 do.
fn prepare_ipv6(ifname: &str, result: &CniResult) -> Result<(), Error> {
    announce::enable_ipv6(ifname);
    if has_ipv6(result) {
        for interface in ["lo", ifname] {
            sysctl::write(&sysctl::of_interface("ipv6", interface, "disable_ipv6"), "0")?;
        }
        sysctl::write(&sysctl::of_interface("ipv6", ifname, "keep_addr_on_down"), "1")?;
    }
    Ok(())
}

pub(crate) fn address(index: u32, ip: &IpConfig) -> Address {
    Address { protocol: Some(PROTOCOL), ..Address::new(index, ip.address) }
}

/// The routes as the kernel is to have them. Appended, a second default route does not take the pod's traffic.
pub fn routes(link: &Link, result: &CniResult) -> Vec<Route> {
    result.routes.iter().map(|route| spec(link, route, result)).collect()
}

fn spec(link: &Link, route: &cni::Route, result: &CniResult) -> Route {
    let mut spec = Route::new(route.dst.trunc());
    let on_link = route.scope == Some(netlink::scope::LINK);
    spec.gateway = route.gw.or_else(|| if on_link { None } else { gateway_for(route.dst.addr(), result) });
    spec.oif = Some(link.index);
    spec.protocol = PROTOCOL;
    spec.scope = route.scope;
    spec.priority = route.priority.or_else(|| route.dst.addr().is_ipv6().then(|| metric(&link.name)));
    spec.mtu = route.mtu;
    spec.advmss = route.advmss;
    if let Some(table) = route.table {
        spec.table = table;
    }
    spec
}

/// CNI: a route without a next hop takes the gateway of an address of its family.
pub fn gateway_for(dst: IpAddr, result: &CniResult) -> Option<IpAddr> {
    result.ips.iter().filter_map(|ip| ip.gateway).find(|gateway| gateway.is_ipv4() == dst.is_ipv4())
}
