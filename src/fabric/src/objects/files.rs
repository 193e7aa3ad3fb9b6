//! Files for nodes without an API server: pools and a network as the plugins read them.

use serde_json::{Value, json};

use super::{Networks, Options};
use crate::link::is_vf;
use crate::plan::{Plan, PlannedNode};

/// A file of a node.
#[derive(Clone, Debug, PartialEq)]
pub enum NodeFile {
    /// Documents for `/etc/railcni/pools.d`.
    Pools(Vec<Value>),
    /// For `/etc/cni/net.d`.
    Network {
        /// Of the network.
        name: String,
        /// A conflist.
        config: Value,
    },
    /// For `railctl host`: the node's own NICs.
    Host(Value),
}

impl Plan {
    /// What a node needs for itself: its pools, the network of all its rails (with VFs a network per rail), and how its own NICs are to
    /// be.
    pub fn node_files(&self, node: &PlannedNode) -> Vec<NodeFile> {
        let mut alone = Self { nodes: vec![node.clone()], ..self.clone() };
        // Without an API server there is no kubelet to ask for the devices of a pod.
        alone.spec.networks = None;
        let form = if is_vf(self.spec.link) { Networks::PerRail } else { Networks::One };
        let options = Options { networks: form, ..Options::default() };
        let pools = NodeFile::Pools(alone.pools(true));
        let networks = alone.networks(&options).into_iter().map(|network| NodeFile::Network {
            name: network["metadata"]["name"].as_str().unwrap_or_default().to_owned(),
            config: network["spec"]["config"]
                .as_str()
                .and_then(|text| serde_json::from_str(text).ok())
                .unwrap_or(json!({})),
        });
        let host = self.host_file(node).map(NodeFile::Host);
        std::iter::once(pools).chain(networks).chain(host).collect()
    }
}
