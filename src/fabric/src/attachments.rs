//! What a pod needs to have all rails: the same for every node, and so known without any.

use api::{Fabric, FabricSpec, NetworkForm};

use crate::link::is_vf;
use crate::objects::{Networks, Options};
use crate::rails;

/// A network that a pod is attached to, and the resources of which it takes a unit each.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Attachment {
    /// `default/gpu-rail1`
    pub network: String,
    /// `railcni.dev/gpu_rail1`; those of all rails where they are one network.
    pub resources: Vec<String>,
    /// How many interfaces it makes.
    pub interfaces: usize,
}

/// All attachments of a fabric, in the order of its rails.
pub fn attachments(fabric: &Fabric, options: &Options) -> Vec<Attachment> {
    of(&fabric.metadata.name, &fabric.spec, options)
}

pub(crate) fn of(fabric: &str, spec: &FabricSpec, options: &Options) -> Vec<Attachment> {
    let offered = is_vf(spec.link) || spec.rdma.is_some();
    let resource = |rail: &String| offered.then(|| resource(fabric, spec, rail));
    let network = |name: &str| format!("{}/{name}", options.namespace);
    let rails = spec.rails.iter().enumerate().map(|(position, rail)| rails::name(rail, position));
    let rails: Vec<_> = rails.collect();
    if in_one(spec, options) {
        let resources = rails.iter().filter_map(resource).collect();
        return vec![Attachment { network: network(fabric), resources, interfaces: rails.len() }];
    }
    let attachment = |rail: &String| Attachment {
        network: network(&object_name(fabric, rail)),
        resources: resource(rail).into_iter().collect(),
        interfaces: 1,
    };
    rails.iter().map(attachment).collect()
}

/// Whether all rails are one network: as the fabric says, else as is usual here.
pub(crate) fn in_one(spec: &FabricSpec, options: &Options) -> bool {
    match (spec.networks, options.networks) {
        (Some(form), _) => form == NetworkForm::One,
        (None, Networks::PerRail) => false,
        (None, Networks::OneOfChildren) => !is_vf(spec.link),
        (None, Networks::One) => true,
    }
}

/// `gpu-rail1`: of a rail's network, and of the pool that all nodes share.
pub(crate) fn object_name(fabric: &str, rail: &str) -> String {
    format!("{fabric}-{rail}")
}

/// `gpu_rail1`, as device plugins take it.
pub(crate) fn resource_name(fabric: &str, spec: &FabricSpec, rail: &str) -> String {
    let first = spec.resources.name.as_deref().unwrap_or(fabric);
    format!("{first}_{rail}").replace('-', "_")
}

/// In front of the slash.
pub(crate) fn resource_prefix(spec: &FabricSpec) -> &str {
    spec.resources.prefix.as_deref().unwrap_or("railcni.dev")
}

fn resource(fabric: &str, spec: &FabricSpec, rail: &str) -> String {
    format!("{}/{}", resource_prefix(spec), resource_name(fabric, spec, rail))
}
