//! The table of one NIC.

use std::collections::BTreeSet;
use std::net::IpAddr;

use ipnet::IpNet;

use super::changes::Made;
use super::config::PolicyRoute;
use super::model::{MAIN, PROTOCOL, Route, Rule, View};
use addresses::metric;

/// `RT_SCOPE_UNIVERSE`
const UNIVERSE: u8 = 0;
/// `IP6_RT_PRIO_USER`: what IPv6 takes for "no metric".
const METRIC_V6: u32 = 1024;

/// Copies of what main says about the NIC, its default routes, and a rule per address.
pub(super) fn table_of(
    view: &View,
    index: u32,
    table: u32,
    defaults: &[Route],
    mut addresses: Vec<IpAddr>,
) -> Made {
    let has_default = |is_v6| defaults.iter().any(|route| route.is_v6() == is_v6);
    let of_link = |route: &&Route| route.dev == index && route.table == MAIN;
    let others = view.routes.iter().filter(of_link);
    let others = others.filter(|route| {
        if route.is_default() {
            route.is_advertised() && !has_default(route.is_v6())
        } else {
            route.is_advertised() || route.is_movable()
        }
    });
    let mut routes: Vec<Route> = defaults.iter().map(|route| route.copy_to(table)).collect();
    routes.extend(others.map(|route| route.copy_to(table)));
    put_in_order(&mut routes);
    addresses.sort_unstable();
    addresses.dedup();
    Made { routes, rules: addresses.into_iter().map(|address| Rule::new(address, table)).collect() }
}

/// A gateway has to be known before the routes over it.
fn put_in_order(routes: &mut Vec<Route>) {
    routes.sort_by_key(|route| (route.gateway.is_some(), route.is_default()));
    let mut seen = BTreeSet::new();
    routes.retain(|route| seen.insert((route.dst, route.priority, route.gateway)));
}

/// A route over a gateway of the NIC, as ours.
pub(super) fn route_via(view: &View, index: u32, table: u32, dst: IpNet, gateway: IpAddr) -> Route {
    Route {
        dst,
        table,
        protocol: PROTOCOL,
        scope: UNIVERSE,
        priority: if gateway.is_ipv6() { METRIC_V6 } else { 0 },
        gateway: Some(gateway),
        src: None,
        dev: index,
        onlink: !view.reaches(index, gateway),
        mtu: None,
        advmss: None,
    }
}

/// The same for main, where NICs have their own metrics.
pub(super) fn in_main(view: &View, index: u32, dst: IpNet, gateway: IpAddr) -> Route {
    let route = route_via(view, index, MAIN, dst, gateway);
    let priority = if route.is_v6() { metric(&view.name(index)) } else { route.priority };
    Route { priority, ..route }
}

/// The `policyRoutes` of the families that the NIC has; the error says which gateway is out of its reach.
pub(super) fn policy_routes(
    view: &View,
    index: u32,
    table: u32,
    wanted: &[PolicyRoute],
) -> Result<Vec<Route>, String> {
    let has_family = |is_v4: bool| view.addresses_of(index).any(|net| net.addr().is_ipv4() == is_v4);
    let mut routes = Vec::new();
    for PolicyRoute { dst, gw } in wanted.iter().filter(|route| has_family(route.gw.is_ipv4())) {
        let route = match table {
            MAIN => in_main(view, index, *dst, *gw),
            _ => route_via(view, index, table, *dst, *gw),
        };
        if route.onlink && has_subnet(view, index, *gw) {
            return Err(out_of_reach(view, index, *gw));
        }
        routes.push(route);
    }
    Ok(routes)
}

/// A NIC that has host addresses only (/32, /128) may have its gateway anywhere.
fn has_subnet(view: &View, index: u32, gateway: IpAddr) -> bool {
    let same_family = |net: &IpNet| net.addr().is_ipv4() == gateway.is_ipv4();
    view.addresses_of(index).filter(same_family).any(|net| net.prefix_len() < net.max_prefix_len())
}

fn out_of_reach(view: &View, index: u32, gateway: IpAddr) -> String {
    let nets: Vec<String> = view.addresses_of(index).map(|net| net.to_string()).collect();
    let name = view.name(index);
    format!(
        "policyRoutes: gw {gateway} is in no subnet of {name} ({}), so nothing can be sent to it",
        nets.join(", ")
    )
}

/// `preferred` in front of what is there for the same destinations.
pub(super) fn overlay(preferred: Vec<Route>, others: &mut Vec<Route>) {
    others.retain(|other| preferred.iter().all(|route| route.dst != other.dst));
    others.extend(preferred);
    others.sort_by_key(|route| (route.gateway.is_some(), route.is_default()));
}
