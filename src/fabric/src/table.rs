//! A plan as a person reads it.

use crate::plan::Plan;
use crate::subnets::Slice;

/// A line of the table: a rail in one family.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Row {
    /// `rail1`
    pub rail: String,
    /// Interfaces or PCI addresses.
    pub nic: String,
    /// The subnet, or that of the first and of the last node.
    pub subnet: String,
    /// The same for gateways.
    pub gateway: String,
    /// First and last node, by number; empty where nodes share the subnet.
    pub nodes: String,
}

impl Plan {
    /// A row per rail and family.
    pub fn rows(&self) -> Vec<Row> {
        let mut by_slot: Vec<_> = self.nodes.iter().filter(|node| node.slot.is_some()).collect();
        by_slot.sort_by_key(|node| node.slot);
        let ends = by_slot.first().zip(by_slot.last());
        let mut rows = Vec::new();
        for (position, rail) in self.rails.iter().enumerate() {
            let nics = if rail.pcis.is_empty() { &rail.interfaces } else { &rail.pcis };
            let row = |subnet, gateway, nodes| Row {
                rail: rail.name.clone(),
                nic: nics.join(","),
                subnet,
                gateway,
                nodes,
            };
            rows.extend(
                rail.shared.iter().map(|slice| row(slice.subnet.to_string(), gateway(slice), String::new())),
            );
            let Some((first, last)) = ends else { continue };
            let slices = first.rails[position].1.iter().zip(&last.rails[position].1);
            rows.extend(slices.map(|(from, to)| {
                let span =
                    |from: String, to: String| if from == to { from } else { format!("{from} .. {to}") };
                row(
                    span(from.subnet.to_string(), to.subnet.to_string()),
                    span(gateway(from), gateway(to)),
                    span(first.name.clone(), last.name.clone()),
                )
            }));
        }
        rows
    }
}

fn gateway(slice: &Slice) -> String {
    slice.gateway.map(|gateway| gateway.to_string()).unwrap_or_default()
}
