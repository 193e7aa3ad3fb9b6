//! The node as a tree: NUMA nodes, the bridges below them, where GPUs and NICs hang, and which rails of pods are on those.

mod svg;

use std::collections::BTreeMap;

use super::sight::{Pci, RdmaDevice, Sight};

pub use svg::svg;

/// Something in the node, and what hangs below it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// What it is.
    pub kind: Kind,
    /// In a line.
    pub text: String,
    /// In the order in which it is drawn.
    pub below: Vec<Self>,
}

/// What there is in a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "a variant is what it is called")]
pub enum Kind {
    /// A NUMA node, or what is in none.
    Group,
    Bridge,
    Gpu,
    Nic,
    /// Of a pod.
    Rail,
}

/// What hangs below a bridge.
#[derive(Default)]
struct Branch {
    bridges: BTreeMap<String, Branch>,
    leaves: Vec<Part>,
}

impl Part {
    fn new(kind: Kind, text: String, below: Vec<Self>) -> Self {
        Self { kind, text, below }
    }
}

/// The whole node. VFs are counted with their PF. `rails` are those of pods by the interface of the NIC that they are on.
pub fn map(sight: &Sight, rails: &BTreeMap<String, Vec<String>>) -> Vec<Part> {
    let mut nodes: BTreeMap<Option<i32>, Branch> = BTreeMap::new();
    for gpu in &sight.gpus {
        hang(&mut nodes, &gpu.pci, Part::new(Kind::Gpu, format!("GPU {}", gpu.pci.address), Vec::new()));
    }
    let nic = |device: &RdmaDevice, address: &str| {
        let own = device.netdevs().into_iter().flat_map(|netdev| below(rails.get(&netdev))).collect();
        Part::new(Kind::Nic, nic(sight, device, address), own)
    };
    for device in &sight.devices {
        if let Some(pci) = device.pci.as_ref().filter(|pci| pci.pf.is_none()) {
            hang(&mut nodes, pci, nic(device, &pci.address));
        }
    }
    let name = |numa: Option<i32>| {
        numa.map_or_else(|| "no NUMA node".to_owned(), |numa| format!("NUMA node {numa}"))
    };
    let mut parts: Vec<Part> =
        nodes.into_iter().map(|(numa, branch)| Part::new(Kind::Group, name(numa), branch.parts())).collect();
    let software = sight.devices.iter().filter(|device| device.pci.is_none());
    let software: Vec<Part> = software.map(|device| nic(device, "-")).collect();
    parts.extend(group("without hardware", software));
    let known: Vec<String> = sight.devices.iter().flat_map(RdmaDevice::netdevs).collect();
    let others = rails.iter().filter(|(netdev, _)| !known.contains(netdev));
    let others = others.map(|(netdev, own)| {
        let text = if netdev.is_empty() { "NIC unknown".to_owned() } else { format!("NIC {netdev}") };
        Part::new(Kind::Nic, text, below(Some(own)))
    });
    parts.extend(group("without an RDMA device", others.collect()));
    parts
}

fn group(name: &str, below: Vec<Part>) -> Option<Part> {
    (!below.is_empty()).then(|| Part::new(Kind::Group, name.to_owned(), below))
}

fn below(rails: Option<&Vec<String>>) -> Vec<Part> {
    let rails = rails.into_iter().flatten();
    rails.map(|rail| Part::new(Kind::Rail, rail.clone(), Vec::new())).collect()
}

/// One line each, indented by depth.
pub fn lines(parts: &[Part]) -> Vec<String> {
    let mut lines = Vec::new();
    print(parts, 0, &mut lines);
    lines
}

fn print(parts: &[Part], depth: usize, lines: &mut Vec<String>) {
    for part in parts {
        lines.push(format!("{}{}", "  ".repeat(depth), part.text));
        print(&part.below, depth + 1, lines);
    }
}

fn hang(nodes: &mut BTreeMap<Option<i32>, Branch>, pci: &Pci, leaf: Part) {
    let mut branch = nodes.entry(pci.numa.filter(|numa| *numa >= 0)).or_default();
    for hop in pci.path.iter().skip(1).rev() {
        branch = branch.bridges.entry(hop.address.clone()).or_default();
    }
    branch.leaves.push(leaf);
}

impl Branch {
    fn parts(self) -> Vec<Part> {
        let bridge = |(bridge, below): (String, Self)| {
            Part::new(Kind::Bridge, format!("bridge {bridge}"), below.parts())
        };
        self.leaves.into_iter().chain(self.bridges.into_iter().map(bridge)).collect()
    }
}

fn nic(sight: &Sight, device: &RdmaDevice, address: &str) -> String {
    let mut parts = vec![format!("NIC {address} {}", device.name)];
    for netdev in device.netdevs() {
        let own = sight.netdev(&netdev).map(|netdev| &netdev.addresses[..]).unwrap_or_default();
        let own = own
            .iter()
            .filter(|net| !matches!(net, ipnet::IpNet::V6(net) if net.addr().is_unicast_link_local()));
        parts.push(own.fold(netdev.clone(), |text, net| format!("{text} {net}")));
    }
    for port in &device.ports {
        let state = port.state.split_once(": ").map_or(&*port.state, |(_, state)| state);
        parts.push([&port.link_layer, state, &*port.rate].join(" ").trim().to_owned());
    }
    let is_vf =
        |other: &&RdmaDevice| other.pci.as_ref().is_some_and(|pci| pci.pf.as_deref() == Some(address));
    match sight.devices.iter().filter(is_vf).count() {
        0 => {}
        count => parts.push(format!("{count} of its VFs are here")),
    }
    parts.join(", ")
}

#[cfg(test)]
mod tests;
