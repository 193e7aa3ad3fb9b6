//! A subnet per rail that all nodes share. What is said of rail 1 holds for the others at the same place of their subnets.

use std::net::IpAddr;

use api::{Rail, Shared};
use ipnet::IpNet;

use super::{Slice, disjoint, parse, without};
use crate::address::{host, moved, nth};
use crate::error::Error;
use crate::rails;

/// One slice per rail.
pub(super) fn slices(key: &str, shared: &Shared, six: bool, rails: &[Rail]) -> Result<Vec<Slice>, Error> {
    let first = parse(&format!("addressing.{key}.subnet"), &shared.subnet, six)?;
    let subnets = rails.iter().enumerate().map(|(position, rail)| {
        let own = rail.subnet.as_deref().filter(|text| text.contains(':') == six);
        own.map_or_else(
            || following(key, &first, position, rail),
            |text| parse(&format!("rails[{position}].subnet"), text, six),
        )
    });
    let subnets = subnets.collect::<Result<Vec<_>, _>>()?;
    disjoint(&subnets)?;
    let template = Template { key, shared, first };
    subnets.into_iter().map(|subnet| template.slice(subnet)).collect()
}

fn following(key: &str, first: &IpNet, position: usize, rail: &Rail) -> Result<IpNet, Error> {
    nth(first, first.prefix_len(), position as u128).ok_or_else(|| Error {
        field: format!("addressing.{key}.subnet"),
        value: Some(first.to_string()),
        problem: format!(
            "leaves no subnet for {}: there are no addresses behind",
            rails::name(rail, position)
        ),
    })
}

/// What is said of rail 1.
struct Template<'a> {
    key: &'a str,
    shared: &'a Shared,
    first: IpNet,
}

impl Template<'_> {
    fn slice(&self, subnet: IpNet) -> Result<Slice, Error> {
        let gateway = self.shared.gateway.as_deref().map(|text| self.gateway(text, &subnet)).transpose()?;
        let mut ips = self.ranges("ips", &self.shared.ips, &subnet)?;
        if ips.is_empty() {
            ips = without(&subnet, gateway.as_slice());
        }
        let exclude_ips = self.ranges("excludeIPs", &self.shared.exclude_ips, &subnet)?;
        Ok(Slice { subnet, gateway, host: None, ips, exclude_ips })
    }

    /// `172.16.11.254` of rail 1, or its place in every subnet.
    fn gateway(&self, text: &str, subnet: &IpNet) -> Result<IpAddr, Error> {
        let found = match text.parse::<i64>() {
            Ok(place) => host(subnet, place),
            Err(_) => self.moved(text, subnet),
        };
        found.ok_or_else(|| Error {
            field: format!("addressing.{}.gateway", self.key),
            value: Some(text.to_owned()),
            problem: format!(
                "is neither an address of {} nor a place in {subnet}: 1 is the first, -1 the last",
                self.first
            ),
        })
    }

    fn ranges(&self, name: &str, list: &[String], subnet: &IpNet) -> Result<Vec<String>, Error> {
        let range = |(index, text): (usize, &String)| {
            self.range(text, subnet).ok_or_else(|| Error {
                field: format!("addressing.{}.{name}[{index}]", self.key),
                value: Some(text.clone()),
                problem: format!(
                    "is no ADDRESS and no FIRST-LAST of rail 1's {} with a like in {subnet}",
                    self.first
                ),
            })
        };
        list.iter().enumerate().map(range).collect()
    }

    fn range(&self, text: &str, subnet: &IpNet) -> Option<String> {
        let Some((from, to)) = text.split_once('-') else {
            return self.moved(text, subnet).map(|address| address.to_string());
        };
        let (from, to) = (self.moved(from, subnet)?, self.moved(to, subnet)?);
        (from <= to).then(|| format!("{from}-{to}"))
    }

    fn moved(&self, text: &str, subnet: &IpNet) -> Option<IpAddr> {
        let address: IpAddr = text.trim().parse().ok()?;
        self.first.contains(&address).then(|| moved(address, &self.first, subnet)).flatten()
    }
}
