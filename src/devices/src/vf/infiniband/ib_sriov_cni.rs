//! The caches of ib-sriov-cni below /var/lib/cni/ib-sriov: its config as JSON, with what it filled in.

use cni::{Request, lenient};
use netlink::Guid;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::rebind::RdmaBefore;
use crate::upstream::Upstream;
use crate::vf::caches::UpstreamCache;
use crate::vf::{Attributes, LinkState, Netdev, VfSpec, VfUndo};

/// Its keys, as far as an undo needs them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct IbSriovCniCache {
    #[serde(rename = "cniVersion", skip_serializing_if = "String::is_empty")]
    cni_version: String,
    name: String,
    #[serde(rename = "type")]
    plugin: String,
    ipam: Ipam,
    #[serde(rename = "Master")]
    master: String,
    #[serde(rename = "deviceID")]
    device: String,
    #[serde(rename = "VFID")]
    vf: u32,
    #[serde(rename = "HostIFNames")]
    ifname: String,
    #[serde(rename = "HostIFGUID")]
    guid: String,
    #[serde(rename = "ContIFNames")]
    pod_ifname: String,
    pkey: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    link_state: String,
    #[serde(rename = "rdmaIsolation", skip_serializing_if = "is_false")]
    isolation: bool,
    #[serde(rename = "RdmaNetState")]
    rdma: RdmaState,
    #[serde(rename = "vfioPciMode", skip_serializing_if = "is_false")]
    vfio: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct Ipam {
    #[serde(rename = "type", skip_serializing_if = "String::is_empty")]
    plugin: String,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct RdmaState {
    version: String,
    #[serde(rename = "deviceID")]
    device: String,
    #[serde(rename = "sandboxRdmaDevName")]
    host_name: String,
    #[serde(rename = "containerRdmaDevName")]
    pod_name: String,
}

/// As ib-sriov-cni sets it where a VF has none: an ADD that gives it no other is refused.
const NO_GUID: &str = "ff:ff:ff:ff:ff:ff:ff:ff";

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the shape that serde wants")]
fn is_false(value: &bool) -> bool {
    !value
}

impl IbSriovCniCache {
    /// The cache of an attachment: `undo` knows what was, the config what was asked for.
    pub(super) fn of(request: &Request, wanted: &VfSpec, undo: &VfUndo, pf: Option<(&str, u32)>) -> Self {
        let link_state = wanted.attributes.link_state;
        let isolated = undo.rdma.as_ref().filter(|_| wanted.isolation);
        let rdma = isolated.map(|rdma| RdmaState {
            version: "1.0".to_owned(),
            device: undo.device.clone(),
            host_name: rdma.name.clone(),
            pod_name: rdma.name.clone(),
        });
        Self {
            cni_version: request.config.cni_version.to_string(),
            name: request.config.name.clone(),
            plugin: Upstream::IbSriov.name().to_owned(),
            ipam: Ipam { plugin: undo.ipam.clone().unwrap_or_default() },
            master: pf.map_or(String::new(), |(pf, _)| pf.to_owned()),
            device: undo.device.clone(),
            vf: pf.map_or(0, |(_, vf)| vf),
            ifname: undo.netdev.as_ref().map_or_else(String::new, |netdev| netdev.name.clone()),
            guid: undo.guid.map_or_else(String::new, |guid| guid.to_string()),
            pod_ifname: undo.ifname.clone(),
            pkey: wanted.pkey.map_or_else(String::new, |pkey| pkey.to_string()),
            link_state: link_state.map_or_else(String::new, |state| format!("{state:?}").to_lowercase()),
            isolation: wanted.isolation,
            rdma: rdma.unwrap_or_default(),
            vfio: wanted.vfio,
        }
    }

    /// Of a VF whose cache is torn: link state auto, and a GUID that no port may have.
    pub(super) fn unknown(ifname: String) -> Self {
        let (guid, link_state) = (NO_GUID.to_owned(), "auto".to_owned());
        Self { ifname, guid, link_state, ..Self::default() }
    }

    /// `None` if it is torn, or does not say which device it is about.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let value: Value = serde_json::from_slice(bytes).ok()?;
        lenient::from_value::<Self>(&value).ok().filter(|cache| !cache.device.is_empty())
    }
}

impl From<IbSriovCniCache> for UpstreamCache {
    /// The plugin keeps no link state from before, and resets it to auto; a GUID that it did not set it does not reset.
    fn from(cache: IbSriovCniCache) -> Self {
        let guid = cache.guid.parse::<Guid>().ok();
        let before = Attributes {
            link_state: (!cache.link_state.is_empty()).then_some(LinkState::Auto),
            node_guid: guid,
            port_guid: guid,
            ..Attributes::default()
        };
        let name = cache.ifname;
        let rdma = RdmaBefore { name: cache.rdma.host_name, verbs: None };
        Self {
            network: cache.name,
            device: cache.device,
            netdev: (!name.is_empty()).then(|| Netdev { name, ..Netdev::default() }),
            guid,
            before: Some(before),
            rdma: Some(rdma).filter(|rdma| !rdma.name.is_empty()),
            isolated: Some(cache.isolation),
            ipam: Some(cache.ipam.plugin).filter(|ipam| !ipam.is_empty()),
            ..Self::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use state::AttachmentKey;

    use super::*;
    use crate::vf::{Id, VfKind};

    const GO: &str = r#"{"cniVersion":"0.4.0","name":"ib","type":"ib-sriov","ipam":{"type":"whereabouts"},"dns":{},
        "Master":"ibp3s0","deviceID":"0000:3b:00.3","VFID":2,"HostIFNames":"ibp3s0v2","HostIFGUID":"02:00:5e:ff:fe:10:00:01",
        "ContIFNames":"net1","pkey":"0x8001","link_state":"enable","rdmaIsolation":true,
        "RdmaNetState":{"version":"1.0","deviceID":"0000:3b:00.3","sandboxRdmaDevName":"mlx5_4","containerRdmaDevName":"mlx5_4"},
        "args":{"cni":{"guid":"x"}}}"#;

    #[test]
    fn a_cache_of_ib_sriov_cni_is_an_undo() {
        let key = AttachmentKey::new("ib", "c0ffee", "net1").unwrap();
        let cache = UpstreamCache::from(IbSriovCniCache::parse(GO.as_bytes()).unwrap());
        let id = Id::parse(&cache.device).unwrap();
        let undo = cache.undo(VfKind::InfiniBand, key, &id, PathBuf::new());
        assert_eq!((undo.device.as_str(), undo.isolated), ("0000:3b:00.3", Some(true)));
        assert_eq!(undo.kind(), VfKind::InfiniBand);
        assert_eq!(undo.netdev.unwrap().name, "ibp3s0v2");
        assert_eq!(undo.guid.unwrap().to_string(), "02:00:5e:ff:fe:10:00:01");
        assert_eq!(undo.before.unwrap().link_state, Some(LinkState::Auto));
        assert_eq!(undo.rdma.unwrap().name, "mlx5_4");
        assert_eq!(undo.ipam.as_deref(), Some("whereabouts"));
    }

    #[test]
    fn a_torn_or_empty_cache_is_none() {
        for text in ["", "{", "{}", &GO[..100]] {
            assert_eq!(IbSriovCniCache::parse(text.as_bytes()), None, "{text}");
        }
    }
}
