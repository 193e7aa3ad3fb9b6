//! The keys of the coordinator, validated before anything is touched.

mod keys;
#[cfg(test)]
mod tests;

use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::mac::Prefix;
use keys::{FromPod, Keys, MEANT};

const UNBUILT: &str = "set mode to overlay or auto on the NICs that come after the pod's first, which then keeps \
                       what its own plugin gave it, or to disable";

/// What a NIC's coordination is to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// `podDefaultCniNic`: the pod's first NIC.
    pub first_nic: String,
    /// `podDefaultRouteNic`
    pub wish: Option<Wish>,
    /// `tunePodRoutes`
    pub tune: bool,
    /// `hijackCIDR`, `overlayPodCIDR` and `serviceCIDR`: what leaves by the first NIC; sorted, no default route.
    pub detours: Vec<IpNet>,
    /// `policyRoutes`: for the NIC's own table.
    pub policy_routes: Vec<PolicyRoute>,
    /// `podRPFilter`, 0 to 2; `None` leaves it.
    pub rp_filter: Option<u8>,
    /// `txQueueLen`, packets; `None` leaves it.
    pub tx_queue_len: Option<u32>,
    /// `podMACPrefix`
    pub mac_prefix: Option<Prefix>,
}

/// Which NIC is to own the default route of main.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wish {
    /// It may be attached later.
    pub nic: String,
    /// The pod said so itself (`args.cni`), which counts more than the network's config.
    pub from_pod: bool,
}

/// One of `policyRoutes`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PolicyRoute {
    /// Without host bits.
    pub dst: IpNet,
    /// Of the same family.
    pub gw: IpAddr,
}

impl Settings {
    /// Reads the config of an interface; `None` is `mode: disable`. An error names key, value and what is allowed.
    pub fn of(config: &cni::Config, ifname: &str) -> Result<Option<Self>, cni::Error> {
        let keys: Keys = config.decode()?;
        for unknown in config.unknown_keys::<Keys>(MEANT) {
            tracing::warn!("{unknown}");
        }
        let first_nic = keys.pod_default_cni_nic.clone().unwrap_or_else(|| "eth0".to_owned());
        nic("podDefaultCniNic", &first_nic)?;
        let from_pod: FromPod = config.args_cni()?.unwrap_or_default();
        let settings = Self {
            wish: wish(from_pod.pod_default_route_nic, keys.pod_default_route_nic.clone())?,
            tune: keys.tune_pod_routes.unwrap_or(true),
            detours: detours(&keys)?,
            policy_routes: policy_routes(&keys)?,
            rp_filter: rp_filter(keys.pod_rp_filter.unwrap_or_default())?,
            tx_queue_len: tx_queue_len(keys.tx_queue_len.unwrap_or_default())?,
            mac_prefix: mac_prefix(keys.pod_mac_prefix.as_deref())?,
            first_nic,
        };
        if !enabled(keys.mode.as_deref().unwrap_or("auto"), ifname, &settings.first_nic)? {
            return Ok(None);
        }
        keys.warn_of_what_does_nothing();
        Ok(Some(settings))
    }
}

fn enabled(mode: &str, ifname: &str, first_nic: &str) -> Result<bool, cni::Error> {
    match mode {
        "disable" | "disabled" => Ok(false),
        "underlay" => Err(cni::Error::unsupported(format!("mode \"underlay\" is not built yet: {UNBUILT}"))),
        "auto" | "overlay" if ifname == first_nic => Err(cni::Error::unsupported(format!(
            "{ifname} is the pod's first NIC (podDefaultCniNic), which needs mode underlay, and that is not built yet: {UNBUILT}"
        ))),
        "auto" | "overlay" => Ok(true),
        other => Err(refuse("mode", other, "allowed are auto (the default), overlay and disable")),
    }
}

fn wish(of_pod: Option<String>, of_config: Option<String>) -> Result<Option<Wish>, cni::Error> {
    let from_pod = of_pod.is_some();
    let Some(name) = of_pod.or(of_config) else { return Ok(None) };
    nic(if from_pod { "args.cni.podDefaultRouteNic" } else { "podDefaultRouteNic" }, &name)?;
    Ok(Some(Wish { nic: name, from_pod }))
}

