use std::collections::BTreeSet;
use std::net::IpAddr;

use ipnet::IpNet;

use super::model::{Route, Rule};

/// Where a route goes among those that differ from it in the nexthop alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// There must be none.
    Only,
    /// IPv4: the first is the one that counts.
    First,
    /// IPv6 makes one multipath route of them.
    Last,
    /// In the place of the first of them.
    Instead,
}

/// One request to the kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Change {
    AddRoute(Route, Place),
    DeleteRoute(Route),
    AddRule(Rule),
    DeleteRule(Rule),
    SetLink(LinkSetting),
    /// A permanent one; it goes with its link.
    AddNeighbour {
        index: u32,
        ip: IpAddr,
        mac: [u8; 6],
    },
    /// It goes with its link.
    AddAddress {
        index: u32,
        net: IpNet,
    },
}

/// What is set on the NIC itself; `None` leaves it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct LinkSetting {
    pub(super) index: u32,
    pub(super) mac: Option<[u8; 6]>,
    pub(super) tx_queue_len: Option<u32>,
    pub(super) rp_filter: Option<u32>,
    /// `arp_announce` and `arp_ignore`
    pub(super) arp: Option<(u32, u32)>,
    pub(super) up: bool,
}

impl LinkSetting {
    /// No change when there is nothing to set.
    pub(super) fn change(self) -> Option<Change> {
        let nothing = Self { index: self.index, ..Self::default() };
        (self != nothing).then_some(Change::SetLink(self))
    }
}

/// Rules and routes that belong together.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(super) struct Made {
    pub(super) routes: Vec<Route>,
    pub(super) rules: Vec<Rule>,
}

impl Made {
    /// Routes first: a rule must never lead into a table that is half full.
    pub(super) fn additions(&self) -> impl Iterator<Item = Change> + '_ {
        let mut seen = BTreeSet::new();
        let routes = self.routes.iter().map(move |route| {
            let is_first = seen.insert((route.dst, route.table, route.priority));
            Change::AddRoute(route.clone(), if is_first { Place::Only } else { Place::Last })
        });
        routes.chain(self.rules.iter().cloned().map(Change::AddRule))
    }

    /// The way back: a route over a gateway goes before the one that makes the gateway known.
    pub(super) fn deletions(&self) -> impl Iterator<Item = Change> + '_ {
        let rules = self.rules.iter().rev().cloned().map(Change::DeleteRule);
        rules.chain(self.routes.iter().rev().cloned().map(Change::DeleteRoute))
    }

    pub(super) fn extend(&mut self, other: Self) {
        self.routes.extend(other.routes);
        self.rules.extend(other.rules);
    }

    pub(super) fn retain(mut self, route: impl Fn(&Route) -> bool, rule: impl Fn(&Rule) -> bool) -> Self {
        self.routes.retain(route);
        self.rules.retain(rule);
        self
    }
}
