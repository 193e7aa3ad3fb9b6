//! Objects of the SR-IOV network operator, and the configs of the device plugins themselves.

use api::RdmaMode;
use serde_json::{Value, json};

use crate::link::{is_infiniband, is_vf};
use crate::plan::{Plan, PlannedRail};

const OPERATOR: &str = "sriovnetwork.openshift.io/v1";
/// Units of a shared device, as many pods as may use it at once.
const SHARED_UNITS: u32 = 100;

impl Plan {
    /// A policy per rail, and the nodes' RDMA mode.
    pub(super) fn policies(&self, namespace: &str) -> Vec<Value> {
        let mut objects: Vec<_> = self.with_nics().map(|rail| self.policy(rail, namespace)).collect();
        objects.extend(self.spec.rdma.map(|mode| self.pool_config(mode, namespace)));
        objects
    }

    /// A selector that names no NIC would select all of a node.
    fn with_nics(&self) -> impl Iterator<Item = &PlannedRail> {
        self.rails.iter().filter(|rail| rail.has_nic())
    }

    fn policy(&self, rail: &PlannedRail, namespace: &str) -> Value {
        let nics = if rail.pcis.is_empty() {
            json!({ "pfNames": rail.interfaces })
        } else {
            json!({ "rootDevices": rail.pcis })
        };
        let mut spec = json!({
            "nodeSelector": self.node_labels(),
            "resourceName": self.resource_name(rail),
            "priority": 99,
            "numVfs": self.spec.vfs,
            "nicSelector": nics,
            "linkType": if is_infiniband(self.spec.link) { "ib" } else { "eth" },
            "deviceType": "netdevice",
            "isRdma": self.spec.rdma.is_some(),
        });
        if let Some(mtu) = self.spec.mtu {
            spec["mtu"] = mtu.into();
        }
        let metadata = json!({ "name": self.object_name(rail), "namespace": namespace });
        json!({ "apiVersion": OPERATOR, "kind": "SriovNetworkNodePolicy", "metadata": metadata, "spec": spec })
    }

    fn pool_config(&self, mode: RdmaMode, namespace: &str) -> Value {
        json!({
            "apiVersion": OPERATOR,
            "kind": "SriovNetworkPoolConfig",
            "metadata": { "name": self.name, "namespace": namespace },
            "spec": { "nodeSelector": { "matchLabels": self.node_labels() }, "rdmaMode": mode },
        })
    }

    /// The operator selects by labels alone; without any, all Linux nodes.
    fn node_labels(&self) -> Value {
        let labels = &self.spec.node_selector.match_labels;
        if labels.is_empty() { json!({ "kubernetes.io/os": "linux" }) } else { json!(labels) }
    }

    /// The config of the plugin that offers the rails: for VFs the SR-IOV device plugin, else that of shared RDMA devices.
    pub(super) fn device_plugin(&self, namespace: &str) -> Value {
        let (name, config) = if is_vf(self.spec.link) {
            (
                "sriovdp-config",
                json!({ "resourceList": self.with_nics().map(|rail| self.vfs_of(rail)).collect::<Vec<_>>() }),
            )
        } else {
            let list: Vec<_> = self.rails.iter().map(|rail| self.shared_of(rail)).collect();
            ("rdma-devices", json!({ "periodicUpdateInterval": 300, "configList": list }))
        };
        json!({
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": { "name": name, "namespace": namespace },
            "data": { "config.json": format!("{config:#}") },
        })
    }

    fn vfs_of(&self, rail: &PlannedRail) -> Value {
        let mut selectors = if rail.pcis.is_empty() {
            json!({ "pfNames": rail.interfaces })
        } else {
            json!({ "rootDevices": rail.pcis })
        };
        if self.spec.rdma.is_some() {
            selectors["isRdma"] = true.into();
        }
        json!({
            "resourcePrefix": self.resource_prefix(),
            "resourceName": self.resource_name(rail),
            "selectors": selectors,
        })
    }

    /// One resource per rail: a unit of a resource sees all devices that the resource has.
    fn shared_of(&self, rail: &PlannedRail) -> Value {
        json!({
            "resourcePrefix": self.resource_prefix(),
            "resourceName": self.resource_name(rail),
            "rdmaHcaMax": SHARED_UNITS,
            "selectors": { "ifNames": rail.interfaces },
        })
    }
}
