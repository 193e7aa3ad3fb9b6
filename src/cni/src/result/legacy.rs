//! 0.1.0 and 0.2.0: one address and some routes per family.

use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{CniResult, ConvertError, Dns, IpConfig, Route, prefix};
use crate::{Version, lenient};

#[derive(Serialize, Deserialize)]
struct Legacy {
    #[serde(skip_serializing_if = "Option::is_none")]
    ip4: Option<Family>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ip6: Option<Family>,
    #[serde(default)]
    dns: Dns,
}

#[derive(Serialize, Deserialize)]
struct Family {
    #[serde(deserialize_with = "prefix::address")]
    ip: IpNet,
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "prefix::gateway")]
    gateway: Option<IpAddr>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    routes: Vec<Hop>,
}

#[derive(Serialize, Deserialize)]
struct Hop {
    #[serde(deserialize_with = "prefix::address")]
    dst: IpNet,
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "prefix::gateway")]
    gw: Option<IpAddr>,
}

pub(super) fn read(value: &Value) -> Result<CniResult, ConvertError> {
    let legacy: Legacy = lenient::from_value(value)?;
    let mut result = CniResult { dns: legacy.dns, ..CniResult::default() };
    for family in [legacy.ip4, legacy.ip6].into_iter().flatten() {
        result.ips.push(IpConfig { address: family.ip, gateway: family.gateway, interface: None });
        result.routes.extend(family.routes.iter().map(|hop| Route::new(hop.dst, hop.gw)));
    }
    Ok(result)
}

pub(super) fn write(result: &CniResult, version: Version) -> Result<Value, ConvertError> {
    let legacy = Legacy { ip4: family(result, true), ip6: family(result, false), dns: result.dns.clone() };
    if legacy.ip4.is_none() && legacy.ip6.is_none() {
        return Err(ConvertError::NoAddress(version));
    }
    Ok(serde_json::to_value(&legacy)?)
}

/// The first address of a family and the routes of that family.
fn family(result: &CniResult, ipv4: bool) -> Option<Family> {
    let is_family = |net: &IpNet| net.addr().is_ipv4() == ipv4;
    let first = result.ips.iter().find(|ip| is_family(&ip.address))?;
    let routes = result.routes.iter().filter(|route| is_family(&route.dst));
    let routes = routes.map(|route| Hop { dst: route.dst, gw: route.gw }).collect();
    Some(Family { ip: first.address, gateway: first.gateway, routes })
}
