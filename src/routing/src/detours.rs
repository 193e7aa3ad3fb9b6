//! What leaves by the pod's way to its node: services, other pods, the node's own addresses.

use std::net::IpAddr;

use ipnet::IpNet;

use super::changes::Made;
use super::model::{MAIN, Route, Rule, View, any_of};
use super::shared::Shared;
use super::veth::MARK;
use super::{nic, table};

impl Shared {
    /// What leaves by the pod's veth pair would leave by a rail, once it is bound to the first NIC's address.
    pub(super) fn fill_first_table(&mut self, view: &View) {
        let Some(pod_veth) = view.pod_veth() else { return };
        let Some(table) = self.first.rules.first().map(|rule| rule.table) else { return };
        for route in
            self.detours.iter().filter(|route| route.dev == pod_veth.index).map(|route| route.copy_to(table))
        {
            if self.first.routes.iter().all(|other| other.dst != route.dst) {
                self.first.routes.push(route);
            }
        }
    }

    /// A route by the pod's veth pair with the node, else by the gateway of the first NIC; `None` when there is no way
    /// of the family.
    pub(super) fn detour(&self, view: &View, dst: IpNet, table: u32) -> Option<Route> {
        let first = view.link(&self.first_nic).map(|link| link.index);
        let is_v6 = dst.addr().is_ipv6();
        let way = match view.pod_veth() {
            Some(pod_veth) => self.way_by_veth(view, pod_veth.index, is_v6)?,
            None => self.defaults.of(first?).find(|route| route.is_v6() == is_v6)?.clone(),
        };
        let route = Route { dst, src: self.source_hint(view, is_v6), ..way.copy_to(table) };
        let is_beside = first.is_some_and(|first| view.is_beside(first, dst.addr()));
        if self.is_host(dst) && (view.pod_veth().is_some() || is_beside) {
            return Some(route.without_gateway());
        }
        let onlink = way.gateway.is_some_and(|gateway| way.onlink || !view.reaches(way.dev, gateway));
        Some(Route { onlink, ..route })
    }

    /// Any address of the node will do for a gateway: the neighbour that stands for it is the node's end of the pair.
    fn way_by_veth(&self, view: &View, pod_veth: u32, is_v6: bool) -> Option<Route> {
        let gateway =
            *self.hosts.iter().find(|host| host.is_ipv6() == is_v6).filter(|_| view.has_family(is_v6))?;
        Some(Route { onlink: true, ..nic::route_via(view, pod_veth, MAIN, any_of(is_v6), gateway) })
    }

    /// The way back for what came in by the pair: rules for its mark, and a table with nothing but default routes.
    pub(super) fn returns(&self, view: &View) -> Made {
        let held = self.tables();
        let (Some(pod_veth), Some(table)) = (view.pod_veth(), table::below(view, &held)) else {
            return Made::default();
        };
        let ways =
            [false, true].into_iter().filter_map(|is_v6| self.way_by_veth(view, pod_veth.index, is_v6));
        let routes: Vec<Route> = ways.map(|way| way.copy_to(table)).collect();
        let rules = routes.iter().map(|route| Rule::marked(route.is_v6(), MARK, table)).collect();
        Made { routes, rules }
    }

    /// IPv4 only: for IPv6 the kernel picks by the route's link.
    pub(super) fn source_hint(&self, view: &View, is_v6: bool) -> Option<IpAddr> {
        let first = view.link(&self.first_nic).map(|link| link.index).filter(|_| !self.has_lost_first());
        let mut nics = first.into_iter().chain(self.members.iter().map(|member| member.index));
        let v4 = |index| view.addresses_of(index).map(|net| net.addr()).find(IpAddr::is_ipv4);
        if is_v6 { None } else { nics.find_map(v4) }
    }

    pub(super) fn is_host(&self, dst: IpNet) -> bool {
        dst.prefix_len() == dst.max_prefix_len() && self.hosts.contains(&dst.addr())
    }
}

/// The route if main has none to that destination; nothing if main leads there as asked already.
pub(super) fn free(view: &View, route: Route) -> Result<Option<Route>, String> {
    let rival = view.routes.iter().find(|other| {
        (other.dst, other.table, other.priority) == (route.dst, route.table, route.priority)
            && **other != route
    });
    match rival {
        None => Ok(Some(route)),
        Some(rival) if rival.leads_as(&route) => Ok(None),
        Some(rival) => Err(format!(
            "{} cannot leave by {}: there is {} already; take it out of hijackCIDR, overlayPodCIDR and serviceCIDR",
            route.dst,
            view.name(route.dev),
            view.describe(rival)
        )),
    }
}
