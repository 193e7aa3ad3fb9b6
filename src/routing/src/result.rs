//! A plugin's result, with what coordination changed.

use cni::{CniResult, IpConfig, Route};
use netlink::HwAddr;

use super::model::is_link_local;
use super::{Address, Outcome};

/// The interface's addresses that are more than link-local.
pub fn addresses(previous: &CniResult, ifname: &str) -> Vec<Address> {
    let of_nic = previous.ips.iter().filter(|ip| is_of(previous, ip, ifname));
    let more = of_nic.filter(|ip| !is_link_local(ip.address.addr()));
    let gateway = |ip: &IpConfig| ip.gateway.filter(|gateway| !gateway.is_unspecified());
    more.map(|ip| Address { net: ip.address, gateway: gateway(ip) }).collect()
}

fn is_of(previous: &CniResult, ip: &IpConfig, ifname: &str) -> bool {
    let interface = ip.interface.and_then(|index| previous.interfaces.get(index));
    interface.is_none_or(|interface| interface.name == ifname)
}

/// The default routes say in which table they are now, and the interface which MAC it has.
pub fn with(mut result: CniResult, ifname: &str, outcome: &Outcome) -> CniResult {
    if let Some(mac) = outcome.mac {
        let in_pod = result.interfaces.iter_mut().filter(|one| one.name == ifname && one.sandbox.is_some());
        in_pod.for_each(|interface| interface.mac = Some(HwAddr::from(mac).to_string()));
    }
    for is_v4 in [true, false] {
        let of_family = || outcome.defaults.iter().filter(|route| route.dst.addr().is_ipv4() == is_v4);
        if of_family().next().is_none() {
            continue;
        }
        let keeps_main = outcome.in_main.iter().any(|dst| dst.addr().is_ipv4() == is_v4);
        let listed = if keeps_main { Vec::new() } else { take_defaults(&mut result.routes, is_v4) };
        result.routes.extend(of_family().map(|route| as_listed(route, &listed)));
    }
    result
}

/// As the plugin before wrote it, with the table that it is in now.
fn as_listed(route: &Route, listed: &[Route]) -> Route {
    let same = |other: &&Route| {
        other.gw.is_none_or(|gw| route.gw == Some(gw))
            && other.priority.is_none_or(|priority| route.priority == Some(priority))
    };
    let known = listed.iter().find(same).cloned();
    known.map_or_else(|| route.clone(), |known| Route { table: route.table, ..known })
}

/// Those of main, in their order.
fn take_defaults(routes: &mut Vec<Route>, is_v4: bool) -> Vec<Route> {
    let in_main = |route: &Route| route.table.is_none() && route.dst.prefix_len() == 0;
    let (taken, left) =
        routes.drain(..).partition(|route| in_main(route) && route.dst.addr().is_ipv4() == is_v4);
    *routes = left;
    taken
}
