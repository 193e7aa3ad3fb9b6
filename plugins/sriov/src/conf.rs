//! The config of `sriov`, validated before anything is touched.

#[cfg(test)]
mod tests;

use cni::setting::Names;
use cni::{Error, Request};
use devices::vf::{Attributes, Id, LinkState, Rate, VfKind, VfSpec, Vlan};
use netlink::HwAddr;
use serde::Deserialize;
use serde::de::IgnoredAny;

/// The JSON keys of sriov-cni, and `mtu`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Keys {
    mac: Option<String>,
    vlan: Option<i64>,
    #[serde(rename = "vlanQoS")]
    vlan_qos: Option<i64>,
    #[serde(rename = "vlanProto")]
    vlan_proto: Option<String>,
    min_tx_rate: Option<i64>,
    max_tx_rate: Option<i64>,
    spoofchk: Option<String>,
    trust: Option<String>,
    link_state: Option<String>,
    mtu: Option<i64>,
    // Read by `addresses`; here so that it is no unknown key.
    #[serde(rename = "detection")]
    _detection: IgnoredAny,
    #[serde(rename = "acceptRA")]
    _accept_ra: IgnoredAny,
}

/// Keys of other plugins and guides that are written by mistake, and what they mean here.
const MEANT: &[(&str, &str)] = &[
    ("linkState", "link_state"),
    ("vlanId", "vlan"),
    ("qos", "vlanQoS"),
    ("minTxRate", "min_tx_rate"),
    ("maxTxRate", "max_tx_rate"),
    ("spoofChk", "spoofchk"),
    ("enableRdma", "a plugin `rdma` after this one in the chain"),
    ("rdmaIsolation", "a plugin `rdma` after this one in the chain (it is a key of ib-sriov)"),
    ("ibKubernetesEnabled", "the plugin ib-sriov"),
    ("detectIPConflict", "detection.conflict"),
    ("detectGateway", "detection.gateway"),
    ("detectOptions", "detection"),
];

/// sriov-cni keeps these in its own struct, and so takes them from stdin without a use for them.
const LEFTOVERS: [&str; 3] = ["master", "VFID", "OrigVfState"];

/// Reads the config and its overrides; an error names the key, the value and what is allowed.
pub fn wanted(request: &Request) -> Result<VfSpec, Error> {
    let keys: Keys = request.config.decode()?;
    for unknown in request.config.unknown_keys::<Keys>(MEANT) {
        if !LEFTOVERS.iter().any(|leftover| leftover.eq_ignore_ascii_case(&unknown.path)) {
            tracing::warn!("{unknown}");
        }
    }
    let mac = mac(request)?;
    let attributes = Attributes {
        mac,
        vlan: vlan(&keys)?,
        rate: rate(&keys)?,
        spoofchk: switch("spoofchk", keys.spoofchk.as_deref())?,
        trust: switch("trust", keys.trust.as_deref())?,
        link_state: link_state(keys.link_state.as_deref())?,
        ..Attributes::default()
    };
    let mtu = mtu(keys.mtu)?;
    Ok(VfSpec { attributes, mac, mtu, ..VfSpec::of(VfKind::Ethernet, device(request)?) })
}

/// Multus sets both keys alike; a runtime without them may use the capability.
fn device(request: &Request) -> Result<Id, Error> {
    let names = |config| Names { runtime_config: "deviceID", config, ..Names::default() };
    let setting = request.setting::<String>(names("deviceID"))?;
    let setting =
        setting.map_or_else(|| request.setting::<String>(names("pciBusID")), |found| Ok(Some(found)))?;
    let setting = setting.ok_or_else(|| {
        Error::invalid_config("deviceID is missing: the PCI address of a VF, such as 0000:3b:02.5").with_details(
            "Multus fills it in when the network attachment definition has the annotation k8s.v1.cni.cncf.io/resourceName \
             and the pod requests that resource",
        )
    })?;
    Ok(Id::parse(&setting.value).map_err(attach::Error::from)?)
}

/// From the runtime, the pod, or the config, in that order.
fn mac(request: &Request) -> Result<Option<HwAddr>, Error> {
    request.env.args.allow(&["MAC"])?;
    let names = Names { runtime_config: "mac", args_cni: "mac", cni_args: "MAC", config: "mac" };
    let setting = request.setting::<String>(names)?;
    setting.map(|mac| parse_mac(&mac.source.to_string(), &mac.value)).transpose()
}