fn nic(key: &str, name: &str) -> Result<(), cni::Error> {
    state::name::ifname(name).map_err(|error| refuse(key, name, &error.to_string()))
}

fn detours(keys: &Keys) -> Result<Vec<IpNet>, cni::Error> {
    let lists = [
        ("hijackCIDR", &keys.hijack_cidr),
        ("overlayPodCIDR", &keys.overlay_pod_cidr),
        ("serviceCIDR", &keys.service_cidr),
    ];
    let mut detours = Vec::new();
    for (key, list) in lists {
        for (i, text) in list.iter().flatten().enumerate() {
            detours.push(detour(&format!("{key}[{i}]"), text)?);
        }
    }
    detours.sort_unstable();
    detours.dedup();
    Ok(detours)
}

fn detour(key: &str, text: &str) -> Result<IpNet, cni::Error> {
    match network(key, text)? {
        net if net.prefix_len() == 0 => {
            Err(refuse(key, text, "for a default route there is podDefaultRouteNic"))
        }
        net => Ok(net),
    }
}

fn policy_routes(keys: &Keys) -> Result<Vec<PolicyRoute>, cni::Error> {
    let mut routes: Vec<PolicyRoute> = Vec::new();
    for (i, written) in keys.policy_routes.iter().flatten().enumerate() {
        let route = policy_route(&format!("policyRoutes[{i}]"), written)?;
        match routes.iter().find(|other| other.dst == route.dst) {
            None => routes.push(route),
            Some(other) if *other == route => (),
            Some(other) => {
                let dst = route.dst.to_string();
                let first = format!("an earlier entry sends it to {}: one gateway per destination", other.gw);
                return Err(refuse(&format!("policyRoutes[{i}].dst"), &dst, &first));
            }
        }
    }
    Ok(routes)
}

fn policy_route(key: &str, written: &keys::Written) -> Result<PolicyRoute, cni::Error> {
    let missing =
        |part| cni::Error::invalid_config(format!("{key}.{part} is missing: a policy route is {{dst, gw}}"));
    let dst_text = written.dst.as_deref().ok_or_else(|| missing("dst"))?;
    let gw_text = written.gw.as_deref().ok_or_else(|| missing("gw"))?;
    let dst = network(&format!("{key}.dst"), dst_text)?;
    let gw: IpAddr =
        gw_text.parse().map_err(|_| refuse(&format!("{key}.gw"), gw_text, "expected an IP address"))?;
    if dst.addr().is_ipv4() != gw.is_ipv4() {
        return Err(refuse(
            &format!("{key}.gw"),
            gw_text,
            &format!("expected an address of the family of dst {dst}"),
        ));
    }
    Ok(PolicyRoute { dst, gw })
}

fn network(key: &str, text: &str) -> Result<IpNet, cni::Error> {
    let net = text.parse::<IpNet>().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
    net.map(|net| net.trunc())
        .map_err(|_| refuse(key, text, "expected a CIDR such as 10.96.0.0/12, or an IP address"))
}

/// The kernel's values; any negative number means "as it is".
fn rp_filter(value: i64) -> Result<Option<u8>, cni::Error> {
    match value {
        ..0 => Ok(None),
        0..=2 => Ok(u8::try_from(value).ok()),
        _ => Err(refuse(
            "podRPFilter",
            &value.to_string(),
            "allowed are 0, 1, 2, and a negative number to leave it",
        )),
    }
}

fn tx_queue_len(value: i64) -> Result<Option<u32>, cni::Error> {
    match i32::try_from(value) {
        Ok(0) => Ok(None),
        Ok(length @ 1..) => Ok(Some(length.cast_unsigned())),
        _ => {
            Err(refuse("txQueueLen", &value.to_string(), "allowed are 0 (leave it) and a number of packets"))
        }
    }
}

fn mac_prefix(text: Option<&str>) -> Result<Option<Prefix>, cni::Error> {
    text.map(|text| text.parse().map_err(|why| refuse("podMACPrefix", text, why))).transpose()
}

fn refuse(key: &str, value: &str, why: &str) -> cni::Error {
    cni::Error::invalid_config(format!("{key} \"{value}\": {why}"))
}
