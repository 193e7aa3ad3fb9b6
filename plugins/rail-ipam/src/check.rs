//! CHECK: what is not as ADD left it.

use std::net::IpAddr;

use cni::{CniResult, Error, IpConfig};
use ipam::AttachmentKey;

use crate::interfaces::Interfaces;

/// Every difference, in one error.
pub(crate) fn differences(
    key: &AttachmentKey,
    previous: &CniResult,
    held: &[IpAddr],
    node: &Interfaces,
) -> Result<(), Error> {
    let found = compared(key, previous, held).into_iter().chain(clashes(key, held, node));
    Error::join(found.map(Error::internal)).map_or(Ok(()), Err)
}

/// Each address of the interface has a lease, and each lease is an address of the interface; what is not so, a line each.
fn compared(key: &AttachmentKey, previous: &CniResult, held: &[IpAddr]) -> Vec<String> {
    let of_interface = |ip: &&IpConfig| match ip.interface.and_then(|index| previous.interfaces.get(index)) {
        Some(interface) => interface.name == key.ifname,
        None => true,
    };
    let reported = previous.ips.iter().filter(of_interface).map(|ip| ip.address.addr()).collect::<Vec<_>>();
    let of = described(key);
    let unleased =
        reported.iter().filter(|ip| !held.contains(ip)).map(|ip| format!("address {ip} {of} has no lease"));
    let unused = held.iter().filter(|ip| !reported.contains(ip));
    let unused = unused.map(|ip| format!("lease {ip} {of} is not an address of prevResult"));
    let mut differences = unleased.chain(unused).collect::<Vec<_>>();
    if held.is_empty() && reported.is_empty() {
        differences.push(format!("no address {of} is leased"));
    }
    differences
}

/// What the node has got since: whoever looks for it finds one of the two. What the pod does with its own links is its business.
fn clashes(key: &AttachmentKey, held: &[IpAddr], node: &Interfaces) -> Vec<String> {
    let (taken, of) = (node.node(), described(key));
    let clash = |ip: &IpAddr| {
        let holder = node.holder(*ip);
        format!("address {ip} {of} is also that of {holder}: give the node another one, or the pod")
    };
    held.iter().filter(|ip| taken.contains(**ip)).map(clash).collect()
}

fn described(key: &AttachmentKey) -> String {
    format!("of {} of container {} in network {:?}", key.ifname, key.container_id, key.network)
}