fn parse_mac(key: &str, value: &str) -> Result<HwAddr, Error> {
    let refuse =
        |why: &str| Error::invalid_config(format!("{key} \"{value}\": {why}, such as 02:00:5e:10:00:01"));
    let address: HwAddr = value.parse().map_err(|_| refuse("expected 6 bytes in hex"))?;
    if address.mac().is_none() {
        return Err(refuse("an Ethernet VF has an address of 6 bytes"));
    }
    if address.is_multicast() || address.is_zero() {
        return Err(refuse("a VF needs a unicast address"));
    }
    Ok(address)
}

fn vlan(keys: &Keys) -> Result<Option<Vlan>, Error> {
    let Some(id) = number("vlan", keys.vlan, 4094)? else {
        let given = [("vlanQoS", keys.vlan_qos.is_some()), ("vlanProto", keys.vlan_proto.is_some())];
        return match given.into_iter().find(|(_, given)| *given) {
            Some((key, _)) => {
                Err(Error::invalid_config(format!("{key} without vlan: give `vlan`, 0 to 4094")))
            }
            None => Ok(None),
        };
    };
    let qos = number("vlanQoS", keys.vlan_qos, 7)?.unwrap_or_default();
    if qos != 0 && id == 0 {
        return Err(Error::invalid_config(format!(
            "vlanQoS {qos} with vlan 0: a priority needs a `vlan` from 1 to 4094"
        )));
    }
    let protocol = protocol(keys.vlan_proto.as_deref())?;
    if protocol == Vlan::DOT1AD && id == 0 {
        return Err(Error::invalid_config("vlanProto 802.1ad with vlan 0: it needs a `vlan` from 1 to 4094"));
    }
    Ok(Some(Vlan { id, qos, protocol }))
}

fn protocol(text: Option<&str>) -> Result<u16, Error> {
    match text.unwrap_or_default().to_ascii_lowercase().as_str() {
        "" | "802.1q" => Ok(Vlan::DOT1Q),
        "802.1ad" => Ok(Vlan::DOT1AD),
        other => Err(Error::invalid_config(format!(
            "vlanProto \"{other}\": allowed are 802.1q (the default) and 802.1ad"
        ))),
    }
}

/// The kernel sets both at once: the one that is not given becomes 0, as with the peer.
fn rate(keys: &Keys) -> Result<Option<Rate>, Error> {
    let min = number("min_tx_rate", keys.min_tx_rate, u32::MAX)?;
    let max = number("max_tx_rate", keys.max_tx_rate, u32::MAX)?;
    if min.is_none() && max.is_none() {
        return Ok(None);
    }
    let rate = Rate { min: min.unwrap_or_default(), max: max.unwrap_or_default() };
    if rate.max != 0 && rate.min > rate.max {
        let Rate { min, max } = rate;
        return Err(Error::invalid_config(format!(
            "min_tx_rate {min} is greater than max_tx_rate {max} (Mbit/s)"
        )));
    }
    Ok(Some(rate))
}

/// The peer takes a misspelt "on" for "off".
fn switch(key: &str, text: Option<&str>) -> Result<Option<bool>, Error> {
    match text.unwrap_or_default() {
        "" => Ok(None),
        "on" => Ok(Some(true)),
        "off" => Ok(Some(false)),
        other => Err(Error::invalid_config(format!("{key} \"{other}\": allowed are \"on\" and \"off\""))),
    }
}

fn link_state(text: Option<&str>) -> Result<Option<LinkState>, Error> {
    match text.unwrap_or_default() {
        "" => Ok(None),
        "auto" => Ok(Some(LinkState::Auto)),
        "enable" => Ok(Some(LinkState::Enable)),
        "disable" => Ok(Some(LinkState::Disable)),
        other => Err(Error::invalid_config(format!(
            "link_state \"{other}\": allowed are auto, enable and disable"
        ))),
    }
}

/// The upper bound is the PF's and known later; 68 is the least that IPv4 works with.
fn mtu(mtu: Option<i64>) -> Result<Option<u32>, Error> {
    match mtu.map(u32::try_from) {
        None | Some(Ok(0)) => Ok(None),
        Some(Ok(mtu @ 68..)) => Ok(Some(mtu)),
        Some(_) => Err(Error::invalid_config(format!(
            "invalid MTU {}, must be 0 (left alone) or from 68 to that of the PF",
            mtu.unwrap_or_default()
        ))),
    }
}

fn number<T: TryFrom<i64> + PartialOrd + Copy + std::fmt::Display>(
    key: &str,
    value: Option<i64>,
    max: T,
) -> Result<Option<T>, Error> {
    let Some(value) = value else { return Ok(None) };
    match T::try_from(value) {
        Ok(number) if number <= max => Ok(Some(number)),
        _ => Err(Error::invalid_config(format!("{key} {value}: allowed are 0 to {max}"))),
    }
}
