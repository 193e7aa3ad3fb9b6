//! A slice per node and rail.

use std::net::IpAddr;

use api::{PerNode, Rail};
use ipnet::IpNet;

use super::{Slice, disjoint, parse, without};
use crate::address::{address, host, hosts, nth, number};
use crate::error::Error;

/// How slices are cut: from one network for all rails, node by node (`172.16.1.0/27` to `172.16.1.224/27` are a node's eight
/// rails), or from a subnet of each rail.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Slicing {
    /// Of all slices.
    pub(crate) supernet: IpNet,
    length: u8,
    /// Its place in each slice.
    gateway: i64,
    /// Whether nodes have an address in each of their slices, beside the gateway.
    hosts: bool,
    rails: usize,
    /// The subnet of each rail, if they have one.
    own: Vec<IpNet>,
}

impl Slicing {
    pub(super) fn new(
        key: &str,
        per_node: &PerNode,
        six: bool,
        rails: &[Rail],
        hosts: bool,
    ) -> Result<Self, Error> {
        let supernet = parse(&format!("addressing.{key}.supernet"), &per_node.supernet, six)?;
        let (length, longest) = (per_node.prefix_length, if six { 126 } else { 30 });
        let shortest = supernet.prefix_len();
        if !(shortest..=longest).contains(&length) {
            return Err(Error {
                field: format!("addressing.{key}.prefixLength"),
                value: Some(length.to_string()),
                problem: format!("must be between {shortest} (the supernet's) and {longest}"),
            });
        }
        let own = own_subnets(rails, six, &supernet, length)?;
        let gateway = per_node.gateway.unwrap_or(1);
        let slicing = Self { supernet, length, gateway, hosts, rails: rails.len(), own };
        if slicing.cut(nth(&supernet, length, 0)).is_none_or(|slice| slice.ips.is_empty()) {
            return Err(Error {
                field: format!("addressing.{key}.gateway"),
                value: Some(gateway.to_string()),
                problem: format!(
                    "is no place in a /{length}, or leaves no address for a pod: 1 is the first, -1 the last"
                ),
            });
        }
        Ok(slicing)
    }

    /// The slice of node number `slot` and the rail at `position`; `None` past the end.
    pub(crate) fn slice(&self, slot: u32, position: usize) -> Option<Slice> {
        if let Some(own) = self.own.get(position) {
            return self.cut(nth(own, self.length, slot.into()).filter(|slice| own.contains(slice)));
        }
        let index = u128::from(slot).checked_mul(self.stride())?.checked_add(position as u128)?;
        self.cut(nth(&self.supernet, self.length, index).filter(|slice| self.supernet.contains(slice)))
    }

    fn cut(&self, subnet: Option<IpNet>) -> Option<Slice> {
        let subnet = subnet?;
        let gateway = host(&subnet, self.gateway)?;
        let own = if self.hosts { Some(beside(&subnet, gateway)?) } else { None };
        let taken: Vec<_> = std::iter::once(gateway).chain(own).collect();
        let ips = without(&subnet, &taken);
        Some(Slice { subnet, gateway: Some(gateway), host: own, ips, exclude_ips: Vec::new() })
    }

    /// Slices per node in the supernet: a power of two, so that a further rail moves nobody until that is passed.
    fn stride(&self) -> u128 {
        self.rails.next_power_of_two() as u128
    }

    /// How many nodes there is room for.
    pub(crate) fn room(&self) -> u128 {
        let slices = |net: &IpNet| 1u128 << (self.length - net.prefix_len()).min(127);
        let own = self.own.iter().map(slices).min();
        own.unwrap_or_else(|| slices(&self.supernet) / self.stride())
    }

    /// What an error says where that is too little.
    pub(crate) fn shortage(&self, nodes: u128) -> String {
        let Self { rails, length, .. } = self;
        format!(
            "has room for {} nodes of {rails} rails with a /{length} each, and {nodes} are needed: take a larger network or a longer \
             prefixLength",
            self.room()
        )
    }
}

/// The host behind the gateway, or the one before it at the end.
fn beside(subnet: &IpNet, gateway: IpAddr) -> Option<IpAddr> {
    let (first, last) = hosts(subnet);
    let at = number(gateway);
    let found = if at < last { at + 1 } else { at.checked_sub(1)? };
    (first..=last).contains(&found).then(|| address(gateway, found)).flatten()
}

/// The subnet of each rail that its slices are cut from: of all rails, or of none.
fn own_subnets(rails: &[Rail], six: bool, supernet: &IpNet, length: u8) -> Result<Vec<IpNet>, Error> {
    let text = |rail: &Rail| rail.subnet.clone().filter(|text| text.contains(':') == six);
    let texts: Vec<_> = rails.iter().map(text).collect();
    if texts.iter().all(Option::is_none) {
        return Ok(Vec::new());
    }
    let own = texts.into_iter().enumerate().map(|(position, text)| {
        let field = format!("rails[{position}].subnet");
        let Some(text) = text else {
            let problem =
                "is missing: each rail has a subnet that its slices are cut from, or none has".to_owned();
            return Err(Error { field, value: None, problem });
        };
        let subnet = parse(&field, &text, six)?;
        if supernet.contains(&subnet) && subnet.prefix_len() <= length {
            return Ok(subnet);
        }
        Err(Error {
            field,
            value: Some(text),
            problem: format!("must be a part of {supernet} that holds a /{length}"),
        })
    });
    let own = own.collect::<Result<Vec<_>, _>>()?;
    disjoint(&own)?;
    Ok(own)
}
