//! The fields of the document, as Spiderpool's schema has them; a field that is none of them is an error or a warning, never
//! dropped in silence.

use anyhow::{Result, bail};
use cni::lenient::{from_value, member};
use cni::unknown;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Spec {
    pub(super) cni_type: Option<String>,
    #[serde(rename = "customCNI")]
    pub(super) custom: Option<String>,
    pub(super) enable_coordinator: Option<bool>,
    #[serde(default, rename = "disableIPAM")]
    pub(super) disable_ipam: bool,
    pub(super) coordinator: Option<Value>,
    #[serde(default, rename = "chainCNIJsonData")]
    pub(super) chain: Vec<String>,
}

/// The blocks of `spec`, one for each kind of network.
const BLOCKS: [&str; 7] = ["macvlan", "ipvlan", "vlan", "sriov", "ibsriov", "ipoib", "ovs"];

/// `macvlan` and `ipvlan`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Child {
    #[serde(default)]
    pub(super) master: Vec<String>,
    #[serde(default)]
    pub(super) mtu: u32,
    #[serde(default, rename = "vlanID")]
    pub(super) vlan_id: u16,
    pub(super) bond: Option<Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Sriov {
    pub(super) resource_name: Option<String>,
    #[serde(default, rename = "vlanID")]
    pub(super) vlan_id: u16,
    #[serde(default)]
    pub(super) mtu: u32,
    #[serde(default)]
    pub(super) min_tx_rate_mbps: u32,
    #[serde(default)]
    pub(super) max_tx_rate_mbps: u32,
    #[serde(default)]
    pub(super) rdma_isolation: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct IbSriov {
    pub(super) resource_name: Option<String>,
    pub(super) pkey: Option<String>,
    pub(super) link_state: Option<String>,
    pub(super) rdma_isolation: Option<bool>,
    #[serde(default)]
    pub(super) enable_ib_kubernetes: bool,
}

#[derive(Deserialize)]
pub(super) struct Ipoib {
    pub(super) master: Option<String>,
}

/// Fields that every block may have beside its own: the pools, the name that Spiderpool's webhook reads, and two that the
/// guides write there.
const SHARED: [&str; 4] = ["ippools", "rdmaResourceName", "matchMasterSubnet", "enableRdma"];

const MEANT: &[(&str, &str)] = &[
    ("pools", "ippools"),
    ("vlan", "vlanID"),
    ("enableIbKubernetes", "ibsriov.enableIbKubernetes"),
    ("ibKubernetesEnabled", "enableIbKubernetes"),
    ("rdmaResourceName", "macvlan.rdmaResourceName"),
    ("minTxRate", "minTxRateMbps"),
    ("maxTxRate", "maxTxRateMbps"),
    ("podDefaultRouteNIC", "coordinator.podDefaultRouteNIC"),
    ("chainCniJsonData", "chainCNIJsonData"),
];

/// Reads `spec` itself.
pub(super) fn read(value: &Value) -> Result<Spec> {
    // The pools are no field of the schema here, but some of the guides write them so.
    let beside: Vec<_> = BLOCKS.into_iter().chain(["ippools"]).collect();
    refuse_unknown::<Spec>("spec", value, &beside)?;
    Ok(from_value(value).map_err(|error| error.below("spec"))?)
}

/// Reads the block of that name, such as `macvlan`, and no other may stand beside it.
pub(super) fn block<'a, T: DeserializeOwned>(spec: &'a Value, name: &str) -> Result<(T, &'a Value)> {
    for other in BLOCKS {
        if other != name && member(spec, other).is_some() {
            bail!("spec.{other} does not belong to cniType {}; take it out", type_of(name));
        }
    }
    let Some(value) = member(spec, name) else {
        bail!("spec.{name} is missing: it holds what cniType {} needs", type_of(name));
    };
    let path = format!("spec.{name}");
    refuse_unknown::<T>(&path, value, &SHARED)?;
    Ok((from_value(value).map_err(|error| error.below(&path))?, value))
}

fn type_of(block: &str) -> &str {
    if block == "ibsriov" { "ib-sriov" } else { block }
}

/// Spiderpool's schema drops an unknown field, and with it what its writer wanted.
fn refuse_unknown<T: DeserializeOwned>(path: &str, value: &Value, more: &[&str]) -> Result<()> {
    let fields: Vec<_> = cni::lenient::fields_of::<T>().iter().chain(more).copied().collect();
    let Some(unknown) = unknown::in_object(value, &fields, MEANT).into_iter().next() else { return Ok(()) };
    let meant = unknown.meant.map(|field| format!("; {field:?} was probably meant")).unwrap_or_default();
    bail!("{path}.{} is no field{meant} (known are {})", unknown.path, fields.join(", "))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use api::{LinkFields, SpiderMultusConfigSpec};
    use cni::lenient::fields_of;

    use super::*;

    /// The schema drops what it does not know, and an unknown field is refused here: each has to know what the other does.
    #[test]
    fn the_fields_are_those_of_the_schema() {
        let own = fields_of::<Spec>().iter().copied();
        let known: BTreeSet<_> = own.chain(BLOCKS).chain(["ippools"]).collect();
        assert_eq!(known, fields_of::<SpiderMultusConfigSpec>().iter().copied().collect());
        let shared: BTreeSet<_> = fields_of::<LinkFields>().iter().copied().collect();
        assert_eq!(shared, SHARED.into());
    }
}
