//! The node as a tree: NUMA nodes, the bridges below them, and where GPUs and NICs hang.

use std::collections::BTreeMap;

use super::sight::{Pci, RdmaDevice, Sight};

/// What hangs below a bridge.
#[derive(Default)]
struct Branch {
    bridges: BTreeMap<String, Branch>,
    leaves: Vec<String>,
}

/// One line each, indented by depth. VFs are counted with their PF.
pub fn map(sight: &Sight) -> Vec<String> {
    let mut nodes: BTreeMap<Option<i32>, Branch> = BTreeMap::new();
    for gpu in &sight.gpus {
        hang(&mut nodes, &gpu.pci, format!("GPU {}", gpu.pci.address));
    }
    for device in &sight.devices {
        if let Some(pci) = device.pci.as_ref().filter(|pci| pci.pf.is_none()) {
            hang(&mut nodes, pci, nic(sight, device, &pci.address));
        }
    }
    let mut lines = Vec::new();
    for (numa, branch) in &nodes {
        lines.push(numa.map_or_else(|| "no NUMA node".to_owned(), |numa| format!("NUMA node {numa}")));
        branch.print(1, &mut lines);
    }
    let of_software: Vec<_> = sight.devices.iter().filter(|device| device.pci.is_none()).collect();
    if !of_software.is_empty() {
        lines.push("without hardware".to_owned());
        lines.extend(of_software.into_iter().map(|device| format!("  {}", nic(sight, device, "-"))));
    }
    lines
}

fn hang(nodes: &mut BTreeMap<Option<i32>, Branch>, pci: &Pci, leaf: String) {
    let mut branch = nodes.entry(pci.numa.filter(|numa| *numa >= 0)).or_default();
    for hop in pci.path.iter().skip(1).rev() {
        branch = branch.bridges.entry(hop.address.clone()).or_default();
    }
    branch.leaves.push(leaf);
}

impl Branch {
    fn print(&self, depth: usize, lines: &mut Vec<String>) {
        let indent = "  ".repeat(depth);
        lines.extend(self.leaves.iter().map(|leaf| format!("{indent}{leaf}")));
        for (bridge, below) in &self.bridges {
            lines.push(format!("{indent}bridge {bridge}"));
            below.print(depth + 1, lines);
        }
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
