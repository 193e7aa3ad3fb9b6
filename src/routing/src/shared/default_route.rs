//! Which NIC has main's default route, and which routes of the others give way to it.

use super::{Member, Shared};
use crate::config::DefaultRouteNic;
use crate::model::{Route, View};

impl Shared {
    /// The links that own main's default route of IPv4 and of IPv6.
    pub(crate) fn owners(&self, view: &View) -> [Option<u32>; 2] {
        [self.owner(view, false), self.owner(view, true)]
    }

    /// The NIC that is asked for, once it is coordinated and has a default route of the family; else the pod's first NIC;
    /// else, where there is none, the coordinated NIC with the lowest table.
    fn owner(&self, view: &View, is_v6: bool) -> Option<u32> {
        let has_default = |&index: &u32| view.has(index) && self.has_default(index, is_v6);
        let asked_for = || {
            self.tuned()
                .find(|member| self.default_nic().is_some_and(|default_nic| default_nic.nic == member.ifname))
        };
        let first = || view.link(&self.first_nic).map(|link| link.index).filter(|_| !self.has_lost_first());
        let lowest = || {
            let mut tuned: Vec<_> = self.tuned().map(|member| (member.table, member.index)).collect();
            tuned.sort_unstable();
            tuned.into_iter().map(|(_, index)| index).find(has_default)
        };
        asked_for().map(|member| member.index).filter(has_default).or_else(first).or_else(lowest)
    }

    /// The pod's own word takes precedence, then that of the first NIC, then that of the NIC with the lowest table:
    /// none of it depends on who came first.
    pub(crate) fn default_nic(&self) -> Option<&DefaultRouteNic> {
        let said =
            self.members.iter().filter_map(|member| Some((member.default_nic.as_ref()?, member.table)));
        said.min_by_key(|(default_nic, table)| (!default_nic.from_pod, *table))
            .map(|(default_nic, _)| default_nic)
    }

    fn has_default(&self, index: u32, is_v6: bool) -> bool {
        self.defaults.has(index, is_v6) || self.spares_of(index).any(|route| route.is_v6() == is_v6)
    }

    pub(crate) fn spares_of(&self, index: u32) -> impl Iterator<Item = &Route> {
        self.members.iter().filter(move |member| member.index == index).flat_map(|member| &member.spares)
    }

    /// Whether a default route belongs in main. Those of NICs that are not coordinated are not ours to judge.
    pub(super) fn keeps(&self, view: &View, owners: [Option<u32>; 2], route: &Route) -> bool {
        if !view.has(route.dev) {
            return false;
        }
        let is_owner = owners[usize::from(route.is_v6())] == Some(route.dev);
        let is_first = || {
            view.link(&self.first_nic).is_some_and(|link| link.index == route.dev && !self.has_lost_first())
        };
        is_owner || !(self.tuned().any(|member| member.index == route.dev) || is_first())
    }

    pub(super) fn spares_in_use(&self, view: &View) -> Vec<Route> {
        let owners = self.owners(view);
        let spares = self.tuned().flat_map(|member| &member.spares);
        let in_use = |route: &&Route| {
            owners[usize::from(route.is_v6())] == Some(route.dev)
                && !self.defaults.has(route.dev, route.is_v6())
        };
        spares.filter(in_use).cloned().collect()
    }

    /// Those of the newcomer, of the first NIC and of NICs that are not coordinated: what shows up on another member
    /// meanwhile was put there by somebody who meant it.
    pub(super) fn learn_defaults(&mut self, view: &View, newcomer: &Member) {
        let present: Vec<Route> = view.main_defaults().cloned().collect();
        self.defaults.forget(&present, |index| view.has(index));
        let elsewhere: Vec<u32> = self.members.iter().map(|member| member.index).collect();
        let concerns = |route: &&Route| route.dev == newcomer.index || !elsewhere.contains(&route.dev);
        let known: Vec<Route> = self.defaults.0.iter().map(|entry| entry.route.clone()).collect();
        self.defaults.learn(present.iter().filter(|route| concerns(route) || known.contains(route)));
    }
}
