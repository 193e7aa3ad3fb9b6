//! The keys of the coordinator, validated before anything is touched.

mod keys;
mod node;
mod routes;
#[cfg(test)]
mod tests;

use std::net::{IpAddr, Ipv4Addr};

use cni::{CniArgs, lenient};
use ipnet::{IpNet, Ipv4Net};
use keys::{FromPod, Keys, MEANT};
use routes::{detours, policy_routes};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use state::Dirs;

use super::mac::Prefix;

pub use node::NodeFile;

/// `hostRuleTable`, unless said otherwise.
const HOST_TABLE: u32 = 500;
/// `RT_TABLE_DEFAULT`, `RT_TABLE_MAIN`, `RT_TABLE_LOCAL`
const KERNELS_TABLES: [u32; 3] = [253, 254, 255];
/// Rules have 10000 more, and main's has 32766.
const HIGHEST_TABLE: u32 = 20_000;
/// IPv6 has no link with less.
const SMALLEST_MTU: u32 = 1280;

/// What a NIC's coordination is to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// `podDefaultCniNic`: the pod's first NIC.
    pub first_nic: String,
    /// `mode`, unless it is off.
    pub mode: Mode,
    /// `podDefaultRouteNic`
    pub default_nic: Option<DefaultRouteNic>,
    /// `tunePodRoutes`
    pub tune: bool,
    /// `hijackCIDR`, `overlayPodCIDR` and `serviceCIDR`: what leaves by the first NIC; sorted, no default route.
    pub detours: Vec<IpNet>,
    /// `table` of sbr: the NIC's, instead of one that is free.
    pub table: Option<u32>,
    /// `gateways` of sbr: of the NIC's table, at most one of each family.
    pub gateways: Vec<IpAddr>,
    /// `policyRoutes`: for the NIC's own table.
    pub policy_routes: Vec<PolicyRoute>,
    /// `podRPFilter`, 0 to 2; `None` leaves it.
    pub rp_filter: Option<u8>,
    /// `txQueueLen`, packets; `None` leaves it.
    pub tx_queue_len: Option<u32>,
    /// `podMACPrefix`
    pub mac_prefix: Option<Prefix>,
    /// `hostRuleTable`: the node's table with a route to each address of the pod; `None` (0) leaves the node alone.
    pub host_table: Option<u32>,
    /// `vethMTU`, of the pair that mode underlay makes.
    pub veth_mtu: u32,
    /// `vethLinkAddress`, of the pod's end of it.
    pub veth_address: Option<IpAddr>,
}

/// How the pod reaches its node, services and the other pods.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Underlay on the pod's first NIC, and where that is underlay; overlay elsewhere.
    Auto,
    /// By a veth pair with the node, which the first NIC's attachment makes.
    Underlay,
    /// By the first NIC, which another network's plugin made.
    Overlay,
}

/// Which NIC is to own the default route of main.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DefaultRouteNic {
    /// It may be attached later.
    pub nic: String,
    /// The pod said so itself (`args.cni`, `CNI_ARGS`), which takes precedence over the network's config.
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

/// Where services of the node are, such as its DNS cache and its metadata: no rail's gateway knows them.
pub(crate) const LINK_LOCAL: IpNet = IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::new(169, 254, 0, 0), 16));

impl Settings {
    /// Reads the config of an interface, `CNI_ARGS`, and what `node.yaml` says for all networks; `None` is `mode: disable`.
    /// An error names key, value and what is allowed.
    pub fn of(config: &cni::Config, args: &CniArgs) -> Result<Option<Self>, cni::Error> {
        let dirs = Dirs::from_env().map_err(attach::Error::from)?;
        Self::with_defaults(config, args, &NodeFile::load(&dirs)?)
    }

    /// As [`of`](Self::of) on a node that says nothing, for a pod that says nothing.
    pub fn without_node(config: &cni::Config) -> Result<Option<Self>, cni::Error> {
        Self::with_defaults(config, &CniArgs::default(), &Map::new())
    }

    fn with_defaults(
        config: &cni::Config,
        args: &CniArgs,
        defaults: &Map<String, Value>,
    ) -> Result<Option<Self>, cni::Error> {
        let keys: Keys = if defaults.is_empty() {
            config.decode()?
        } else {
            lenient::from_value(&node::complete(config.raw(), defaults)).map_err(cni::Error::from)?
        };
        for unknown in config.unknown_keys::<Keys>(MEANT) {
            tracing::warn!("{unknown}");
        }
        let settings = keys.settings(&config.args_cni()?.unwrap_or_default(), args)?;
        if settings.is_some() {
            keys.warn_of_what_does_nothing();
        }
        Ok(settings)
    }

    /// Whether the attachment of `ifname` is to make the pod's way to its node.
    pub fn makes_veth(&self, ifname: &str) -> bool {
        ifname == self.first_nic && self.mode != Mode::Overlay
    }
}

