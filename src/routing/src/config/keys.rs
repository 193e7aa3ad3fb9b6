use serde::Deserialize;
use serde_json::Value;

/// Spiderpool's JSON keys.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Keys {
    pub(super) mode: Option<String>,
    pub(super) pod_default_cni_nic: Option<String>,
    pub(super) pod_default_route_nic: Option<String>,
    pub(super) tune_pod_routes: Option<bool>,
    #[serde(rename = "overlayPodCIDR")]
    pub(super) overlay_pod_cidr: Option<Vec<String>>,
    #[serde(rename = "serviceCIDR")]
    pub(super) service_cidr: Option<Vec<String>>,
    #[serde(rename = "hijackCIDR")]
    pub(super) hijack_cidr: Option<Vec<String>>,
    pub(super) policy_routes: Option<Vec<Written>>,
    // Those of sbr. Main keeps its connected routes and their source addresses, whether that is asked for or not.
    pub(super) table: Option<i64>,
    pub(super) gateways: Option<Vec<String>>,
    #[serde(rename = "addSourceHints")]
    _add_source_hints: Option<bool>,
    #[serde(rename = "podRPFilter")]
    pub(super) pod_rp_filter: Option<i64>,
    pub(super) tx_queue_len: Option<i64>,
    #[serde(rename = "podMACPrefix")]
    pub(super) pod_mac_prefix: Option<String>,
    pub(super) host_rule_table: Option<i64>,
    pub(super) veth_link_address: Option<String>,
    #[serde(rename = "vethMTU")]
    pub(super) veth_mtu: Option<i64>,
    // What upstream gave up, or has elsewhere: accepted, so that a config in the field goes on working.
    #[serde(rename = "hostRPFilter")]
    host_rp_filter: Option<Value>,
    multus_nic_prefix: Option<Value>,
    #[serde(rename = "podCIDRType")]
    pod_cidr_type: Option<Value>,
    #[serde(rename = "detectIPConflict")]
    detect_ip_conflict: Option<Value>,
    detect_gateway: Option<Value>,
    detect_options: Option<Value>,
}

/// One of `policyRoutes`; `to` and `via` are what the guides write.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Written {
    #[serde(alias = "to")]
    pub(super) dst: Option<String>,
    #[serde(alias = "via")]
    pub(super) gw: Option<String>,
}

/// What a pod may say itself, by Multus's annotation `cni-args`; the second spelling is Spiderpool's annotation.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct FromPod {
    #[serde(alias = "ipam.spidernet.io/default-route-nic")]
    pub(super) pod_default_route_nic: Option<String>,
}

/// What people write by mistake.
pub(super) const MEANT: &[(&str, &str)] = &[
    ("routes", "policyRoutes"),
    ("defaultRouteNic", "podDefaultRouteNic"),
    ("macPrefix", "podMACPrefix"),
    ("rpFilter", "podRPFilter"),
    ("podCIDR", "overlayPodCIDR"),
    ("hostTable", "hostRuleTable"),
    ("mtu", "vethMTU"),
    ("podNICs", "the network attachments of the pod"),
];

impl Keys {
    pub(super) fn warn_of_what_does_nothing(&self) {
        let idle = self.idle();
        if !idle.is_empty() {
            tracing::warn!(
                keys = idle.join(","),
                "accepted and without effect: detection is the IPAM's, and the others are Spiderpool's own"
            );
        }
    }

    fn idle(&self) -> Vec<&'static str> {
        let keys = [
            ("hostRPFilter", &self.host_rp_filter),
            ("multusNicPrefix", &self.multus_nic_prefix),
            ("podCIDRType", &self.pod_cidr_type),
            ("detectIPConflict", &self.detect_ip_conflict),
            ("detectGateway", &self.detect_gateway),
            ("detectOptions", &self.detect_options),
        ];
        let asks = |value: &Option<Value>| value.as_ref().is_some_and(|value| *value != Value::Bool(false));
        keys.into_iter().filter(|(_, value)| asks(value)).map(|(key, _)| key).collect()
    }
}
