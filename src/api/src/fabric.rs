//! The rails of a set of nodes, as an admin writes them.

#[cfg(feature = "schema")]
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::pool::is_false;
use crate::{Condition, Kind, LabelSelector, Object, RAILCNI};

/// The rails of a set of nodes.
pub type Fabric = Object<FabricSpec, FabricStatus>;

/// From it follow pools, networks, resources and the settings of the nodes' own NICs.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct FabricSpec {
    /// Nodes that have these rails (all).
    #[serde(default, skip_serializing_if = "LabelSelector::is_empty")]
    pub node_selector: LabelSelector,
    /// What a pod's interface is.
    pub link: LinkKind,
    /// Whether a pod's RDMA device is its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rdma: Option<RdmaMode>,
    /// Of the rails' NICs and their children; that of the NIC by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(range(min = 68, max = 65520)))]
    pub mtu: Option<u32>,
    /// VFs of each PF.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = 4096)))]
    pub vfs: Option<u32>,
    /// The VLAN of the rails.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = 4094)))]
    pub vlan: Option<u16>,
    /// The partition of an `InfiniBand` fabric, `"0x8001"`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pkey: Option<String>,
    /// One network for all rails, or one for each (one for child links, one per rail for VFs).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub networks: Option<NetworkForm>,
    /// Whether its nodes have the taint `railcni.dev/not-ready` until their agents find them ready.
    #[serde(default, skip_serializing_if = "is_false")]
    pub taint_until_ready: bool,
    /// In their order: the first is rail 1.
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = 64)))]
    pub rails: Vec<Rail>,
    /// Where addresses come from.
    pub addressing: Addressing,
    /// Beside the connected and the default route of each rail.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub routes: Vec<FabricRoute>,
    /// What device plugins call the rails.
    #[serde(default)]
    pub resources: Resources,
    /// The nodes' own NICs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<Host>,
}

/// What a pod's interface is.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the names say it, and a schema with a text per name is no structural one")]
pub enum LinkKind {
    Macvlan,
    Ipvlan,
    Sriov,
    IbSriov,
    Ipoib,
}

/// How many networks the rails of a pod are.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the names say it, and a schema with a text per name is no structural one")]
pub enum NetworkForm {
    One,
    PerRail,
}

/// Whether a pod's RDMA device is its own.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the names say it, and a schema with a text per name is no structural one")]
pub enum RdmaMode {
    Exclusive,
    Shared,
}

/// The NIC of a rail, by one of these names.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(rename_all = "camelCase", default)]
pub struct Rail {
    /// Of the rail (railN).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The interface, `ens1f0`; `*` and `?` as in a shell.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interface: Option<String>,
    /// Its PCI address, `0000:1a:00.0`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pci: Option<String>,
    /// Its place in the node's inventory, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = 64)))]
    pub rail: Option<u32>,
    /// The subnet of this rail, in place of one counted from `addressing`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subnet: Option<String>,
}

/// A route by the gateway of a rail.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(rename_all = "camelCase", default)]
pub struct FabricRoute {
    /// The destination, never a default route.
    pub dst: String,
    /// Which rail has it, from 1 (all).
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = 64)))]
    pub rail: Option<u32>,
}

/// Where addresses come from: one of these.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(rename_all = "camelCase", default)]
pub struct Addressing {
    /// A subnet per rail that all nodes share.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shared: Option<Shared>,
    /// A slice per node and rail.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub per_node: Option<PerNode>,
    /// A slice of IPv6 beside it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub per_node6: Option<PerNode>,
    /// A subnet of IPv6 beside it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shared6: Option<Shared>,
}

/// A subnet per rail.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(rename_all = "camelCase", default)]
pub struct Shared {
    /// The subnet of rail 1; the others follow it.
    pub subnet: String,
    /// Of rail 1, and by their places in the subnet of the others.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ips: Vec<String>,
    /// Of `ips`, those that are not handed out.
    #[serde(rename = "excludeIPs", skip_serializing_if = "Vec::is_empty")]
    pub exclude_ips: Vec<String>,
    /// An address of rail 1, or its place in every subnet: 1 the first, -1 the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gateway: Option<String>,
}

/// A slice per node and rail.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(rename_all = "camelCase", default)]
pub struct PerNode {
    /// Of all slices; rail 1 of a pod has the route to it.
    pub supernet: String,
    /// The length of a slice.
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = 128)))]
    pub prefix_length: u8,
    /// The gateway's place in every slice: 1 the first, -1 the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gateway: Option<i64>,
}

/// What device plugins call the rails.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(rename_all = "camelCase", default)]
pub struct Resources {
    /// In front of the slash (railcni.dev).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
    /// In front of the rail's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// The nodes' own NICs.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(rename_all = "camelCase", default)]
pub struct Host {
    /// Whether each NIC has its own table.
    #[serde(skip_serializing_if = "is_false")]
    pub policy_routing: bool,
    /// Whether the NICs get addresses of their slices.
    #[serde(skip_serializing_if = "is_false")]
    pub addresses: bool,
    /// The priority that pauses in place of dropping, 0 to 7.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(range(min = 0, max = 7)))]
    pub pfc_priority: Option<u8>,
}

/// How far it has come.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(rename_all = "camelCase", default)]
pub struct FabricStatus {
    /// Nodes that it selects.
    pub nodes: i64,
    /// Nodes whose rails are ready.
    pub ready: i64,
    /// What is wrong, and the cure.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
}

impl Kind for Fabric {
    const GROUP: &'static str = RAILCNI;
    const VERSION: &'static str = "v1alpha1";
    const KIND: &'static str = "Fabric";
    const PLURAL: &'static str = "fabrics";
    const SHORT: &'static [&'static str] = &[];
    const NAMESPACED: bool = false;
}
