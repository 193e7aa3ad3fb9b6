//! What becomes of a pod.

use std::collections::BTreeMap;

use fabric::Attachment;
use serde_json::Value;

use crate::asked::Asked;
use crate::edit::Edit;
use crate::error::Refusal;
use crate::ipam::Addresses;
use crate::namespace::{Namespace, Policy};
use crate::networks::Networks;
use crate::requested::{Addition, Requested};
use crate::{INJECTED, NETWORKS, resources};

/// What becomes of a pod.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// It stays as it is, for this reason.
    Untouched(String),
    /// It gets what it asked for.
    Injected(Injection),
}

/// A pod with what it asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct Injection {
    /// The whole pod.
    pub pod: Value,
    /// What leads there (RFC 6902); never empty.
    pub patch: Vec<Value>,
    /// Networks and resources, in words.
    pub added: Vec<String>,
    /// What its writer should know.
    pub notes: Vec<String>,
}

/// What becomes of this pod in this namespace.
pub fn inject(
    pod: &Value,
    namespace: &Namespace,
    networks: &Networks,
    policy: &Policy,
) -> Result<Outcome, Refusal> {
    let untouched = |reason: String| Ok(Outcome::Untouched(reason));
    if !policy.allows(&namespace.name) {
        return untouched(format!("pods of namespace {} are left alone", namespace.name));
    }
    let Some(asked) = Asked::of(pod, namespace)? else {
        return untouched("neither pod nor namespace asks for rails".to_owned());
    };
    if pod["spec"]["hostNetwork"] == true {
        return untouched("it is in the network of its node, where the rails are already".to_owned());
    }
    require_shape(pod)?;
    let attachments = networks.of(&asked, &namespace.name, policy)?;
    let mut edit = Edit::of(pod);
    let (mut added, notes) = attach(&mut edit, &attachments, namespace)?;
    added.extend(resources::add(&mut edit, &units(&attachments)));
    edit.put(&["metadata", "annotations", INJECTED], asked.word.clone().into());
    if edit.patch.is_empty() {
        return untouched(format!("it has all that {} {:?} stands for", asked.key.name(), asked.word));
    }
    Ok(Outcome::Injected(Injection { pod: edit.pod, patch: edit.patch, added, notes }))
}

/// The networks that the pod does not ask for itself, behind its own.
fn attach(
    edit: &mut Edit,
    attachments: &[Attachment],
    namespace: &Namespace,
) -> Result<(Vec<String>, Vec<String>), Refusal> {
    let own = Requested::of(&edit.pod, &namespace.name)?;
    let missing: Vec<_> = attachments.iter().filter(|wanted| !own.has(&wanted.network)).collect();
    if missing.is_empty() {
        return Ok((Vec::new(), Vec::new()));
    }
    let addresses = Addresses::of(&edit.pod, namespace)?;
    let addition = |(index, wanted): (usize, &&Attachment)| {
        let args = addresses.args(own.len() + index + 1, wanted.interfaces)?;
        Ok(Addition { network: wanted.network.clone(), args })
    };
    let additions = missing.iter().enumerate().map(addition).collect::<Result<Vec<_>, Refusal>>()?;
    edit.put(&["metadata", "annotations", NETWORKS], own.with(&additions)?.into());
    let names = missing.iter().map(|wanted| format!("network {}", wanted.network)).collect();
    Ok((names, addresses.notes))
}

/// A unit for each attachment, those that the pod asks for itself included.
fn units(attachments: &[Attachment]) -> BTreeMap<String, u64> {
    let mut units = BTreeMap::new();
    for resource in attachments.iter().flat_map(|attachment| &attachment.resources) {
        *units.entry(resource.clone()).or_default() += 1;
    }
    units
}

/// Where something is to be put there is an object, or nothing yet.
fn require_shape(pod: &Value) -> Result<(), Refusal> {
    let object_or_none = |place: &str| pod.pointer(place).is_none_or(|at| at.is_object() || at.is_null());
    if !pod["metadata"].is_object() || !object_or_none("/metadata/annotations") {
        return Err(Refusal::Pod("the pod has no metadata that can be read"));
    }
    if !pod["spec"]["containers"][0].is_object() {
        return Err(Refusal::Pod("the pod has no container that could get the devices of its rails"));
    }
    let places = ["", "/limits", "/requests"].map(|part| format!("/spec/containers/0/resources{part}"));
    if places.iter().all(|place| object_or_none(place)) {
        return Ok(());
    }
    Err(Refusal::Pod("spec.containers[0].resources of the pod is no object"))
}
