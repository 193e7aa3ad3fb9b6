//! A `DaemonSet` whose pods have all rails, to try them.

use serde_json::{Map, Value, json};

use super::Options;
use crate::plan::Plan;
use crate::verify::is_vf;

impl Plan {
    pub(super) fn sample(&self, options: &Options) -> Value {
        let label = json!({ "app": format!("{}-sample", self.name) });
        let mut pod = json!({
            "containers": [{
                "name": "rails",
                "image": "docker.io/library/busybox:stable",
                "command": ["sleep", "infinity"],
                "securityContext": { "capabilities": { "add": ["IPC_LOCK"] } },
                "resources": { "limits": self.limits() },
            }],
            "terminationGracePeriodSeconds": 0,
        });
        if !self.spec.node_selector.match_labels.is_empty() {
            pod["nodeSelector"] = json!(self.spec.node_selector.match_labels);
        }
        let annotations = json!({ "k8s.v1.cni.cncf.io/networks": self.network_names(options).join(",") });
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

    fn network_names(&self, options: &Options) -> Vec<String> {
        let name = |name: &str| format!("{}/{name}", options.namespace);
        if self.in_one(options) {
            return vec![name(&self.name)];
        }
        self.rails.iter().map(|rail| name(&self.object_name(rail))).collect()
    }

    /// One unit of each rail's resource, where a device plugin offers it.
    fn limits(&self) -> Map<String, Value> {
        let offered = is_vf(self.spec.link) || self.spec.rdma.is_some();
        let rails = self.rails.iter().filter(|_| offered);
        rails.map(|rail| (self.resource(rail), "1".into())).collect()
    }
}
