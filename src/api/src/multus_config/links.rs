//! The blocks of a network's link, one for each kind.

#[cfg(feature = "schema")]
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::IpPools;

/// What the block of every kind may have beside its own fields, but for that of Open vSwitch.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(rename_all = "camelCase", default)]
pub struct LinkFields {
    /// Where addresses come from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ippools: Option<IpPools>,
    /// What the RDMA device plugin calls the NIC of a child; without meaning for a VF.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rdma_resource_name: Option<String>,
    /// Taken as `rdmaIsolation` of a VF on Ethernet; not needed elsewhere. The guides write it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enable_rdma: Option<bool>,
    /// Belongs into `ippools`; the guides write it here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub match_master_subnet: Option<bool>,
}

/// A child of a NIC, of its VLAN, or of a bond.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(rename_all = "camelCase", default)]
pub struct Child {
    /// The NIC; several make a bond.
    pub master: Vec<String>,
    /// 0 for that of the master.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(range(min = 0)))]
    pub mtu: Option<i32>,
    /// 0 for none.
    #[serde(rename = "vlanID", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(range(min = 0, max = 4094)))]
    pub vlan_id: Option<i32>,
    /// Of several masters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bond: Option<Bond>,
    /// What every block may have beside.
    #[serde(flatten)]
    pub shared: LinkFields,
}

/// A VLAN of a NIC.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(rename_all = "camelCase", default)]
pub struct Vlan {
    /// As that of a child.
    #[serde(flatten)]
    pub child: Child,
    /// `manual` or `auto`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vlan_mode: Option<String>,
}

/// Several NICs as one.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
pub struct Bond {
    /// Of the interface.
    pub name: String,
    /// 0 to 6, as bonding has them.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schemars(range(min = 0, max = 6)))]
    pub mode: i32,
    /// `primary=ens1f0;arp_interval=1`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub options: Option<String>,
}

/// A VF of an Ethernet NIC.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(rename_all = "camelCase", default)]
pub struct Sriov {
    /// What the SR-IOV device plugin calls the VFs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource_name: Option<String>,
    /// 0 for none.
    #[serde(rename = "vlanID", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(range(min = 0, max = 4094)))]
    pub vlan_id: Option<i32>,
    /// 0 for that of the PF.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(range(min = 0)))]
    pub mtu: Option<i32>,
    /// In Mbit/s, 0 for none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(range(min = 0)))]
    pub min_tx_rate_mbps: Option<i32>,
    /// In Mbit/s, 0 for no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(range(min = 0)))]
    pub max_tx_rate_mbps: Option<i32>,
    /// Whether the RDMA device moves into the pod.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rdma_isolation: Option<bool>,
    /// What every block may have beside.
    #[serde(flatten)]
    pub shared: LinkFields,
}

/// A VF of an `InfiniBand` NIC.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(rename_all = "camelCase", default)]
pub struct IbSriov {
    /// What the SR-IOV device plugin calls the VFs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource_name: Option<String>,
    /// Hexadecimal digits, `"0x8001"`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pkey: Option<String>,
    /// auto, enable or disable (enable).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub link_state: Option<String>,
    /// Whether the RDMA device moves into the pod (true).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rdma_isolation: Option<bool>,
    /// Whether ib-kubernetes gives the GUIDs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enable_ib_kubernetes: Option<bool>,
    /// What every block may have beside.
    #[serde(flatten)]
    pub shared: LinkFields,
}

/// A child of an `InfiniBand` NIC.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(rename_all = "camelCase", default)]
pub struct Ipoib {
    /// The parent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub master: Option<String>,
    /// What every block may have beside.
    #[serde(flatten)]
    pub shared: LinkFields,
}

/// A port of Open vSwitch.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(default)]
pub struct Ovs {
    /// Its bridge.
    pub bridge: String,
    /// Its VLAN.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vlan: Option<i32>,
    /// VLANs that it carries.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub trunk: Vec<Trunk>,
    /// The VF behind it.
    #[serde(rename = "deviceID", skip_serializing_if = "Option::is_none")]
    pub device_id: Option<String>,
    /// Where addresses come from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ippools: Option<IpPools>,
}

/// VLANs of a trunk.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(default)]
pub struct Trunk {
    /// The first.
    #[serde(rename = "minID", skip_serializing_if = "Option::is_none")]
    pub min_id: Option<i32>,
    /// The last.
    #[serde(rename = "maxID", skip_serializing_if = "Option::is_none")]
    pub max_id: Option<i32>,
    /// Or a single one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<i32>,
}
