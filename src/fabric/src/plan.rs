//! What a fabric means for its nodes.

use api::{Fabric, FabricSpec};
use ipnet::IpNet;

use crate::error::{Errors, Problems};
use crate::inventory::{Nic, Node};
use crate::link::{is_infiniband, is_vf};
use crate::rails::{self, Missing};
use crate::slots::Slots;
use crate::subnets::{Scheme, Slice, Slicing};
use crate::verify::verify;

/// What a fabric means.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Its name, with which those of its objects begin.
    pub name: String,
    /// As it was written.
    pub spec: FabricSpec,
    /// In their order.
    pub rails: Vec<PlannedRail>,
    /// Those that it selects, in natural order of their names.
    pub nodes: Vec<PlannedNode>,
    /// Numbers of the nodes, those of earlier plans included.
    pub slots: Slots,
    /// What a person should look at; nothing that stops the plan.
    pub notes: Vec<String>,
}

/// A rail of all nodes.
#[derive(Clone, Debug)]
pub struct PlannedRail {
    /// `rail1`
    pub name: String,
    /// Names of its NIC on the nodes, in natural order; one where the nodes are alike.
    pub interfaces: Vec<String>,
    /// PCI addresses, where it is named by one.
    pub pcis: Vec<String>,
    /// A subnet per family, where nodes share them.
    pub shared: Vec<Slice>,
}

/// A node of the fabric.
#[derive(Clone, Debug)]
pub struct PlannedNode {
    /// As Kubernetes has it.
    pub name: String,
    /// Its number, where slices are counted by it.
    pub slot: Option<u32>,
    /// By rail: the NIC, if somebody has looked, and a slice per family.
    pub rails: Vec<(Option<Nic>, Vec<Slice>)>,
}

impl PlannedRail {
    /// Whether a NIC of it is known on any node.
    pub(crate) fn has_nic(&self) -> bool {
        !self.interfaces.is_empty() || !self.pcis.is_empty()
    }
}

impl Plan {
    /// The networks that slices are cut from: what rail 1 of a pod has a route to.
    pub fn supernets(&self) -> Vec<IpNet> {
        let per_node = [&self.spec.addressing.per_node, &self.spec.addressing.per_node6];
        per_node.into_iter().flatten().filter_map(|per_node| per_node.supernet.parse().ok()).collect()
    }

    /// Whether each node has slices of its own.
    pub fn is_sliced(&self) -> bool {
        self.spec.addressing.per_node.is_some() || self.spec.addressing.per_node6.is_some()
    }
}

/// The plan of a fabric for these nodes. `earlier` are the numbers of an earlier plan: nodes keep them.
pub fn plan(fabric: &Fabric, nodes: &[Node], earlier: &Slots) -> Result<Plan, Errors> {
    let mut problems = Problems::default();
    let schemes = verify(fabric, &mut problems);
    problems.into_result()?;
    let selected: Vec<&Node> =
        nodes.iter().filter(|node| fabric.spec.node_selector.matches(&node.labels)).collect();
    let draft = Draft { fabric, nodes: selected, schemes };
    draft.plan(earlier)
}

struct Draft<'a> {
    fabric: &'a Fabric,
    nodes: Vec<&'a Node>,
    schemes: Vec<Scheme>,
}

