//! The end of a NIC on the node: its routes and neighbours, and the rule after the last of all pods.

use attach::Error;
use netlink::{Family, RouteFilter};
use state::Dirs;

use super::{OnNode, PROTOCOL, lock, rule};

/// Takes the node's side of NICs away; the rule goes with the last route of ours in its table.
///
/// Routes and neighbours go without the lock: they are this attachment's alone, and the kernel lets a request wait for seconds
/// while the namespaces of many pods end. Whoever held the lock meanwhile would let all others run into their deadline.
pub(in super::super) fn remove(dirs: &Dirs, host: &mut netlink::Rtnetlink, parts: &[OnNode]) -> Vec<Error> {
    try_remove(dirs, host, parts).unwrap_or_else(|error| vec![error])
}

fn try_remove(dirs: &Dirs, host: &mut netlink::Rtnetlink, parts: &[OnNode]) -> Result<Vec<Error>, Error> {
    let mut batch = host.batch();
    for part in parts {
        for &address in &part.addresses {
            batch.delete_neighbour(part.index, address).delete_route(&part.route(address));
        }
    }
    let failed = batch.outcomes()?.into_iter().filter_map(Result::err).filter(|error| !error.is_gone());
    let mut errors: Vec<Error> = failed.map(Error::from).collect();
    let mut tables: Vec<(u32, Family)> = Vec::new();
    for part in parts {
        tables.extend(part.families().map(|family| (part.table, family)));
    }
    tables.sort_unstable_by_key(|&(table, family)| (table, family == Family::V6));
    tables.dedup();
    errors.extend(drop_unused_rules(dirs, host, &tables).err());
    Ok(errors)
}

/// With the lock only if there seems to be something to do, as after the node's last pod.
fn drop_unused_rules(
    dirs: &Dirs,
    host: &mut netlink::Rtnetlink,
    tables: &[(u32, Family)],
) -> Result<(), Error> {
    let mut unused = Vec::new();
    for &(table, family) in tables {
        if is_unused(host, table, family)? {
            unused.push((table, family));
        }
    }
    if unused.is_empty() {
        return Ok(());
    }
    let _lock = lock(dirs)?;
    for (table, family) in unused {
        // Again: an ADD may have come before the lock.
        if is_unused(host, table, family)? {
            drop_rule(host, table, family)?;
        }
    }
    Ok(())
}

fn is_unused(host: &mut netlink::Rtnetlink, table: u32, family: Family) -> Result<bool, Error> {
    let ours = RouteFilter { family: Some(family), table: Some(table), oif: None, protocol: Some(PROTOCOL) };
    Ok(host.routes(&ours)?.is_empty())
}

fn drop_rule(host: &mut netlink::Rtnetlink, table: u32, family: Family) -> Result<(), Error> {
    match host.delete_rule(&rule(family, table)) {
        Err(error) if !error.is_gone() => Err(error.into()),
        _ => Ok(()),
    }
}
