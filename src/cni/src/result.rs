//! What ADD answers: interfaces, addresses, routes and DNS, in memory always as in 1.1.0.

mod convert;
mod legacy;
mod prefix;

use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

pub use convert::ConvertError;
pub use prefix::{PrefixError, parse_cidr};

/// The result of ADD. Its serde form is that of 1.1.0 without `cniVersion`; [`CniResult::to_value`] makes the others.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CniResult {
    /// Host side and container side; an IPAM plugin has none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub interfaces: Vec<Interface>,
    /// Addresses, in the order in which they are put on the link.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ips: Vec<IpConfig>,
    /// Routes in the container.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub routes: Vec<Route>,
    /// Name service of the container.
    #[serde(default, skip_serializing_if = "Dns::is_empty")]
    pub dns: Dns,
}

/// One interface that was made or taken.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interface {
    /// Its name where it is.
    #[serde(default)]
    pub name: String,
    /// Hardware address, 6, 8 or 20 bytes with colons.
    #[serde(default, skip_serializing_if = "blank")]
    pub mac: Option<String>,
    /// In bytes; from 1.1.0.
    #[serde(default, skip_serializing_if = "zero")]
    pub mtu: Option<u32>,
    /// Path of the network namespace; `None` on the host side.
    #[serde(default, skip_serializing_if = "blank")]
    pub sandbox: Option<String>,
    /// A socket that is the interface's back end (vhost-user); from 1.1.0.
    #[serde(default, rename = "socketPath", skip_serializing_if = "blank")]
    pub socket_path: Option<String>,
    /// PCI address such as `0000:03:00.1`; from 1.1.0.
    #[serde(default, rename = "pciID", skip_serializing_if = "blank")]
    pub pci_id: Option<String>,
}

/// One address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IpConfig {
    /// With its host bits, such as `10.1.2.3/24`.
    #[serde(deserialize_with = "prefix::address")]
    pub address: IpNet,
    /// Of this subnet.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "prefix::gateway")]
    pub gateway: Option<IpAddr>,
    /// Index into `interfaces`; 0 is not the same as none.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "prefix::index")]
    pub interface: Option<usize>,
}

/// One route.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    /// Destination.
    #[serde(deserialize_with = "prefix::address")]
    pub dst: IpNet,
    /// Next hop; without it that of the first address of this family.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "prefix::gateway")]
    pub gw: Option<IpAddr>,
    /// In bytes; from 1.1.0, like all below.
    #[serde(default, skip_serializing_if = "zero")]
    pub mtu: Option<u32>,
    /// Segment size to advertise, in bytes.
    #[serde(default, skip_serializing_if = "zero")]
    pub advmss: Option<u32>,
    /// Metric; the lower wins.
    #[serde(default, skip_serializing_if = "zero")]
    pub priority: Option<u32>,
    /// Routing table; main when `None`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub table: Option<u32>,
    /// As in rtnetlink: 0 global, 253 link, 254 host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<u8>,
}

impl Route {
    /// A route with nothing but a destination and perhaps a next hop.
    pub fn new(dst: IpNet, gw: Option<IpAddr>) -> Self {
        Self { dst, gw, mtu: None, advmss: None, priority: None, table: None, scope: None }
    }
}

/// Name service.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dns {
    /// Addresses of servers, in order of preference.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub nameservers: Vec<String>,
    /// Local domain.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub domain: String,
    /// Search domains for short names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub search: Vec<String>,
    /// Options of the resolver.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub options: Vec<String>,
}

impl Dns {
    /// Whether nothing is set.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

#[expect(clippy::ref_option, reason = "serde hands out a reference to the field")]
fn blank(text: &Option<String>) -> bool {
    text.as_ref().is_none_or(String::is_empty)
}

#[expect(
    clippy::ref_option,
    clippy::trivially_copy_pass_by_ref,
    reason = "serde hands out a reference to the field"
)]
fn zero(number: &Option<u32>) -> bool {
    number.is_none_or(|n| n == 0)
}

#[cfg(test)]
mod tests;
