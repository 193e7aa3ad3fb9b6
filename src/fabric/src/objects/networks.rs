//! `NetworkAttachmentDefinition`s of the plugin `rail`: one per rail, or one for all.

use api::RdmaMode;
use serde_json::{Map, Value, json};

use super::{DEFINITION, Options};
use crate::attachments::in_one;
use crate::link::{has_mtu, is_vf};
use crate::plan::{Plan, PlannedRail};

/// The form of the networks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Networks {
    /// One per rail; Multus calls the plugin for each.
    PerRail,
    /// One for all rails of child links, and one per rail of VFs: Multus gives each network one device.
    OneOfChildren,
    /// One for all rails, too, of VFs: those that kubelet gave to the pod, of which the plugin asks the node's agent.
    One,
}

impl Plan {
    pub(super) fn networks(&self, options: &Options) -> Vec<Value> {
        if in_one(&self.spec, options) {
            let rails: Vec<_> =
                self.rails.iter().map(|rail| Value::from(self.of_rail(rail, options))).collect();
            let mut config = self.of_all();
            if is_vf(self.spec.link) {
                let resources: Vec<_> = self.rails.iter().map(|rail| self.resource(rail)).collect();
                config.insert("devices".to_owned(), "pod".into());
                config.insert("resources".to_owned(), json!(resources));
            }
            config.insert("rails".to_owned(), rails.into());
            return vec![definition(&self.name, &options.namespace, None, &config)];
        }
        let network = |rail: &PlannedRail| {
            let mut config = self.of_all();
            config.extend(self.of_rail(rail, options));
            let resource = self.spec.rdma.is_some() || is_vf(self.spec.link);
            let resource = resource.then(|| self.resource(rail));
            definition(&self.object_name(rail), &options.namespace, resource.as_deref(), &config)
        };
        self.rails.iter().map(network).collect()
    }

    /// Keys that are the same for all rails.
    fn of_all(&self) -> Map<String, Value> {
        let mut config = Map::new();
        config.insert("type".to_owned(), "rail".into());
        config.insert("link".to_owned(), json!(self.spec.link));
        let rdma = self.spec.rdma.filter(|mode| is_vf(self.spec.link) || *mode == RdmaMode::Shared);
        config.extend(rdma.map(|mode| ("rdma".to_owned(), json!(mode))));
        let mtu = self.spec.mtu.filter(|_| has_mtu(self.spec.link));
        config.extend(mtu.map(|mtu| ("mtu".to_owned(), mtu.into())));
        config.extend(self.spec.vlan.map(|vlan| ("vlan".to_owned(), vlan.into())));
        config.extend(self.spec.pkey.as_ref().map(|pkey| ("pkey".to_owned(), pkey.as_str().into())));
        config
    }

    /// Master and addresses of one.
    fn of_rail(&self, rail: &PlannedRail, options: &Options) -> Map<String, Value> {
        let mut config = Map::new();
        let master = rail.interfaces.first().filter(|_| !is_vf(self.spec.link));
        config.extend(master.map(|name| ("master".to_owned(), name.as_str().into())));
        let ipam = json!({ "type": "rail-ipam", "ippools": self.pools_of(rail, options) });
        config.insert("ipam".to_owned(), ipam);
        config
    }

    /// By family, the pools' names; where each node has one of its own, as a pattern that its name completes.
    fn pools_of(&self, rail: &PlannedRail, options: &Options) -> Value {
        let addressing = &self.spec.addressing;
        let name = self.object_name(rail);
        let pool = |shared: bool, sliced: bool, family: &str| match (shared, sliced) {
            (true, _) => Some(format!("{name}{family}")),
            (_, true) if options.pools => Some(format!("{name}{family}.*")),
            (_, true) => Some(format!("{name}{family}")),
            _ => None,
        };
        let mut pools = Map::new();
        for (key, found) in [
            ("ipv4", pool(addressing.shared.is_some(), addressing.per_node.is_some(), "")),
            ("ipv6", pool(addressing.shared6.is_some(), addressing.per_node6.is_some(), "v6")),
        ] {
            pools.extend(found.map(|name| (key.to_owned(), json!([name]))));
        }
        pools.into()
    }
}

fn definition(name: &str, namespace: &str, resource: Option<&str>, plugin: &Map<String, Value>) -> Value {
    let config = json!({ "cniVersion": "1.1.0", "name": name, "plugins": [plugin] });
    let mut metadata = json!({ "name": name, "namespace": namespace });
    if let Some(resource) = resource {
        metadata["annotations"] = json!({ "k8s.v1.cni.cncf.io/resourceName": resource });
    }
    json!({
        "apiVersion": "k8s.cni.cncf.io/v1",
        "kind": DEFINITION,
        "metadata": metadata,
        "spec": { "config": format!("{config:#}") },
    })
}
