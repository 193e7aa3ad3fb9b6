//! Pools of addresses, and addresses that no pool hands out.

#[cfg(feature = "schema")]
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Condition, Kind, LabelSelector, Object, SPIDERPOOL};

/// Addresses of one subnet, and who may have them.
pub type SpiderIPPool = Object<SpiderIPPoolSpec, SpiderIPPoolStatus>;

/// Addresses that no pool hands out.
pub type SpiderReservedIP = Object<SpiderReservedIPSpec, ()>;

/// Addresses of one subnet, and who may have them.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct SpiderIPPoolSpec {
    /// 4 or 6; the subnet says it, too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(extend("enum" = [4, 6])))]
    pub ip_version: Option<i64>,
    /// ADDRESS/LENGTH. It cannot be changed.
    #[cfg_attr(feature = "schema", schemars(length(max = 49)))]
    pub subnet: String,
    /// ADDRESS or FIRST-LAST.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ips: Vec<String>,
    /// Of `ips`, those that are not handed out.
    #[serde(default, rename = "excludeIPs", skip_serializing_if = "Vec::is_empty")]
    pub exclude_ips: Vec<String>,
    /// The default gateway of the interface, a neighbour in the subnet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(length(max = 45)))]
    pub gateway: Option<String>,
    /// Beside the connected and the default route.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub routes: Vec<Route>,
    /// Pods that may have these addresses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod_affinity: Option<LabelSelector>,
    /// Namespaces whose pods may; `namespaceName` beats it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace_affinity: Option<LabelSelector>,
    /// Nodes that may; `nodeName` beats it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node_affinity: Option<LabelSelector>,
    /// Namespaces by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub namespace_name: Vec<String>,
    /// Nodes by name. A pool with a single one goes to that node whole.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub node_name: Vec<String>,
    /// Networks by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub multus_name: Vec<String>,
    /// Used when nobody names a pool.
    #[serde(default, skip_serializing_if = "is_false")]
    pub default: bool,
    /// Gives no new addresses.
    #[serde(default, skip_serializing_if = "is_false")]
    pub disable: bool,
    /// The same pod gets the same address again.
    #[serde(default, skip_serializing_if = "is_false")]
    pub sticky: bool,
    /// Seconds for which a released address is left alone while others are free (60).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rest: Option<u32>,
    /// Of older Spiderpools; without meaning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vlan: Option<i64>,
}

/// A route of a pool.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
pub struct Route {
    /// The destination, never a default route.
    #[serde(alias = "to")]
    pub dst: String,
    /// A neighbour in the pool's subnet.
    #[serde(alias = "via")]
    pub gw: String,
}

/// Sums over the cluster, never a line per node.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(rename_all = "camelCase", default)]
pub struct SpiderIPPoolStatus {
    /// How many addresses the pool offers.
    #[serde(rename = "totalIPCount", skip_serializing_if = "Option::is_none")]
    pub total_ip_count: Option<i64>,
    /// How many of them pods have.
    #[serde(rename = "allocatedIPCount", skip_serializing_if = "Option::is_none")]
    pub allocated_ip_count: Option<i64>,
    /// Spiderpool's own record, JSON in a string: addresses in it count as taken while their pods live.
    #[serde(rename = "allocatedIPs", skip_serializing_if = "Option::is_none")]
    pub allocated_ips: Option<String>,
    /// How many addresses nodes may hand out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub granted: Option<i64>,
    /// How many addresses no node has yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub free: Option<i64>,
    /// What is wrong with the pool, and with what it cannot serve.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
}

/// Addresses that no pool hands out.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(rename_all = "camelCase", default)]
pub struct SpiderReservedIPSpec {
    /// 4 or 6.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(extend("enum" = [4, 6])))]
    pub ip_version: Option<i64>,
    /// ADDRESS or FIRST-LAST.
    pub ips: Vec<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
pub(crate) fn is_false(value: &bool) -> bool {
    !*value
}

impl Kind for SpiderIPPool {
    const GROUP: &'static str = SPIDERPOOL;
    const VERSION: &'static str = "v2beta1";
    const KIND: &'static str = "SpiderIPPool";
    const PLURAL: &'static str = "spiderippools";
    const SHORT: &'static [&'static str] = &["sp"];
    const NAMESPACED: bool = false;
}

impl Kind for SpiderReservedIP {
    const GROUP: &'static str = SPIDERPOOL;
    const VERSION: &'static str = "v2beta1";
    const KIND: &'static str = "SpiderReservedIP";
    const PLURAL: &'static str = "spiderreservedips";
    const SHORT: &'static [&'static str] = &["sr"];
    const NAMESPACED: bool = false;
}
