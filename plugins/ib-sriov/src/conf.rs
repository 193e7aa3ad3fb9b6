//! The config of `ib-sriov`, validated before anything is touched.

#[cfg(test)]
mod tests;

use cni::setting::Names;
use cni::{Error, Request};
use devices::vf::{Attributes, Id, LinkState, VfKind, VfSpec};
use links::pkey::InvalidPkey;
use netlink::Guid;
use serde::Deserialize;
use serde::de::IgnoredAny;

/// The JSON keys of ib-sriov-cni.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Keys {
    link_state: Option<String>,
    pkey: Option<String>,
    // Read with its other sources.
    #[serde(rename = "guid")]
    _guid: Option<String>,
    #[serde(rename = "rdmaIsolation")]
    rdma_isolation: bool,
    #[serde(rename = "ibKubernetesEnabled")]
    ib_kubernetes: bool,
    #[serde(rename = "vfioPciMode")]
    vfio_pci_mode: bool,
    // Read by `addresses`; here so that it is no unknown key.
    #[serde(rename = "detection")]
    _detection: IgnoredAny,
    #[serde(rename = "acceptRA")]
    _accept_ra: IgnoredAny,
}

/// Keys of other plugins and guides that are written by mistake, and what they mean here.
const MEANT: &[(&str, &str)] = &[
    ("linkState", "link_state"),
    ("enableRdma", "rdmaIsolation"),
    ("enableIbKubernetes", "ibKubernetesEnabled"),
    ("infinibandGUID", "guid"),
    ("mac", "guid: an InfiniBand port has a GUID and no MAC"),
    ("vlan", "pkey: InfiniBand has partitions"),
    ("detectIPConflict", "detection.conflict"),
    ("detectGateway", "detection.gateway"),
    ("detectOptions", "detection"),
];

/// Where ib-kubernetes says that the subnet manager knows the GUID.
const GATE: [&str; 3] = ["args", "cni", "mellanox.infiniband.app"];

/// Reads the config and its overrides; an error names the key, the value and what is allowed.
pub fn wanted(request: &Request) -> Result<VfSpec, Error> {
    let keys: Keys = request.config.decode()?;
    request.config.warn_unknown_keys::<Keys>(MEANT);
    refuse_dhcp(request)?;
    let guid = guid(request)?;
    if keys.ib_kubernetes {
        require_configured(request, guid)?;
    }
    let pkey = keys.pkey.filter(|pkey| !pkey.is_empty()).map(|pkey| pkey.parse()).transpose();
    let link_state = link_state(keys.link_state.as_deref().unwrap_or_default())?;
    Ok(VfSpec {
        attributes: Attributes { link_state, node_guid: guid, port_guid: guid, ..Attributes::default() },
        pkey: pkey.map_err(|error: InvalidPkey| Error::invalid_config(error.to_string()))?,
        isolation: keys.rdma_isolation,
        vfio: keys.vfio_pci_mode,
        ..VfSpec::of(VfKind::InfiniBand, device(request)?)
    })
}

/// For STATUS, which knows no device.
pub(crate) fn isolation(request: &Request) -> Result<bool, Error> {
    Ok(request.config.decode::<Keys>()?.rdma_isolation)
}

fn device(request: &Request) -> Result<Id, Error> {
    let names = Names { runtime_config: "deviceID", config: "deviceID", ..Names::default() };
    let setting = request.setting::<String>(names)?.ok_or_else(|| {
        Error::invalid_config("deviceID is missing: the PCI address of a VF, such as 0000:3b:02.5").with_details(
            "Multus fills it in when the network attachment definition has the annotation k8s.v1.cni.cncf.io/resourceName \
             and the pod requests that resource",
        )
    })?;
    Ok(Id::parse(&setting.value).map_err(attach::Error::from)?)
}

/// From the runtime, the pod, or the config, in that order.
fn guid(request: &Request) -> Result<Option<Guid>, Error> {
    let names = Names { runtime_config: "infinibandGUID", args_cni: "guid", cni_args: "", config: "guid" };
    let Some(setting) = request.setting::<String>(names)? else { return Ok(None) };
    let refuse =
        |why: &str| Error::invalid_config(format!("{} \"{}\": {why}", setting.source, setting.value));
    let guid: Guid = setting
        .value
        .parse()
        .map_err(|_| refuse("expected 8 bytes in hex, such as 02:00:5e:ff:fe:10:00:01"))?;
    if guid.is_reserved() {
        return Err(refuse("no port may have this GUID"));
    }
    Ok(Some(guid))
}

/// The runtime tries again until ib-kubernetes has had its turn.
fn require_configured(request: &Request, guid: Option<Guid>) -> Result<(), Error> {
    if request.config.at(&GATE).and_then(|value| value.as_str()) != Some("configured") {
        return Err(Error::try_again(
            "ibKubernetesEnabled is set, and args.cni has no \"mellanox.infiniband.app\": \"configured\": ib-kubernetes has \
             not told the subnet manager of this pod yet",
        ));
    }
    match guid {
        Some(_) => Ok(()),
        None => Err(Error::invalid_config(
            "ibKubernetesEnabled is set, and ib-kubernetes has given no GUID: see its log",
        )),
    }
}

fn link_state(state: &str) -> Result<Option<LinkState>, Error> {
    match state {
        "" => Ok(None),
        "auto" => Ok(Some(LinkState::Auto)),
        "enable" => Ok(Some(LinkState::Enable)),
        "disable" => Ok(Some(LinkState::Disable)),
        other => Err(Error::invalid_config(format!(
            "link_state \"{other}\": allowed are auto, enable and disable"
        ))),
    }
}

fn refuse_dhcp(request: &Request) -> Result<(), Error> {
    match request.config.ipam_type.as_deref() {
        Some("dhcp") => Err(Error::invalid_config(
            "ipam type \"dhcp\" does not work on InfiniBand: use rail-ipam or host-local",
        )),
        _ => Ok(()),
    }
}
