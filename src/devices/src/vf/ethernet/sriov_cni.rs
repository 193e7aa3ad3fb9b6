//! The caches of sriov-cni below /var/lib/cni/sriov: read so that what it attached can be detached, written so that it can
//! detach what was attached here.

use attach::Error;
use cni::{Request, lenient};
use netlink::HwAddr;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use state::{AttachmentKey, BootId};

use crate::vf::caches::UpstreamCache;
use crate::vf::{Attributes, LinkState, Netdev, NetdevSettings, Rate, VfUndo, Vlan};

/// A cache of sriov-cni: its config, and the VF as it was. Older releases wrote caches without any of these keys.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct SriovCniCache {
    #[serde(rename = "cniVersion", skip_serializing_if = "String::is_empty")]
    pub(super) cni_version: String,
    pub(super) name: String,
    #[serde(rename = "type")]
    pub(super) plugin: String,
    pub(super) ipam: Ipam,
    #[serde(rename = "OrigVfState")]
    pub(super) original: Original,
    #[serde(rename = "Master")]
    pub(super) master: String,
    #[serde(rename = "MAC", alias = "mac")]
    pub(super) mac: String,
    #[serde(rename = "MTU")]
    pub(super) mtu: Option<u32>,
    #[serde(rename = "deviceID")]
    pub(super) device: String,
    #[serde(rename = "VFID")]
    pub(super) vf: u32,
    pub(super) vlan: Option<u16>,
    #[serde(rename = "vlanQoS")]
    pub(super) vlan_qos: Option<u8>,
    #[serde(rename = "vlanProto")]
    pub(super) vlan_proto: Option<String>,
    pub(super) min_tx_rate: Option<u32>,
    pub(super) max_tx_rate: Option<u32>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) spoofchk: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) trust: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) link_state: String,
    /// What the peer does not know, and ignores.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) railcni: Option<Ours>,
}

/// Only the IPAM's type is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Ipam {
    #[serde(rename = "type", skip_serializing_if = "String::is_empty")]
    pub(super) plugin: String,
}

/// The VF before ADD.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Original {
    /// Empty with a user space driver.
    #[serde(rename = "HostIFName")]
    pub(super) ifname: String,
    #[serde(rename = "SpoofChk")]
    pub(super) spoofchk: bool,
    #[serde(rename = "Trust")]
    pub(super) trust: bool,
    #[serde(rename = "AdminMAC")]
    pub(super) admin_mac: String,
    #[serde(rename = "EffectiveMAC")]
    pub(super) effective_mac: String,
    #[serde(rename = "Vlan")]
    pub(super) vlan: u16,
    #[serde(rename = "VlanQoS")]
    pub(super) vlan_qos: u8,
    #[serde(rename = "VlanProto")]
    pub(super) vlan_proto: u16,
    #[serde(rename = "MinTxRate")]
    pub(super) min_tx_rate: u32,
    #[serde(rename = "MaxTxRate")]
    pub(super) max_tx_rate: u32,
    #[serde(rename = "LinkState")]
    pub(super) link_state: u32,
    #[serde(rename = "MTU")]
    pub(super) mtu: u32,
}

/// What makes a cache of ours worth more than the peer's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Ours {
    /// Of the boot in which it was written.
    pub(super) boot_id: BootId,
    /// The attachment: the file's name alone does not tell where the container's ID ends.
    pub(super) key: AttachmentKey,
    /// The VF as it was, as far as the peer's keys cannot say it.
    pub(super) alt_names: Vec<String>,
    /// The driver.
    pub(super) driver: Option<String>,
    /// Whether the interface was up.
    pub(super) up: bool,
    /// What else a pod can change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) settings: Option<NetdevSettings>,
}

impl SriovCniCache {
    /// The cache of an attachment; `undo` knows what was, the config what was asked for.
    pub(super) fn of(
        request: &Request,
        undo: &VfUndo,
        mac: Option<HwAddr>,
        pf: Option<(&str, u32)>,
    ) -> Result<Self, Error> {
        let mut cache: Self = lenient::from_value(&asked(request.config.raw())).unwrap_or_default();
        cache.name.clone_from(&request.config.name);
        cache.ipam = Ipam { plugin: undo.ipam.clone().unwrap_or_default() };
        cache.device.clone_from(&undo.device);
        cache.mac = mac.map_or(String::new(), |mac| mac.to_string());
        cache.master = pf.map_or(String::new(), |(pf, _)| pf.to_owned());
        cache.vf = pf.map_or(0, |(_, vf)| vf);
        cache.original = Original::of(undo);
        let netdev = undo.netdev.as_ref();
        cache.railcni = Some(Ours {
            boot_id: BootId::current()?,
            key: undo.key.clone(),
            alt_names: netdev.map_or(Vec::new(), |netdev| netdev.alt_names.clone()),
            driver: undo.driver.clone(),
            up: netdev.is_some_and(|netdev| netdev.up),
            settings: netdev.and_then(|netdev| netdev.settings.clone()),
        });
        Ok(cache)
    }

