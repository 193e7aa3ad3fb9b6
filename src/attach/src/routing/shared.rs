//! What the attachments of one pod share: made by the first that needs it, removed by the last, whoever that is.

use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::changes::{Change, Made, Place};
use super::config::Wish;
use super::defaults::Defaults;
use super::model::{MAIN, Route, View};
use super::{nic, table};

/// One coordinated NIC.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Member {
    pub(super) network: String,
    pub(super) ifname: String,
    pub(super) index: u32,
    /// `None`: its routes are not tuned.
    pub(super) table: Option<u32>,
    pub(super) wish: Option<Wish>,
    pub(super) detours: Vec<IpNet>,
    pub(super) rp_filter: Option<u8>,
    /// Default routes for main, should it come to own that and have none there.
    pub(super) spares: Vec<Route>,
}

/// The record of a pod.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Shared {
    /// In the order in which they came.
    pub(super) members: Vec<Member>,
    pub(super) first_nic: String,
    pub(super) defaults: Defaults,
    /// The first NIC's table and rules.
    pub(super) first: Made,
    /// Routes of main by the first NIC.
    pub(super) detours: Vec<Route>,
    /// `all.rp_filter` as it was.
    pub(super) rp_filter_was: Option<String>,
}

impl Shared {
    pub(super) fn tuned(&self) -> impl Iterator<Item = &Member> {
        self.members.iter().filter(|member| member.table.is_some())
    }

    /// Every table that is in use, or about to be.
    pub(super) fn tables(&self) -> Vec<u32> {
        let first = self.first.rules.iter().map(|rule| rule.table);
        self.tuned().filter_map(|member| member.table).chain(first).collect()
    }

    pub(super) fn member(&self, network: &str, ifname: &str) -> Option<&Member> {
        self.members.iter().find(|member| member.is(network, ifname))
    }

    pub(super) fn remove(&mut self, network: &str, ifname: &str) {
        self.members.retain(|member| !member.is(network, ifname));
    }

    /// The rules and routes that the members there are now need.
    pub(super) fn wanted(&self, view: &View) -> Made {
        let mut wanted = if self.tuned().next().is_some() { self.first.clone() } else { Made::default() };
        let asked = |route: &&Route| self.members.iter().any(|member| member.detours.contains(&route.dst));
        wanted.routes.extend(self.detours.iter().filter(asked).cloned());
        wanted.routes.extend(self.spares_in_use(view));
        wanted
    }

    /// All that may be there because of us, with the default routes of a member that has just left.
    fn universe(&self, left_over: &[Route]) -> Made {
        let mut all = self.first.clone();
        let spares = self.members.iter().flat_map(|member| &member.spares);
        all.routes.extend(self.detours.iter().chain(spares).chain(left_over).cloned());
        all
    }

    /// What makes the pod as the members need it. Main gets its new default route before it loses the old one, and
    /// rules go before the tables they lead to. To be written down before it is done.
    pub(super) fn reconcile(&mut self, view: &View, left_over: &[Route]) -> Vec<Change> {
        let (wanted, universe) = (self.wanted(view), self.universe(left_over));
        let missing =
            wanted.clone().retain(|route| !view.routes.contains(route), |rule| !view.rules.contains(rule));
        let mut changes: Vec<Change> = missing.additions().map(beside_others).collect();
        let present: Vec<Route> = view.main_defaults().cloned().collect();
        let owners = self.owners(view);
        let mut defaults = std::mem::take(&mut self.defaults);
        changes.extend(defaults.settle(&present, |route| self.keeps(view, owners, route)));
        self.defaults = defaults;
        let left = universe.retain(
            |route| !wanted.routes.contains(route) && view.routes.contains(route),
            |rule| !wanted.rules.contains(rule) && view.rules.contains(rule),
        );
        changes.extend(left.deletions());
        changes
    }

    /// Once the changes are made: forgets what nobody needs any more.
    pub(super) fn reconciled(&mut self, view: &View) {
        let owners = self.owners(view);
        let mut defaults = std::mem::take(&mut self.defaults);
        defaults.settled(|route| self.keeps(view, owners, route));
        self.defaults = defaults;
        let wanted = self.wanted(view);
        self.detours.retain(|route| wanted.routes.contains(route));
        if self.members.iter().all(|member| member.rp_filter.is_none()) {
            self.rp_filter_was = None;
        }
        if self.tuned().next().is_none() {
            self.first = Made::default();
        }
    }

    /// `all.rp_filter` as the members want it: the latest that says something, else as it was.
    pub(super) fn rp_filter(&self) -> Option<String> {
        let said = self.members.iter().rev().find_map(|member| member.rp_filter);
        said.map(|value| value.to_string()).or_else(|| self.rp_filter_was.clone())
    }

    /// The links that own main's default route of IPv4 and of IPv6.
    pub(super) fn owners(&self, view: &View) -> [Option<u32>; 2] {
        [self.owner(view, false), self.owner(view, true)]
    }

    /// The NIC wished for, once it is coordinated and has a default route of the family; else the pod's first NIC;
    /// else, where there is none, the coordinated NIC with the lowest table.
    fn owner(&self, view: &View, is_v6: bool) -> Option<u32> {
        let has_default = |&index: &u32| view.has(index) && self.has_default(index, is_v6);
        let wished = || self.tuned().find(|member| self.wish().is_some_and(|wish| wish.nic == member.ifname));
        let first = || view.link(&self.first_nic).map(|link| link.index);
        let lowest = || {
            let mut tuned: Vec<_> = self.tuned().map(|member| (member.table, member.index)).collect();
            tuned.sort_unstable();
            tuned.into_iter().map(|(_, index)| index).find(has_default)
        };
        wished().map(|member| member.index).filter(has_default).or_else(first).or_else(lowest)
    }

