//! The addresses of each rail: a subnet that all nodes share, or a slice per node.

mod shared;
mod sliced;

use std::net::IpAddr;

use api::FabricSpec;
use ipnet::IpNet;

use crate::address::{address, hosts, number};
use crate::error::{Error, Problems};

pub(crate) use sliced::Slicing;

/// Addresses of one subnet for pods.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Slice {
    /// The subnet.
    pub subnet: IpNet,
    /// The default gateway of the rail.
    pub gateway: Option<IpAddr>,
    /// The node's own address on its NIC.
    pub host: Option<IpAddr>,
    /// What pods get, ADDRESS or FIRST-LAST.
    pub ips: Vec<String>,
    /// Of these, what they do not get.
    pub exclude_ips: Vec<String>,
}

/// How the rails of one family get their addresses.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Scheme {
    /// A subnet per rail.
    Shared(Vec<Slice>),
    /// A slice per node and rail.
    Sliced(Slicing),
}

/// The schemes of a fabric: one per family, IPv4 first.
pub(crate) fn schemes(spec: &FabricSpec, problems: &mut Problems) -> Vec<Scheme> {
    let addressing = &spec.addressing;
    let hosts = spec.host.as_ref().is_some_and(|host| host.addresses);
    let families = [
        (false, "shared", &addressing.shared, "perNode", &addressing.per_node),
        (true, "shared6", &addressing.shared6, "perNode6", &addressing.per_node6),
    ];
    let mut schemes = Vec::new();
    for (six, shared_key, shared, sliced_key, per_node) in families {
        match (shared, per_node) {
            (Some(_), Some(_)) => {
                let problem = format!("stands beside addressing.{shared_key}: choose one of them");
                problems.add(format!("addressing.{sliced_key}"), None, problem);
            }
            (Some(shared), None) => {
                if hosts {
                    let problem = format!(
                        "needs addressing.{sliced_key}: of addressing.{shared_key} no node has a part of its own"
                    );
                    problems.add("host.addresses", Some("true"), problem);
                }
                let slices = shared::slices(shared_key, shared, six, &spec.rails);
                schemes.extend(problems.take(slices).map(Scheme::Shared));
            }
            (None, Some(per_node)) => {
                let slicing = Slicing::new(sliced_key, per_node, six, &spec.rails, hosts);
                schemes.extend(problems.take(slicing).map(Scheme::Sliced));
            }
            (None, None) => {}
        }
    }
    if families.iter().all(|(_, _, shared, _, per_node)| shared.is_none() && per_node.is_none()) {
        problems.add(
            "addressing",
            None,
            "needs shared (a subnet per rail) or perNode (a slice per node and rail)",
        );
    }
    schemes
}

/// A network of a family, without bits behind its length.
fn parse(field: &str, text: &str, six: bool) -> Result<IpNet, Error> {
    let wrong = |problem: String| Error { field: field.to_owned(), value: Some(text.to_owned()), problem };
    let net: IpNet = text.parse().map_err(|_| wrong("is no ADDRESS/LENGTH".to_owned()))?;
    if net.network().is_ipv6() != six {
        let family =
            if six { "is no network of IPv6" } else { "is no network of IPv4: IPv6 has keys that end in 6" };
        return Err(wrong(family.to_owned()));
    }
    if net.addr() != net.network() {
        return Err(wrong(format!("has bits behind its length; write {}", net.trunc())));
    }
    Ok(net)
}

/// No two rails share an address.
fn disjoint(subnets: &[IpNet]) -> Result<(), Error> {
    for (position, subnet) in subnets.iter().enumerate() {
        let meets = |other: &IpNet| other.contains(subnet) || subnet.contains(other);
        if let Some(first) = subnets[..position].iter().position(meets) {
            return Err(Error {
                field: format!("rails[{position}].subnet"),
                value: Some(subnet.to_string()),
                problem: format!("overlaps with {} of rails[{first}]", subnets[first]),
            });
        }
    }
    Ok(())
}

/// The hosts of a subnet without some of them, as ranges.
fn without(subnet: &IpNet, taken: &[IpAddr]) -> Vec<String> {
    let (first, last) = hosts(subnet);
    let mut taken: Vec<u128> = taken.iter().map(|&address| number(address)).collect();
    taken.retain(|at| (first..=last).contains(at));
    taken.sort_unstable();
    let (mut ranges, mut from) = (Vec::new(), first);
    for at in taken {
        if from < at {
            ranges.extend(range(subnet, from, at - 1));
        }
        from = at + 1;
    }
    if from <= last {
        ranges.extend(range(subnet, from, last));
    }
    ranges
}

fn range(subnet: &IpNet, first: u128, last: u128) -> Option<String> {
    let (first, last) = (address(subnet.network(), first)?, address(subnet.network(), last)?);
    Some(if first == last { first.to_string() } else { format!("{first}-{last}") })
}