    /// Reads one; `None` if it is torn or empty, or from a release that kept nothing of the device.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let value: Value = serde_json::from_slice(bytes).ok()?;
        lenient::from_value::<Self>(&value).ok().filter(|cache| !cache.device.is_empty())
    }

    fn netdev(&self) -> Option<Netdev> {
        let (original, ours) = (&self.original, self.railcni.as_ref());
        (!original.ifname.is_empty()).then(|| Netdev {
            name: original.ifname.clone(),
            alt_names: ours.map_or(Vec::new(), |ours| ours.alt_names.clone()),
            mac: original.effective_mac.parse().ok(),
            mtu: Some(original.mtu).filter(|mtu| *mtu > 0),
            up: ours.is_some_and(|ours| ours.up),
            settings: ours.and_then(|ours| ours.settings.clone()),
        })
    }

    /// What was not asked for, the peer may have noted wrongly: drivers that do not report it look like "off" to it.
    fn before(&self) -> Attributes {
        let original = &self.original;
        let vlan = Vlan {
            id: original.vlan,
            qos: original.vlan_qos,
            protocol: if original.vlan_proto == Vlan::DOT1AD { Vlan::DOT1AD } else { Vlan::DOT1Q },
        };
        let rate = Rate { min: original.min_tx_rate, max: original.max_tx_rate };
        let rated = self.min_tx_rate.is_some() || self.max_tx_rate.is_some();
        Attributes {
            mac: original.admin_mac.parse().ok(),
            vlan: self.vlan.is_some().then_some(vlan),
            rate: rated.then_some(rate),
            spoofchk: (!self.spoofchk.is_empty()).then_some(original.spoofchk),
            trust: (!self.trust.is_empty()).then_some(original.trust),
            link_state: if self.link_state.is_empty() {
                None
            } else {
                LinkState::from_raw(original.link_state)
            },
            ..Attributes::default()
        }
    }
}

impl From<SriovCniCache> for UpstreamCache {
    fn from(cache: SriovCniCache) -> Self {
        let (netdev, before) = (cache.netdev(), cache.before());
        let SriovCniCache { name, device, ipam, railcni, .. } = cache;
        Self {
            network: name,
            device,
            driver: railcni.as_ref().and_then(|ours| ours.driver.clone()),
            ours: railcni.map(|ours| (ours.boot_id, ours.key)),
            netdev,
            before: Some(before),
            ipam: Some(ipam.plugin).filter(|ipam| !ipam.is_empty()),
            ..Self::default()
        }
    }
}

impl Original {
    fn of(undo: &VfUndo) -> Self {
        let before = undo.before.unwrap_or_default();
        let netdev = undo.netdev.as_ref();
        let text = |mac: Option<HwAddr>| mac.map_or(String::new(), |mac| mac.to_string());
        let vlan = before.vlan.unwrap_or(Vlan { id: 0, qos: 0, protocol: Vlan::DOT1Q });
        let rate = before.rate.unwrap_or_default();
        Self {
            ifname: netdev.map_or(String::new(), |netdev| netdev.name.clone()),
            spoofchk: before.spoofchk.unwrap_or_default(),
            trust: before.trust.unwrap_or_default(),
            admin_mac: text(before.mac),
            effective_mac: text(netdev.and_then(|netdev| netdev.mac)),
            vlan: vlan.id,
            vlan_qos: vlan.qos,
            vlan_proto: vlan.protocol,
            min_tx_rate: rate.min,
            max_tx_rate: rate.max,
            link_state: before.link_state.map_or(0, LinkState::raw),
            mtu: netdev.and_then(|netdev| netdev.mtu).unwrap_or_default(),
        }
    }
}

/// The keys of the config that the peer keeps, without those that it fills in itself.
fn asked(config: &Value) -> Value {
    const KEPT: [&str; 12] = [
        "cniVersion",
        "type",
        "vlan",
        "vlanQoS",
        "vlanProto",
        "min_tx_rate",
        "max_tx_rate",
        "spoofchk",
        "trust",
        "link_state",
        "name",
        "mtu",
    ];
    let keys = config.as_object().into_iter().flatten();
    let kept = keys.filter(|(key, _)| KEPT.iter().any(|kept| kept.eq_ignore_ascii_case(key)));
    Value::Object(kept.map(|(key, value)| (key.clone(), value.clone())).collect::<Map<_, _>>())
}