impl Keys {
    /// The values, each validated.
    fn settings(&self, from_pod: &FromPod, args: &CniArgs) -> Result<Option<Settings>, cni::Error> {
        let first_nic = self.pod_default_cni_nic.clone().unwrap_or_else(|| "eth0".to_owned());
        nic("podDefaultCniNic", &first_nic)?;
        let Some(mode) = mode(self.mode.as_deref().unwrap_or("auto"))? else { return Ok(None) };
        let default_nic = default_nic(&[
            ("args.cni.podDefaultRouteNic", from_pod.pod_default_route_nic.as_deref()),
            ("CNI_ARGS podDefaultRouteNic", args.get("podDefaultRouteNic")),
            ("podDefaultRouteNic", self.pod_default_route_nic.as_deref()),
        ])?;
        let mut detours = detours(self)?;
        if self.hijack_cidr.is_none()
            && default_nic.as_ref().is_some_and(|default_nic| default_nic.nic != first_nic)
        {
            detours.push(LINK_LOCAL);
        }
        Ok(Some(Settings {
            mode,
            default_nic,
            tune: self.tune_pod_routes.unwrap_or(true),
            detours,
            table: own_table(self.table.unwrap_or_default())?,
            gateways: gateways(self.gateways.as_deref().unwrap_or_default())?,
            policy_routes: policy_routes(self)?,
            rp_filter: rp_filter(self.pod_rp_filter.unwrap_or_default())?,
            tx_queue_len: tx_queue_len(self.tx_queue_len.unwrap_or_default())?,
            mac_prefix: mac_prefix(self.pod_mac_prefix.as_deref())?,
            host_table: host_table(self.host_rule_table.unwrap_or(HOST_TABLE.into()))?,
            veth_mtu: veth_mtu(self.veth_mtu.unwrap_or(1500))?,
            veth_address: veth_address(self.veth_link_address.as_deref())?,
            first_nic,
        }))
    }
}

fn mode(text: &str) -> Result<Option<Mode>, cni::Error> {
    match text {
        "auto" | "" => Ok(Some(Mode::Auto)),
        "underlay" => Ok(Some(Mode::Underlay)),
        "overlay" => Ok(Some(Mode::Overlay)),
        "disable" | "disabled" => Ok(None),
        other => Err(refuse("mode", other, "allowed are auto (the default), underlay, overlay and disable")),
    }
}

fn host_table(number: i64) -> Result<Option<u32>, cni::Error> {
    match u32::try_from(number) {
        Ok(0) => Ok(None),
        Ok(table) if !KERNELS_TABLES.contains(&table) => Ok(Some(table)),
        _ => Err(refuse(
            "hostRuleTable",
            &number.to_string(),
            "allowed are 0 (leave the node alone) and the number of a table, but 253 to 255 are the kernel's",
        )),
    }
}

fn own_table(number: i64) -> Result<Option<u32>, cni::Error> {
    match u32::try_from(number) {
        Ok(0) => Ok(None),
        Ok(table) if !KERNELS_TABLES.contains(&table) && table <= HIGHEST_TABLE => Ok(Some(table)),
        _ => Err(refuse(
            "table",
            &number.to_string(),
            "allowed are 0 (one that is free) and the number of a table up to 20000, but 253 to 255 are the kernel's",
        )),
    }
}

/// As sbr has it: one of each family.
fn gateways(written: &[String]) -> Result<Vec<IpAddr>, cni::Error> {
    let mut gateways: Vec<IpAddr> = Vec::new();
    for (i, text) in written.iter().enumerate() {
        let key = format!("gateways[{i}]");
        let gateway: IpAddr = text.parse().map_err(|_| refuse(&key, text, "expected an IP address"))?;
        if let Some(other) = gateways.iter().find(|other| other.is_ipv4() == gateway.is_ipv4()) {
            return Err(refuse(&key, text, &format!("{other} is of the same family: one gateway for each")));
        }
        gateways.push(gateway);
    }
    Ok(gateways)
}

fn veth_mtu(number: i64) -> Result<u32, cni::Error> {
    let allowed = |mtu: &u32| (SMALLEST_MTU..=65_535).contains(mtu);
    u32::try_from(number).ok().filter(allowed).ok_or_else(|| {
        refuse(
            "vethMTU",
            &number.to_string(),
            &format!("allowed are {SMALLEST_MTU} (the least of IPv6) to 65535 bytes"),
        )
    })
}

fn veth_address(text: Option<&str>) -> Result<Option<IpAddr>, cni::Error> {
    let Some(text) = text.filter(|text| !text.is_empty()) else { return Ok(None) };
    match text.parse::<IpAddr>() {
        Ok(ip) if !ip.is_unspecified() && !ip.is_multicast() => Ok(Some(ip)),
        _ => Err(refuse(
            "vethLinkAddress",
            text,
            "expected an IP address without a prefix, such as 169.254.200.1",
        )),
    }
}

/// The first place that says something; the last one is the network's config.
fn default_nic(places: &[(&str, Option<&str>)]) -> Result<Option<DefaultRouteNic>, cni::Error> {
    let said = places.iter().enumerate().find_map(|(place, (key, name))| {
        let name = name.filter(|name| !name.is_empty())?;
        Some((key, name, place + 1 < places.len()))
    });
    let Some((key, name, from_pod)) = said else { return Ok(None) };
    nic(key, name)?;
    Ok(Some(DefaultRouteNic { nic: name.to_owned(), from_pod }))
}

fn nic(key: &str, name: &str) -> Result<(), cni::Error> {
    state::name::ifname(name).map_err(|error| refuse(key, name, &error.to_string()))
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
