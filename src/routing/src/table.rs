//! Which table a NIC gets.

use std::collections::BTreeSet;

use super::model::View;

/// Of the pod's first NIC; `netN` has N more.
pub(super) const FIRST: u32 = 100;
/// Above this a rule would come close to main's, 32766.
const HIGHEST: u32 = 20_000;
/// `RT_TABLE_DEFAULT`, `RT_TABLE_MAIN`, `RT_TABLE_LOCAL`
const KERNELS: [u32; 3] = [253, 254, 255];

/// The NIC's own number if no rule names that table and no route is in it, else the next free one above. `held` are
/// the tables of the pod's other attachments, whose routes may still be on their way.
pub(super) fn choose(view: &View, held: &[u32], first_nic: &str, ifname: &str) -> u32 {
    let taken = taken(view, held);
    let own = own(first_nic, ifname);
    if let Some(own) = own.filter(|own| !taken.contains(own)) {
        return own;
    }
    // The own numbers of the NICs beside stay theirs: the outcome does not depend on who comes first.
    let others = view.links.iter().filter(|link| link.name != ifname);
    let reserved: BTreeSet<u32> = others.filter_map(|link| self::own(first_nic, &link.name)).collect();
    let mut above = own.unwrap_or(FIRST) + 1..;
    above.find(|table| !taken.contains(table) && !reserved.contains(table)).unwrap_or(HIGHEST)
}

/// For what has to be decided before any NIC's table is looked at: the first free one below those.
pub(super) fn below(view: &View, held: &[u32]) -> Option<u32> {
    let taken = taken(view, held);
    (1..FIRST).rev().find(|table| !taken.contains(table))
}

fn taken(view: &View, held: &[u32]) -> BTreeSet<u32> {
    let routes = view.routes.iter().map(|route| route.table);
    let rules = view.rules.iter().map(|rule| rule.table);
    routes
        .chain(rules)
        .chain(view.other_tables.iter().copied())
        .chain(held.iter().copied())
        .chain(KERNELS)
        .collect()
}

/// Which table a NIC gets unless that is taken; none for a name without a number, which gets the first free one.
pub fn own(first_nic: &str, ifname: &str) -> Option<u32> {
    if ifname == first_nic {
        return Some(FIRST);
    }
    let number = ifname.strip_prefix("net").filter(|digits| !digits.starts_with(['0', '+']))?;
    let table = FIRST.checked_add(number.parse().ok()?)?;
    (table <= HIGHEST).then_some(table)
}