impl Draft<'_> {
    fn plan(&self, earlier: &Slots) -> Result<Plan, Errors> {
        let slots = earlier.with(self.nodes.iter().map(|node| node.name.as_str()));
        self.room(&slots)?;
        let (mut problems, mut remarks) = (Problems::default(), Vec::new());
        let nodes: Vec<_> = self.nodes.iter().map(|node| self.node(node, &slots, &mut remarks)).collect();
        let rails = (0..self.spec().rails.len()).map(|position| self.rail(position, &nodes));
        let rails: Vec<_> = rails.collect();
        self.alike(&rails, &mut problems);
        remarks.extend(self.unknown(&rails));
        problems.into_result()?;
        let name = self.fabric.metadata.name.clone();
        Ok(Plan { name, spec: self.spec().clone(), rails, nodes, slots, notes: remarks })
    }

    fn spec(&self) -> &FabricSpec {
        &self.fabric.spec
    }

    fn sliced(&self) -> impl Iterator<Item = &Slicing> {
        self.schemes.iter().filter_map(|scheme| match scheme {
            Scheme::Sliced(slicing) => Some(slicing),
            Scheme::Shared(_) => None,
        })
    }

    /// Every node has its slice, gaps that others left included.
    fn room(&self, slots: &Slots) -> Result<(), Errors> {
        let needed = slots.highest().map_or(0, |highest| u128::from(highest) + 1);
        let mut problems = Problems::default();
        for slicing in self.sliced().filter(|slicing| slicing.room() < needed) {
            let key = if slicing.supernet.network().is_ipv6() { "perNode6" } else { "perNode" };
            let supernet = slicing.supernet.to_string();
            problems.add(format!("addressing.{key}.supernet"), Some(&supernet), slicing.shortage(needed));
        }
        problems.into_result()
    }

    fn node(&self, node: &Node, slots: &Slots, notes: &mut Vec<String>) -> PlannedNode {
        let slot = slots.get(&node.name).filter(|_| self.sliced().next().is_some());
        let rails = self.spec().rails.iter().enumerate().map(|(position, rail)| {
            let slices = self.sliced().filter_map(|slicing| slicing.slice(slot?, position)).collect();
            let nic = match rails::nic(rail, self.spec().link, node) {
                Ok(nic) => {
                    notes.extend(self.too_few_vfs(node, nic));
                    Some(nic.clone())
                }
                Err(missing) => {
                    notes.extend(self.missing(node, position, &missing));
                    None
                }
            };
            (nic, slices)
        });
        PlannedNode { name: node.name.clone(), slot, rails: rails.collect() }
    }

    fn too_few_vfs(&self, node: &Node, nic: &Nic) -> Option<String> {
        let wanted = self.spec().vfs.filter(|&vfs| is_vf(self.spec().link) && vfs > nic.total_vfs)?;
        let Nic { name, total_vfs, .. } = nic;
        Some(format!(
            "node {}: {name} can have {total_vfs} VFs, and spec.vfs wants {wanted}: raise it in the NIC's firmware, or lower spec.vfs",
            node.name
        ))
    }

    fn missing(&self, node: &Node, position: usize, missing: &Missing) -> Option<String> {
        let rail = rails::name(&self.spec().rails[position], position);
        let layer = if is_infiniband(self.spec().link) { "InfiniBand" } else { "Ethernet" };
        match missing {
            Missing::Unknown => None,
            Missing::None => Some(format!(
                "node {}: no {layer} NIC for {rail} (spec.rails[{position}]): compare with `kubectl get sriovnetworknodestate {} -o yaml`",
                node.name, node.name
            )),
            Missing::Several(names) => Some(format!(
                "node {}: {} are all {rail} (spec.rails[{position}]): write a narrower name",
                node.name,
                names.join(", ")
            )),
        }
    }

    fn rail(&self, position: usize, nodes: &[PlannedNode]) -> PlannedRail {
        let rail = &self.spec().rails[position];
        let seen = nodes.iter().filter_map(|node| node.rails.get(position)?.0.as_ref());
        let mut interfaces: Vec<String> = match rails::fixed(rail) {
            Some(name) => vec![name.to_owned()],
            None => seen.map(|nic| nic.name.clone()).collect(),
        };
        interfaces.sort_by(|a, b| crate::natural(a, b));
        interfaces.dedup();
        let shared = self.schemes.iter().filter_map(|scheme| match scheme {
            Scheme::Shared(slices) => slices.get(position).cloned(),
            Scheme::Sliced(_) => None,
        });
        PlannedRail {
            name: rails::name(rail, position),
            interfaces,
            pcis: rail.pci.iter().cloned().collect(),
            shared: shared.collect(),
        }
    }

    /// VFs are made and counted by NIC: of a rail without one, no policy and no config of the device plugin can be written.
    fn unknown(&self, rails: &[PlannedRail]) -> Vec<String> {
        let nameless =
            rails.iter().enumerate().filter(|(_, rail)| is_vf(self.spec().link) && !rail.has_nic());
        let note = |(position, rail): (usize, &PlannedRail)| {
            format!(
                "spec.rails[{position}]: no NIC of {} is known, so nothing is written that makes or counts its VFs: pass the nodes \
                 (--nodes FILE, or --nodes kubectl), or write its interface",
                rail.name
            )
        };
        nameless.map(note).collect()
    }

    /// A network has one master on all nodes; VFs come by resource, and may be of any.
    fn alike(&self, rails: &[PlannedRail], problems: &mut Problems) {
        for (position, rail) in rails.iter().enumerate().filter(|_| !is_vf(self.spec().link)) {
            let field = format!("rails[{position}]");
            match &rail.interfaces[..] {
                [_] => {}
                [] => problems.add(field, None, "names no interface that is known: pass the nodes (--nodes), or write the interface's name"),
                [one, other, ..] => problems.add(field, None, format!(
                    "is {one} on some nodes and {other} on others, and a network has one master: give the NICs one name (a udev rule)"
                )),
            }
        }
    }
}
