//! A plugin's result, with what coordination changed.

use std::net::IpAddr;

use cni::{CniResult, IpConfig, Route};
use ipnet::IpNet;
use netlink::HwAddr;

use super::Outcome;
use super::model::is_link_local;

/// The interface's addresses that are more than link-local.
pub fn addresses(previous: &CniResult, ifname: &str) -> Vec<IpNet> {
    let of_nic = previous.ips.iter().filter(|ip| is_of(previous, ip, ifname)).map(|ip| ip.address);
    of_nic.filter(|net| !is_link_local(net.addr())).collect()
}

/// The gateways of the interface's addresses, one per family.
pub fn gateways(previous: &CniResult, ifname: &str) -> Vec<IpAddr> {
    let mut gateways: Vec<IpAddr> = Vec::new();
    for ip in previous.ips.iter().filter(|ip| is_of(previous, ip, ifname)) {
        let is_new = |gateway: &IpAddr| gateways.iter().all(|known| known.is_ipv4() != gateway.is_ipv4());
        gateways.extend(ip.gateway.filter(|gateway| !gateway.is_unspecified()).filter(is_new));
    }
    gateways
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
    let Some(table) = outcome.table else { return result };
    for (dst, gateway) in &outcome.defaults {
        let keeps_main = outcome.in_main.contains(dst);
        let moved =
            if keeps_main { Vec::new() } else { take_defaults(&mut result.routes, dst.addr().is_ipv4()) };
        let moved = if moved.is_empty() { vec![Route::new(*dst, *gateway)] } else { moved };
        result.routes.extend(moved.into_iter().map(|route| Route { table: Some(table), ..route }));
    }
    result
}

/// Those of main, in their order.
fn take_defaults(routes: &mut Vec<Route>, is_v4: bool) -> Vec<Route> {
    let in_main = |route: &Route| route.table.is_none() && route.dst.prefix_len() == 0;
    let (taken, left) =
        routes.drain(..).partition(|route| in_main(route) && route.dst.addr().is_ipv4() == is_v4);
    *routes = left;
    taken
}
