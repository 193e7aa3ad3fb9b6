//! A network in the words of Spiderpool.

mod links;

#[cfg(feature = "schema")]
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::pool::is_false;
use crate::{Condition, Kind, Object, Route, SPIDERPOOL};
pub use links::{Bond, Child, IbSriov, Ipoib, LinkFields, Ovs, Sriov, Trunk, Vlan};

/// A network; its `NetworkAttachmentDefinition` is made from it.
pub type SpiderMultusConfig = Object<SpiderMultusConfigSpec, SpiderMultusConfigStatus>;

/// Whether its network is there.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(rename_all = "camelCase", default)]
pub struct SpiderMultusConfigStatus {
    /// `Rendered`: what is wrong, and the cure.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
}

/// One block, the one that `cniType` names, says what the link is.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(rename_all = "camelCase", default)]
pub struct SpiderMultusConfigSpec {
    /// What kind of link (custom).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cni_type: Option<CniType>,
    /// A child in bridge mode.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub macvlan: Option<Child>,
    /// A child in L2 mode.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ipvlan: Option<Child>,
    /// A VLAN; refused here: a macvlan with vlanID does the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vlan: Option<Vlan>,
    /// A VF of an Ethernet NIC.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sriov: Option<Sriov>,
    /// A VF of an `InfiniBand` NIC.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ibsriov: Option<IbSriov>,
    /// A child of an `InfiniBand` NIC.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ipoib: Option<Ipoib>,
    /// A port of Open vSwitch; refused here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ovs: Option<Ovs>,
    /// The whole config as JSON, for cniType custom.
    #[serde(rename = "customCNI", skip_serializing_if = "Option::is_none")]
    pub custom_cni: Option<String>,
    /// Whether the coordinator ends the chain (true).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enable_coordinator: Option<bool>,
    /// Whether the link gets no address.
    #[serde(rename = "disableIPAM", skip_serializing_if = "is_false")]
    pub disable_ipam: bool,
    /// How pod and host are routed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub coordinator: Option<Coordinator>,
    /// Further plugins as JSON, between link and coordinator.
    #[serde(rename = "chainCNIJsonData", skip_serializing_if = "Vec::is_empty")]
    pub chain_cni_json_data: Vec<String>,
    /// Belongs into the block of the link; the guides write it here, too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ippools: Option<IpPools>,
}

/// Kinds of links.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the names say it, and a schema with a text per name is no structural one")]
pub enum CniType {
    Macvlan,
    Ipvlan,
    Vlan,
    Sriov,
    IbSriov,
    Ipoib,
    Ovs,
    Custom,
}

/// Pools by name, `*` and `?` as in a shell.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(rename_all = "camelCase", default)]
pub struct IpPools {
    /// Of IPv4.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ipv4: Vec<String>,
    /// Of IPv6.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ipv6: Vec<String>,
    /// Whether only those count whose subnet holds an address of the PF.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub match_master_subnet: Option<bool>,
}

/// How pod and host are routed.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(rename_all = "camelCase", default)]
pub struct Coordinator {
    /// auto, underlay, overlay or disabled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<String>,
    /// Where the pods' own subnets are read.
    #[serde(rename = "podCIDRType", skip_serializing_if = "Option::is_none")]
    pub pod_cidr_type: Option<String>,
    /// Destinations that go by the host.
    #[serde(rename = "hijackCIDR", skip_serializing_if = "Vec::is_empty")]
    pub hijack_cidr: Vec<String>,
    /// The first two bytes of the pod's addresses.
    #[serde(rename = "podMACPrefix", skip_serializing_if = "Option::is_none")]
    pub pod_mac_prefix: Option<String>,
    /// Whether each NIC gets its table.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tune_pod_routes: Option<bool>,
    /// The NIC with the default route of main.
    #[serde(rename = "podDefaultRouteNIC", skip_serializing_if = "Option::is_none")]
    pub pod_default_route_nic: Option<String>,
    /// The host's table for addresses of pods.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host_rule_table: Option<i64>,
    /// The sysctl `rp_filter` in the pod.
    #[serde(rename = "podRPFilter", skip_serializing_if = "Option::is_none")]
    pub pod_rp_filter: Option<i64>,
    /// Of the links in the pod.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tx_queue_len: Option<i64>,
    /// Of the host's end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub veth_link_address: Option<String>,
    /// Of both ends.
    #[serde(rename = "vethMTU", skip_serializing_if = "Option::is_none")]
    pub veth_mtu: Option<i64>,
    /// Routes in the table of the NIC.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub policy_routes: Vec<Route>,
    /// Whether an address is refused that somebody else has.
    #[serde(rename = "detectIPConflict", skip_serializing_if = "Option::is_none")]
    pub detect_ip_conflict: Option<bool>,
    /// Whether the gateway must answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detect_gateway: Option<bool>,
    /// How often and how long it is asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detect_options: Option<DetectOptions>,
}

/// How often and how long somebody is asked.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(default)]
pub struct DetectOptions {
    /// How often.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retries: Option<i64>,
    /// `10ms`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interval: Option<String>,
    /// `100ms`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<String>,
}

impl Kind for SpiderMultusConfig {
    const GROUP: &'static str = SPIDERPOOL;
    const VERSION: &'static str = "v2beta1";
    const KIND: &'static str = "SpiderMultusConfig";
    const PLURAL: &'static str = "spidermultusconfigs";
    const SHORT: &'static [&'static str] = &["smc"];
    const NAMESPACED: bool = true;
}
