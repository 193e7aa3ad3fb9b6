//! State that all NICs of a pod share: created by the first ADD that needs it, removed by the last DEL.

mod default_route;
mod first;

use std::collections::BTreeSet;
use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use state::AttachmentKey;

use super::arp::{self, Arp};
use super::changes::{Change, Made, Place};
use super::config::{DefaultRouteNic, LINK_LOCAL};
use super::defaults::Defaults;
use super::detours::free;
use super::model::{MAIN, Route, View};
use super::node::OnNode;
use super::veth::Pair;

/// One coordinated NIC.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Member {
    pub(super) network: String,
    pub(super) ifname: String,
    /// The attachment's, empty in a record of an older version: the same interface may be another's by now.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(super) container_id: String,
    pub(super) index: u32,
    /// `None`: its routes are not tuned.
    pub(super) table: Option<u32>,
    #[serde(rename = "wish")]
    pub(super) default_nic: Option<DefaultRouteNic>,
    pub(super) detours: Vec<IpNet>,
    pub(super) rp_filter: Option<u8>,
    /// Tables beside `table`, of addresses that have another gateway.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) further: Vec<u32>,
    /// What it has on the node, for a DEL whose own record is lost.
    #[serde(default)]
    pub(super) node: Option<OnNode>,
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
    /// The node's addresses, as the first attachment found them.
    #[serde(default)]
    pub(super) hosts: Vec<IpAddr>,
    /// What was changed for NICs of one subnet.
    #[serde(default)]
    pub(super) arp: Vec<Arp>,
    /// The first NIC is, or was, one of the members (mode underlay).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) underlay: bool,
    /// The pod's way to its node, once the first NIC that made it has gone and others are left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) way: Option<Way>,
}

/// A veth pair with the node, and the way back for what came in by it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Way {
    pub(super) pair: Option<Pair>,
    pub(super) returns: Made,
}

impl Shared {
    pub(super) fn tuned(&self) -> impl Iterator<Item = &Member> {
        self.members.iter().filter(|member| member.table.is_some())
    }

    /// Every table that is in use, or about to be.
    pub(super) fn tables(&self) -> Vec<u32> {
        let first = self.first.rules.iter().map(|rule| rule.table);
        self.tuned().flat_map(Member::tables).chain(first).collect()
    }

    pub(super) fn member(&self, network: &str, ifname: &str) -> Option<&Member> {
        self.members.iter().find(|member| member.is(network, ifname))
    }

    /// The NIC of that name, if it is an attachment's that came after that of `key`: a DEL may come again long after it did its work.
    pub(super) fn another(&self, key: &AttachmentKey) -> Option<&Member> {
        let named = self.member(&key.network, &key.ifname).filter(|member| !member.container_id.is_empty());
        named.filter(|member| member.container_id != key.container_id)
    }

    pub(super) fn remove(&mut self, network: &str, ifname: &str) {
        self.members.retain(|member| !member.is(network, ifname));
    }

    /// Takes in the other half of a pod's record, of which older versions had one for each container ID.
    pub(super) fn absorb(&mut self, other: Self) {
        let Self { members, first_nic, defaults, first, detours, rp_filter_was, hosts, arp, underlay, way } =
            other;
        if self.members.is_empty() {
            (self.first_nic, self.first) = (first_nic, first);
        }
        self.members.extend(members);
        self.defaults.absorb(defaults);
        extend_by_new(&mut self.detours, detours);
        extend_by_new(&mut self.hosts, hosts);
        extend_by_new(&mut self.arp, arp);
        self.rp_filter_was = self.rp_filter_was.take().or(rp_filter_was);
        self.underlay |= underlay;
        self.way = self.way.take().or(way);
    }

    /// The rules and routes that the members there are now need.
    pub(super) fn wanted(&self, view: &View) -> Made {
        let has_first = self.tuned().next().is_some() && !self.has_lost_first();
        let mut wanted = if has_first { self.first.clone() } else { Made::default() };
        if let Some(way) = self.way.as_ref().filter(|_| !self.members.is_empty()) {
            wanted.extend(way.returns.clone());
        }
        let asked = |route: &&Route| self.members.iter().any(|member| member.detours.contains(&route.dst));
        wanted.routes.extend(self.detours.iter().filter(asked).cloned());
        wanted.routes.extend(self.spares_in_use(view));
        // The way to the node goes with the attachment that made it.
        wanted.retain(|route| view.has(route.dev), |_| true)
    }

    /// All that may be there because of us, with the default routes of a member that has just left.
    fn universe(&self, left_over: &[Route]) -> Made {
        let mut all = self.first.clone();
        let spares = self.members.iter().flat_map(|member| &member.spares);
        all.routes.extend(self.detours.iter().chain(spares).chain(left_over).cloned());
        all.extend(self.way.as_ref().map(|way| way.returns.clone()).unwrap_or_default());
        all
    }

