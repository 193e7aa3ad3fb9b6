//! The node's own NICs, as `railctl host` reads them.

use ipnet::IpNet;
use serde_json::{Map, Value, json};

use crate::plan::{Plan, PlannedNode};
use crate::rails;
use crate::subnets::Slice;

impl Plan {
    /// The node's file; `None` where the fabric says nothing of the nodes' NICs, or nobody knows what they are called.
    pub(super) fn host_file(&self, node: &PlannedNode) -> Option<Value> {
        let host = self.spec.host.as_ref()?;
        let subnets = if host.policy_routing { self.supernets() } else { Vec::new() };
        let mut nics = Vec::new();
        for (position, (nic, slices)) in node.rails.iter().enumerate() {
            let known = nic.as_ref().map(|nic| nic.name.as_str());
            let name = known.or_else(|| rails::fixed(&self.spec.rails[position]));
            let leads = position == 0 && !subnets.is_empty();
            nics.extend(name.map(|name| self.nic(name, slices, leads)));
        }
        if nics.is_empty() {
            return None;
        }
        let mut file = Map::new();
        file.extend(self.spec.rdma.map(|mode| ("rdmaMode".to_owned(), json!(mode))));
        if !subnets.is_empty() {
            file.insert("rdmaSubnets".to_owned(), json!(subnets));
        }
        file.insert("nics".to_owned(), nics.into());
        file.extend(host.pfc_priority.map(|priority| ("roce".to_owned(), roce(priority))));
        Some(file.into())
    }

    fn nic(&self, name: &str, slices: &[Slice], leads: bool) -> Value {
        let own = |slice: &Slice| IpNet::new(slice.host?, slice.subnet.prefix_len()).ok();
        let addresses: Vec<IpNet> = slices.iter().filter_map(own).collect();
        let is_routed = self.spec.host.as_ref().is_some_and(|host| host.policy_routing);
        let of_own = slices.iter().filter(|slice| is_routed && slice.host.is_some());
        let gateways: Vec<_> = of_own.filter_map(|slice| slice.gateway).collect();
        let mut nic = Map::new();
        nic.insert("name".to_owned(), name.into());
        if !addresses.is_empty() {
            nic.insert("addresses".to_owned(), json!(addresses));
        }
        if !gateways.is_empty() {
            nic.insert("gateways".to_owned(), json!(gateways));
            nic.extend(leads.then(|| ("rdmaRoute".to_owned(), true.into())));
        }
        nic.extend(self.spec.mtu.map(|mtu| ("mtu".to_owned(), mtu.into())));
        nic.extend(self.spec.vfs.map(|vfs| ("vfs".to_owned(), vfs.into())));
        nic.into()
    }
}

/// Notifications have another priority than what they are about.
fn roce(priority: u8) -> Value {
    match priority {
        3 => json!({ "preset": "nvidia" }),
        5 => json!({ "preset": "spiderpool" }),
        6 => json!({ "priority": 6, "cnpPriority": 7 }),
        other => json!({ "priority": other }),
    }
}
