//! Which node and rail an address is of, and the reverse.

use std::net::IpAddr;

use crate::plan::Plan;
use crate::subnets::Slice;

/// Where an address is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Place<'a> {
    /// Of the rail, from 1.
    pub rail: usize,
    /// Its name.
    pub name: &'a str,
    /// The node that has the slice; none where all share the subnet.
    pub node: Option<&'a str>,
    /// Subnet and gateway.
    pub slice: &'a Slice,
}

impl Plan {
    /// The rail, and node, of an address; `None` where the fabric does not have it.
    pub fn place(&self, address: IpAddr) -> Option<Place<'_>> {
        let shared = self
            .rails
            .iter()
            .enumerate()
            .flat_map(|(position, rail)| rail.shared.iter().map(move |slice| (position, None, slice)));
        let sliced = self.nodes.iter().flat_map(|node| {
            node.rails.iter().enumerate().flat_map(move |(position, (_, slices))| {
                slices.iter().map(move |slice| (position, Some(node.name.as_str()), slice))
            })
        });
        let (position, node, slice) =
            shared.chain(sliced).find(|(.., slice)| slice.subnet.contains(&address))?;
        Some(Place { rail: position + 1, name: &self.rails[position].name, node, slice })
    }

    /// All subnets of a node, by rail.
    pub fn slices_of(&self, node: &str) -> Option<Vec<Place<'_>>> {
        let node = self.nodes.iter().find(|found| found.name == node)?;
        let places =
            self.rails.iter().zip(&node.rails).enumerate().flat_map(|(position, (rail, (_, own)))| {
                rail.shared.iter().chain(own).map(move |slice| Place {
                    rail: position + 1,
                    name: &rail.name,
                    node: Some(&node.name),
                    slice,
                })
            });
        Some(places.collect())
    }
}
