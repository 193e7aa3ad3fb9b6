//! What a NIC of its own has: its tables with the rules of its addresses.

use std::net::IpAddr;

use crate::changes::Made;
use crate::config::Settings;
use crate::model::{MAIN, Route, View, any_of};
use crate::nic;
use crate::shared::Shared;
use crate::tables::Further;

/// The NIC's tables, or what is left of them for main when routes are not tuned.
pub(super) fn own_routes(
    view: &View,
    shared: &Shared,
    settings: &Settings,
    index: u32,
    table: Option<u32>,
    further: &[Further],
) -> Result<Made, String> {
    let Some(table) = table else {
        return in_main(view, nic::policy_routes(view, index, MAIN, &settings.policy_routes)?);
    };
    let is_said = |is_v6| settings.gateways.iter().any(|gateway| gateway.is_ipv6() == is_v6);
    let of_main = shared.defaults.of(index).filter(|route| !is_said(route.is_v6()));
    let defaults: Vec<Route> = of_main.chain(shared.spares_of(index)).cloned().collect();
    let elsewhere: Vec<IpAddr> = further.iter().flat_map(|further| further.addresses.clone()).collect();
    let addresses = view.addresses_of(index).map(|net| net.addr()).filter(|ip| !elsewhere.contains(ip));
    let mut made = own_table(view, shared, settings, index, table, &defaults, addresses.collect())?;
    for Further { table, gateways, addresses } in further {
        let default =
            |gateway: &IpAddr| nic::route_via(view, index, *table, any_of(gateway.is_ipv6()), *gateway);
        let defaults: Vec<Route> = gateways.iter().map(default).collect();
        made.extend(own_table(view, shared, settings, index, *table, &defaults, addresses.clone())?);
    }
    // What the IPAM has put into the table of its choice is met there.
    let key = |route: &Route| (route.dst, route.table, route.priority);
    let met =
        |route: &Route| settings.table.is_some() && view.routes.iter().any(|other| key(other) == key(route));
    Ok(made.retain(|route| !met(route), |_| true))
}

/// One of them, with the rules of `addresses`.
fn own_table(
    view: &View,
    shared: &Shared,
    settings: &Settings,
    index: u32,
    table: u32,
    defaults: &[Route],
    addresses: Vec<IpAddr>,
) -> Result<Made, String> {
    let policy = nic::policy_routes(view, index, table, &settings.policy_routes)?;
    let mut made = nic::table_of(view, index, table, defaults, addresses);
    let asked = shared.members.last().map(|member| member.detours.as_slice()).unwrap_or_default();
    let detours = asked.iter().filter_map(|&dst| shared.detour(view, dst, table));
    let detours: Vec<Route> =
        detours.filter(|detour| made.routes.iter().all(|route| route.dst != detour.dst)).collect();
    made.routes.extend(detours);
    nic::overlay(policy, &mut made.routes);
    Ok(made)
}

fn in_main(view: &View, policy: Vec<Route>) -> Result<Made, String> {
    let rival = |route: &Route| {
        let same =
            |other: &&Route| (other.dst, other.table, other.priority) == (route.dst, MAIN, route.priority);
        view.routes.iter().find(same)
    };
    match policy.iter().find_map(rival) {
        Some(rival) => Err(format!("policyRoutes: there is {} already", view.describe(rival))),
        None => Ok(Made { routes: policy, rules: Vec::new() }),
    }
}
