//! What can be told to be ours where no record tells: by our protocol number, and by the addresses that a result lists.

use std::collections::BTreeSet;
use std::net::IpAddr;

use attach::{Error, UndoContext};
use ipnet::IpNet;

use super::changes::{Change, Made, Place};
use super::model::{MAIN, PROTOCOL, Route, Rule, View};
use super::node::{self, OnNode};
use super::shared::Shared;

/// `RTPROT_BOOT`: who added a route by hand, or a plugin that does not say.
const BOOT: u8 = 3;

/// Routes and rules of ours in these tables.
pub(super) fn marked(view: &View, tables: &[u32]) -> Made {
    let all = Made { routes: view.routes.clone(), rules: view.rules.clone() };
    all.retain(
        |route| tables.contains(&route.table) && route.protocol == PROTOCOL,
        |rule| tables.contains(&rule.table) && rule.protocol == PROTOCOL,
    )
}

/// The tables that rules of ours look into for one of `addresses`, but for those that are `held` on record.
pub(super) fn tables(view: &View, held: &[u32], addresses: &[IpAddr]) -> Vec<u32> {
    let is_orphan = |rule: &&Rule| is_of(rule, addresses) && !held.contains(&rule.table);
    let mut tables: Vec<u32> = view.rules.iter().filter(is_orphan).map(|rule| rule.table).collect();
    tables.dedup();
    tables
}

fn is_of(rule: &Rule, addresses: &[IpAddr]) -> bool {
    rule.protocol == PROTOCOL && addresses.iter().any(|&address| rule.src == IpNet::from(address))
}

/// For a DEL of the last NICs of a pod whose records are lost: the rules and routes that the first NIC still has in its table once
/// `made` is gone. Nothing while a record, or a rule of ours of another NIC, says that there are more NICs.
pub(super) fn first(view: &View, shared: &Shared, made: &Made, leaves: impl Fn(&str) -> bool) -> Made {
    let rest: Vec<&Rule> =
        view.rules.iter().filter(|rule| rule.protocol == PROTOCOL && !made.rules.contains(rule)).collect();
    let nics: BTreeSet<Option<u32>> = rest.iter().map(|rule| nic_of(view, rule)).collect();
    let is_alone = shared.members.is_empty() && shared.first == Made::default() && nics.len() == 1;
    match nics.first() {
        Some(&Some(index)) if is_alone && !leaves(&view.name(index)) => {
            let tables: Vec<u32> = rest.iter().map(|rule| rule.table).collect();
            let mut first = marked(view, &tables);
            let is_detour =
                |route: &&Route| route.table == MAIN && route.protocol == PROTOCOL && route.dev == index;
            first.routes.extend(view.routes.iter().filter(is_detour).cloned());
            first
        }
        _ => Made::default(),
    }
}

/// Whose address a rule looks at.
fn nic_of(view: &View, rule: &Rule) -> Option<u32> {
    let of = view.addresses.iter().find(|(_, net)| rule.src == IpNet::from(net.addr()));
    of.map(|(index, _)| *index)
}

/// Default routes that main has lost to a rail, as the first NIC's table still has them.
pub(super) fn moved_defaults(view: &View, first: &Made) -> Vec<Change> {
    let is_missing = |route: &&Route| {
        route.is_default()
            && !view.main_defaults().any(|other| other.dev == route.dev && other.is_v6() == route.is_v6())
    };
    let lost = first.routes.iter().filter(is_missing);
    lost.map(|route| Change::AddRoute(Route { table: MAIN, protocol: BOOT, ..route.clone() }, Place::Last))
        .collect()
}

/// What the node has for `addresses` by links that end in the pod.
pub(super) fn on_node(context: &mut UndoContext, addresses: &[IpAddr]) -> Result<Vec<OnNode>, Error> {
    if addresses.is_empty() || context.pod.is_none() {
        return Ok(Vec::new());
    }
    context.host()?;
    match (&mut context.host, &context.pod) {
        (Some(host), Some(pod)) => node::find(host, pod, addresses),
        _ => Ok(Vec::new()),
    }
}
