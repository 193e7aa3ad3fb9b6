//! A `DaemonSet` whose pods have all rails, to try them.

use serde_json::{Map, Value, json};

use super::Options;
use crate::attachments;
use crate::plan::Plan;

impl Plan {
    pub(super) fn sample(&self, options: &Options) -> Value {
        let attachments = attachments::of(&self.name, &self.spec, options);
        let networks: Vec<_> = attachments.iter().map(|attachment| attachment.network.as_str()).collect();
        let units = attachments.iter().flat_map(|attachment| &attachment.resources);
        let limits: Map<String, Value> = units.map(|resource| (resource.clone(), "1".into())).collect();
        let label = json!({ "app": format!("{}-sample", self.name) });
        let mut pod = json!({
            "containers": [{
                "name": "rails",
                "image": "docker.io/library/busybox:stable",
                "command": ["sleep", "infinity"],
                "securityContext": { "capabilities": { "add": ["IPC_LOCK"] } },
                "resources": { "limits": limits },
            }],
            "terminationGracePeriodSeconds": 0,
        });
        if !self.spec.node_selector.match_labels.is_empty() {
            pod["nodeSelector"] = json!(self.spec.node_selector.match_labels);
        }
        let annotations = json!({ "k8s.v1.cni.cncf.io/networks": networks.join(",") });
        json!({
            "apiVersion": "apps/v1",
            "kind": "DaemonSet",
            "metadata": { "name": format!("{}-sample", self.name), "namespace": options.namespace },
            "spec": {
                "selector": { "matchLabels": label },
                "template": { "metadata": { "labels": label, "annotations": annotations }, "spec": pod },
            },
        })
    }
}