    /// What makes the pod as the members need it. Main gets its new default route before it loses the old one, and
    /// rules go before the tables they lead to. To be written down before it is done.
    pub(super) fn reconcile(&mut self, view: &View, left_over: &[Route]) -> Vec<Change> {
        let (wanted, universe) = (self.wanted(view), self.universe(left_over));
        let present = view.route_set();
        let missing =
            wanted.clone().retain(|route| !present.contains(route), |rule| !view.rules.contains(rule));
        let mut changes: Vec<Change> =
            missing.additions().map(|change| beside_others(change, left_over)).collect();
        let together = arp::wanted(view, &self.neighbours(view));
        changes.extend(arp::reconcile(&mut self.arp, &together, view));
        let in_main: Vec<Route> = view.main_defaults().cloned().collect();
        let owners = self.owners(view);
        let mut defaults = std::mem::take(&mut self.defaults);
        changes.extend(defaults.settle(&in_main, |route| self.keeps(view, owners, route)));
        self.defaults = defaults;
        let needed: BTreeSet<&Route> = wanted.routes.iter().collect();
        let left = universe.retain(
            |route| !needed.contains(route) && present.contains(route),
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
        let together = arp::wanted(view, &self.neighbours(view));
        self.arp.retain(|arp| together.contains(&arp.index));
        let wanted = self.wanted(view);
        self.detours.retain(|route| wanted.routes.contains(route));
        if self.members.iter().all(|member| member.rp_filter.is_none()) {
            self.rp_filter_was = None;
        }
        if self.tuned().next().is_none() || self.has_lost_first() {
            self.first = Made::default();
        }
    }

    /// `all.rp_filter` as the members want it: the latest that says something, else as it was. It would count for the
    /// pod's end of the pair, too, whose way back is by mark: there each NIC has its own value, and all have none.
    pub(super) fn rp_filter(&self, view: &View) -> Option<String> {
        let said = self.members.iter().rev().find_map(|member| member.rp_filter);
        let said = said.map(|value| if view.pod_veth().is_some() { 0 } else { value });
        said.map(|value| value.to_string()).or_else(|| self.rp_filter_was.clone())
    }

    /// Takes in what `member` needs; `view` is the pod before anything is done for it.
    pub(super) fn join(&mut self, view: &View, member: Member) -> Result<(), String> {
        self.learn_defaults(view, &member);
        let comes_first = member.ifname == self.first_nic;
        let is_tuned = member.table.is_some() || self.tuned().next().is_some();
        if is_tuned && self.first == Made::default() && (comes_first || !self.has_lost_first()) {
            self.first = self.first_table(view, &member);
        }
        for &dst in &member.detours {
            if let Some(route) = self.detour(view, dst, MAIN).filter(|route| !self.detours.contains(route)) {
                let free = free(view, route);
                let may_stay = self.is_host(dst) || dst == LINK_LOCAL;
                self.detours.extend(if may_stay { free.unwrap_or_default() } else { free? });
            } else if view.has_family(dst.addr().is_ipv6()) && self.detour(view, dst, MAIN).is_none() {
                tracing::warn!(%dst, "nothing of its family leads out of the pod: it is not hijacked");
            }
        }
        self.fill_first_table(view);
        if member.rp_filter.is_some() && self.rp_filter_was.is_none() {
            self.rp_filter_was = Some(view.rp_filter.clone());
        }
        self.underlay |= comes_first;
        self.members.push(member);
        Ok(())
    }

    /// The links whose addresses are the pod's to answer for: the first NIC and the coordinated ones.
    fn neighbours(&self, view: &View) -> Vec<u32> {
        let first = view.link(&self.first_nic).map(|link| link.index);
        self.members.iter().map(|member| member.index).chain(first).collect()
    }
}

impl Member {
    pub(super) fn tables(&self) -> impl Iterator<Item = u32> + '_ {
        self.table.into_iter().chain(self.further.iter().copied())
    }

    fn is(&self, network: &str, ifname: &str) -> bool {
        self.network == network && self.ifname == ifname
    }
}

fn extend_by_new<T: PartialEq>(known: &mut Vec<T>, more: Vec<T>) {
    for item in more {
        if !known.contains(&item) {
            known.push(item);
        }
    }
}

/// Main may hold other default routes beside a spare one, and the same route with an address that goes.
fn beside_others(change: Change, left_over: &[Route]) -> Change {
    match change {
        Change::AddRoute(route, _) if route.table == MAIN && route.is_default() => {
            Change::AddRoute(route, Place::Last)
        }
        Change::AddRoute(route, _) if left_over.iter().any(|other| other.rivals(&route)) => {
            Change::AddRoute(route, Place::Instead)
        }
        other => other,
    }
}
