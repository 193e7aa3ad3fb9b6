//! The objects of a plan, for kubectl or a repository.

mod files;
mod host;
mod networks;
mod operator;
mod pools;
mod sample;

use serde_json::Value;

use crate::attachments;
use crate::link::is_vf;
use crate::plan::{Plan, PlannedRail};

pub use files::NodeFile;
pub use networks::Networks;

/// Of pools.
pub(crate) const POOL: &str = "SpiderIPPool";
/// Of networks.
pub(crate) const DEFINITION: &str = "NetworkAttachmentDefinition";

/// What is wanted beside the fabric itself.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Options {
    /// Of networks and of the operator's objects.
    pub namespace: String,
    /// The form of the networks.
    pub networks: Networks,
    /// `SpiderIPPool`s for what a node gets by slices, too. Without them the controller hands slices out by `RailNode`s.
    pub pools: bool,
    /// Objects of the SR-IOV network operator; without it, the device plugin's own config.
    pub operator: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { namespace: "default".to_owned(), networks: Networks::PerRail, pools: true, operator: true }
    }
}

impl Options {
    /// What the controller makes: pools for every node, and one network of all rails where the link allows it.
    pub fn of_cluster(namespace: &str) -> Self {
        Self { namespace: namespace.to_owned(), networks: Networks::OneOfChildren, ..Self::default() }
    }
}

/// What the objects of a plan lack, because nodes are not known.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Lack {
    /// Networks name the pools of slices, and there are none.
    Pools,
    /// Nothing makes or counts the VFs of these rails, whose NICs nobody has named.
    Nics(Vec<String>),
}

impl Plan {
    /// What has to be there before the objects can be applied as a whole.
    pub fn lacks(&self, options: &Options) -> Vec<Lack> {
        let pools = (self.is_sliced() && self.nodes.is_empty() && options.pools).then_some(Lack::Pools);
        let nameless = self.rails.iter().filter(|rail| is_vf(self.spec.link) && !rail.has_nic());
        let nameless: Vec<String> = nameless.map(|rail| rail.name.clone()).collect();
        let nics = (!nameless.is_empty()).then_some(Lack::Nics(nameless));
        pools.into_iter().chain(nics).collect()
    }

    /// Each object under the name of the file that it belongs into. The order is that in which they are to be applied.
    pub fn objects(&self, options: &Options) -> Vec<(String, Vec<Value>)> {
        let mut files = Vec::new();
        let mut add = |name: &str, objects: Vec<Value>| {
            if !objects.is_empty() {
                files.push((name.to_owned(), objects));
            }
        };
        if is_vf(self.spec.link) && options.operator {
            add("10-sriov-policies.yaml", self.policies(&options.namespace));
        } else {
            add("10-device-plugin.yaml", vec![self.device_plugin(&options.namespace)]);
        }
        add("20-pools.yaml", self.pools(options.pools));
        add("30-networks.yaml", self.networks(options));
        add("40-sample.yaml", vec![self.sample(options)]);
        files
    }

    /// `gpu-rail1`: of its network, and of the pool that all nodes share.
    pub(crate) fn object_name(&self, rail: &PlannedRail) -> String {
        attachments::object_name(&self.name, &rail.name)
    }

    /// `gpu_rail1`, as device plugins take it.
    pub(crate) fn resource_name(&self, rail: &PlannedRail) -> String {
        attachments::resource_name(&self.name, &self.spec, &rail.name)
    }

    /// In front of the slash.
    pub(crate) fn resource_prefix(&self) -> &str {
        attachments::resource_prefix(&self.spec)
    }

    /// `railcni.dev/gpu_rail1`
    pub(crate) fn resource(&self, rail: &PlannedRail) -> String {
        format!("{}/{}", self.resource_prefix(), self.resource_name(rail))
    }
}