    /// The pod's own word counts most, then that of the NIC with the lowest table: neither depends on who came first.
    pub(super) fn wish(&self) -> Option<&Wish> {
        let wishes = self.tuned().filter_map(|member| Some((member.wish.as_ref()?, member.table)));
        wishes.min_by_key(|(wish, table)| (!wish.from_pod, *table)).map(|(wish, _)| wish)
    }

    fn has_default(&self, index: u32, is_v6: bool) -> bool {
        self.defaults.has(index, is_v6) || self.spares_of(index).any(|route| route.is_v6() == is_v6)
    }

    pub(super) fn spares_of(&self, index: u32) -> impl Iterator<Item = &Route> {
        self.members.iter().filter(move |member| member.index == index).flat_map(|member| &member.spares)
    }

    /// Whether a default route belongs in main. Those of NICs that are not coordinated are not ours to judge.
    fn keeps(&self, view: &View, owners: [Option<u32>; 2], route: &Route) -> bool {
        if !view.has(route.dev) {
            return false;
        }
        let is_owner = owners[usize::from(route.is_v6())] == Some(route.dev);
        let is_first = || view.link(&self.first_nic).is_some_and(|link| link.index == route.dev);
        is_owner || !(self.tuned().any(|member| member.index == route.dev) || is_first())
    }

    fn spares_in_use(&self, view: &View) -> Vec<Route> {
        let owners = self.owners(view);
        let spares = self.tuned().flat_map(|member| &member.spares);
        let in_use = |route: &&Route| {
            owners[usize::from(route.is_v6())] == Some(route.dev)
                && !self.defaults.has(route.dev, route.is_v6())
        };
        spares.filter(in_use).cloned().collect()
    }

    /// Takes in what `member` needs; `view` is the pod before anything is done for it.
    pub(super) fn join(&mut self, view: &View, member: Member) -> Result<(), String> {
        self.learn_defaults(view, &member);
        if let Some(table) = member.table.filter(|_| self.first == Made::default()) {
            self.first = self.first_table(view, table);
        }
        for &dst in &member.detours {
            if let Some(route) = self.detour(view, dst, MAIN).filter(|route| !self.detours.contains(route)) {
                self.detours.extend(free(view, route)?);
            }
        }
        if member.rp_filter.is_some() && self.rp_filter_was.is_none() {
            self.rp_filter_was = Some(view.rp_filter.clone());
        }
        self.members.push(member);
        Ok(())
    }

    /// The first NIC's table, so that its replies leave where they came in.
    fn first_table(&self, view: &View, newcomers: u32) -> Made {
        let Some(first) = view.link(&self.first_nic) else { return Made::default() };
        let held: Vec<u32> = self.tables().into_iter().chain([newcomers]).collect();
        let table = table::choose(view, &held, &self.first_nic, &self.first_nic);
        let made = nic::table_of(view, first.index, table, self.defaults.of(first.index));
        let detours: Vec<Route> = self.detours.iter().map(|route| route.copy_to(table)).collect();
        made.retain(|route| !detours.contains(route), |_| true)
    }

    /// A route by the gateway of the first NIC; `None` when that has none of the family.
    pub(super) fn detour(&self, view: &View, dst: IpNet, table: u32) -> Option<Route> {
        let first = view.link(&self.first_nic)?.index;
        let is_v6 = dst.addr().is_ipv6();
        let default = self.defaults.of(first).find(|route| route.is_v6() == is_v6)?;
        let onlink = default.gateway.is_some_and(|gateway| default.onlink || !view.reaches(first, gateway));
        Some(Route { dst, onlink, src: source_hint(view, first, is_v6), ..default.copy_to(table) })
    }

    /// Those of the newcomer, of the first NIC and of NICs that are not coordinated: what shows up on another member
    /// meanwhile was put there by somebody who meant it.
    fn learn_defaults(&mut self, view: &View, newcomer: &Member) {
        let present: Vec<Route> = view.main_defaults().cloned().collect();
        self.defaults.forget(&present, |index| view.has(index));
        let elsewhere: Vec<u32> = self.members.iter().map(|member| member.index).collect();
        let concerns = |route: &&Route| route.dev == newcomer.index || !elsewhere.contains(&route.dev);
        let known: Vec<Route> = self.defaults.0.iter().map(|entry| entry.route.clone()).collect();
        self.defaults.learn(present.iter().filter(|route| concerns(route) || known.contains(route)));
    }
}

impl Member {
    fn is(&self, network: &str, ifname: &str) -> bool {
        self.network == network && self.ifname == ifname
    }
}

/// IPv4 only: for IPv6 the kernel picks by the route's link.
fn source_hint(view: &View, first: u32, is_v6: bool) -> Option<IpAddr> {
    let v4 = || view.addresses_of(first).map(|net| net.addr()).find(IpAddr::is_ipv4);
    if is_v6 { None } else { v4() }
}

/// The route if main has none to that destination; nothing if main leads there as wished already.
fn free(view: &View, route: Route) -> Result<Option<Route>, String> {
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

/// Main may hold other default routes beside a spare one.
fn beside_others(change: Change) -> Change {
    match change {
        Change::AddRoute(route, _) if route.table == MAIN && route.is_default() => {
            Change::AddRoute(route, Place::Last)
        }
        other => other,
    }
}
