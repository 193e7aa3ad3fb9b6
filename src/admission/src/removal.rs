//! A Fabric that is to go, and its networks with it: never from under pods that stay.

use std::collections::{BTreeMap, BTreeSet};

use api::NetworkForm;
use fabric::{Options, attachments};
use serde_json::Value;

use crate::answer::Answer;
use crate::request::Request;

/// Pods are named in a refusal, but not hundreds of them.
const NAMED: usize = 5;
/// On a Fabric: its admin means it, and knows that pods that start again find no network.
const MEANT: &str = "railcni.dev/change-networks-in-use";

/// The networks (NAMESPACE/NAME) that would go with a Fabric, in whichever form it has them. Where there are any, [`removal`] wants to
/// know which pods ask for them.
pub fn going(request: &Request, options: &Options) -> BTreeSet<String> {
    let old = &request.old_object;
    let is_to_go = request.operation == "DELETE" && request.kind.kind == "Fabric";
    if !is_to_go || old["metadata"]["annotations"][MEANT] == "true" {
        return BTreeSet::new();
    }
    // One that cannot be read has made none.
    let fabrics = fabric::fabrics(std::slice::from_ref(old)).unwrap_or_default();
    let forms = [NetworkForm::One, NetworkForm::PerRail];
    let all = fabrics.into_iter().flat_map(|mut fabric| {
        forms.map(|form| {
            fabric.spec.networks = Some(form);
            attachments(&fabric, options)
        })
    });
    all.flatten().map(|attachment| attachment.network).collect()
}

/// Whether a Fabric may go: `attached` are the pods (NAMESPACE/NAME) of each network that are not on their way out themselves.
pub fn removal(
    request: &Request,
    networks: &BTreeSet<String>,
    attached: &BTreeMap<String, Vec<String>>,
) -> Answer {
    let pods: BTreeSet<&str> =
        networks.iter().filter_map(|network| attached.get(network)).flatten().map(String::as_str).collect();
    if pods.is_empty() {
        return Answer::allowed();
    }
    let named = pods.iter().take(NAMED).copied().collect::<Vec<_>>().join(", ");
    let more = pods.len().saturating_sub(NAMED);
    let more = if more == 0 { String::new() } else { format!(" and {more} more") };
    Answer::refused(format!(
        "Fabric {:?} has pods on its rails: {named}{more}; its networks would go with it, and who starts in their place would find none: delete these pods first; where they may stay behind, annotate the Fabric with {MEANT}: \"true\"",
        name(&request.old_object)
    ))
}

fn name(object: &Value) -> &str {
    object["metadata"]["name"].as_str().unwrap_or_default()
}
