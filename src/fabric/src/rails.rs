//! Which NIC of a node is which rail.

use api::{LinkKind, Rail};

use crate::error::Problems;
use crate::inventory::{Nic, Node};
use crate::link::is_infiniband;
use crate::names;

/// The rail's name: its own, or `rail3`.
pub(crate) fn name(rail: &Rail, position: usize) -> String {
    rail.name.clone().unwrap_or_else(|| format!("rail{}", position + 1))
}

/// Why a node has no NIC for a rail.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Missing {
    /// Nobody has looked at the node.
    Unknown,
    /// No NIC has the name.
    None,
    /// Several have it.
    Several(Vec<String>),
}

/// The node's NIC of a rail. A NIC of the other link layer is none.
pub(crate) fn nic<'n>(rail: &Rail, link: LinkKind, node: &'n Node) -> Result<&'n Nic, Missing> {
    let nics = node.nics.as_ref().ok_or(Missing::Unknown)?;
    let infiniband = is_infiniband(link);
    let fitting = nics.iter().filter(|nic| nic.infiniband == infiniband);
    let found: Vec<&Nic> = match (&rail.interface, &rail.pci, rail.rail) {
        (Some(pattern), ..) => fitting.filter(|nic| names::matches(pattern, &nic.name)).collect(),
        (_, Some(pci), _) => fitting.filter(|nic| nic.pci.eq_ignore_ascii_case(pci)).collect(),
        (.., Some(place)) => fitting.skip(place.saturating_sub(1) as usize).take(1).collect(),
        _ => Vec::new(),
    };
    match found[..] {
        [nic] => Ok(nic),
        [] => Err(Missing::None),
        _ => Err(Missing::Several(found.iter().map(|nic| nic.name.clone()).collect())),
    }
}

/// Whether the interface's name holds on every node without a look at them.
pub(crate) fn fixed(rail: &Rail) -> Option<&str> {
    rail.interface.as_deref().filter(|name| !name.contains(['*', '?']))
}

/// Each rail has one name of its NIC, and a name of its own.
pub(crate) fn verify(rails: &[Rail], problems: &mut Problems) {
    if rails.is_empty() {
        problems.add("rails", None, "is empty: name the NICs that are rails, in their order");
    }
    let mut seen: Vec<String> = Vec::new();
    for (position, rail) in rails.iter().enumerate() {
        let field = |key: &str| format!("rails[{position}]{key}");
        let ways = [rail.interface.is_some(), rail.pci.is_some(), rail.rail.is_some()];
        if ways.iter().filter(|given| **given).count() != 1 {
            problems.add(field(""), None, "needs one of interface, pci and rail");
        }
        let name = name(rail, position);
        if !names::is_label(&name) {
            problems.add(
                field(".name"),
                Some(&name),
                "must be lower-case letters, digits and inner hyphens, 63 at most",
            );
        }
        if seen.contains(&name) {
            problems.add(field(".name"), Some(&name), "is the name of another rail, too");
        }
        seen.push(name);
    }
    same_nic_twice(rails, problems);
}

fn same_nic_twice(rails: &[Rail], problems: &mut Problems) {
    for (position, rail) in rails.iter().enumerate() {
        let same = |other: &Rail| {
            (rail.interface.is_some() && other.interface == rail.interface)
                || (rail.pci.is_some() && other.pci == rail.pci)
                || (rail.rail.is_some() && other.rail == rail.rail)
        };
        if let Some(first) = rails[..position].iter().position(same) {
            problems.add(format!("rails[{position}]"), None, format!("is the NIC of rails[{first}], too"));
        }
    }
}
