//! What of the cluster an answer depends on.

use std::collections::BTreeMap;

use fabric::Options;
use inject::{Namespace, Networks, Policy};
use serde_json::Value;

/// What of the cluster an answer depends on.
#[derive(Clone, Debug)]
pub struct World {
    /// `SpiderIPPool`s by name.
    pub pools: BTreeMap<String, Value>,
    /// `SpiderMultusConfig`s by NAMESPACE/NAME.
    pub configs: BTreeMap<String, Value>,
    /// Fabrics by name.
    pub fabrics: BTreeMap<String, Value>,
    /// Namespaces by name.
    pub namespaces: BTreeMap<String, Value>,
    /// Whose pods may be injected.
    pub policy: Policy,
    /// How the networks of Fabrics are made.
    pub options: Options,
    networks: Option<Networks>,
}

impl World {
    /// An empty cluster.
    pub fn new(policy: Policy, options: Options) -> Self {
        let (pools, configs, fabrics, namespaces) = Default::default();
        Self { pools, configs, fabrics, namespaces, policy, options, networks: None }
    }

    /// Configs or Fabrics have changed.
    pub fn changed(&mut self) {
        self.networks = None;
    }

    /// What pods can ask for.
    pub fn networks(&mut self) -> &Networks {
        let Self { configs, fabrics, options, networks, .. } = self;
        networks.get_or_insert_with(|| {
            let mut networks = Networks::default();
            for config in configs.values() {
                networks.add_config(config);
            }
            let read = |document| fabric::fabrics(std::slice::from_ref(document)).ok();
            for fabric in fabrics.values().filter_map(read).flatten() {
                networks.add_fabric(&fabric, options);
            }
            networks
        })
    }

    /// What a namespace says; one that is not known says nothing.
    pub fn namespace(&self, name: &str) -> Namespace {
        self.namespaces.get(name).map_or_else(|| Namespace::named(name), Namespace::of)
    }
}
