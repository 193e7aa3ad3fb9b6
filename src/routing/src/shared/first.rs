//! The pod's first NIC: its table, and what the pod keeps of it once it has left before the others.

use std::net::IpAddr;

use super::{Member, Shared, Way};
use crate::changes::Made;
use crate::model::{PROTOCOL, Route, View};
use crate::undo::RoutingUndo;
use crate::veth::Pair;
use crate::{lost, nic, table};

impl Shared {
    /// The first NIC's table, so that its replies leave where they came in.
    pub(super) fn first_table(&self, view: &View, newcomer: &Member) -> Made {
        let Some(first) = view.link(&self.first_nic) else { return Made::default() };
        let held: Vec<u32> = self.tables().into_iter().chain(newcomer.tables()).collect();
        let addresses: Vec<IpAddr> = view.addresses_of(first.index).map(|net| net.addr()).collect();
        let orphan = lost::tables(view, &held, &addresses).into_iter().next();
        let table = orphan.unwrap_or_else(|| table::choose(view, &held, &self.first_nic, &self.first_nic));
        let defaults: Vec<Route> = self.defaults.of(first.index).cloned().collect();
        let made = nic::table_of(view, first.index, table, &defaults, addresses);
        let detours: Vec<Route> = self.detours.iter().map(|route| route.copy_to(table)).collect();
        made.retain(|route| !detours.contains(route), |_| true)
    }

    /// A rail itself, it has been detached before the others.
    pub(crate) fn has_lost_first(&self) -> bool {
        self.underlay && self.members.iter().all(|member| member.ifname != self.first_nic)
    }

    /// The first NIC has left: what its attachment made for the whole pod is the pod's from now on, and what speaks of its address
    /// speaks of another. Returns the routes that are to be replaced.
    pub(crate) fn outlive_first(&mut self, view: &View, way: Way) -> Vec<Route> {
        let pair = way.pair.or_else(|| self.way.as_mut().and_then(|known| known.pair.take()));
        let known = self.way.take().map(|known| known.returns).filter(|_| way.returns == Made::default());
        self.way = Some(Way { pair, returns: known.unwrap_or(way.returns) });
        let before = self.detours.clone();
        let src = self.source_hint(view, false);
        self.detours.iter_mut().filter(|route| route.src.is_some()).for_each(|route| route.src = src);
        before
    }

    /// Detours in the tables of NICs, with the first one's address, which the kernel would take away with it. What looks into
    /// such a table has its source.
    pub(crate) fn outliving(&self, view: &View) -> Vec<Route> {
        let Some(first) = view.link(&self.first_nic).filter(|_| self.has_lost_first()) else {
            return Vec::new();
        };
        let tables: Vec<u32> = self.tuned().flat_map(Member::tables).collect();
        let names_it = |src: IpAddr| view.addresses_of(first.index).any(|net| net.addr() == src);
        let dies = |route: &&Route| {
            route.protocol == PROTOCOL && tables.contains(&route.table) && route.src.is_some_and(names_it)
        };
        view.routes.iter().filter(dies).map(|route| Route { src: None, ..route.clone() }).collect()
    }

    /// The route as it is there: one that has outlived the first NIC has another source.
    pub(crate) fn present(&self, view: &View, route: &Route) -> Option<Route> {
        let same = |other: &&Route| {
            *other == route || (self.way.is_some() && other.leads_as(route) && other.protocol == PROTOCOL)
        };
        view.routes.iter().find(same).cloned()
    }

    /// Of a first NIC that has left.
    pub(crate) fn pair(&self) -> Option<Pair> {
        self.way.as_ref()?.pair.clone()
    }

    /// NICs whose namespace is gone, or cannot be found.
    pub(crate) fn leave_with_namespace(&mut self, undos: &[RoutingUndo]) {
        for RoutingUndo { key, .. } in undos {
            self.remove(&key.network, &key.ifname);
        }
        if let Some(pair) = undos.iter().find_map(|undo| undo.pair.clone()) {
            self.way.get_or_insert_default().pair = Some(pair);
        }
    }
}
