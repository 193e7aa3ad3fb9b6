//! The `ipam` object of the config, in the words of Spiderpool, host-local and our own, and what the pod adds to it.

mod asked;

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use cni::node::{self, Named};
use cni::{Error, Request, Route, Version};
use ipam::{Family, PoolNames, RangeSpec};
use serde::Deserialize;
use serde_json::Value;

use crate::peers;
pub(crate) use asked::{declined, requested};

/// How long an ADD waits for the node's lease store; it is held for well below a millisecond.
const LOCK_TIMEOUT: u64 = 10;

/// Runtimes give up on a pod after minutes.
const LONGEST_LOCK_TIMEOUT: u64 = 60;

/// How many pools, names of pools, or ranges a network has at most: each is compared with every other.
const MOST: usize = 1000;

/// How long an ADD waits for the cluster to grant more addresses to this node.
const WAIT_FOR_GRANT: u64 = 10;

/// Runtimes give up on a plugin, and call it again, within a minute or two.
const LONGEST_WAIT: u64 = 30;

/// Spellings of other IPAM plugins, and the key that they mean.
const MEANT: &[(&str, &str)] = &[("ippool", "ippools"), ("pool", "ippools")];

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Keys {
    #[serde(rename = "type")]
    _type: String,
    ippools: PoolKeys,
    #[serde(rename = "default_ipv4_ippool")]
    default_ipv4: Vec<String>,
    #[serde(rename = "default_ipv6_ippool")]
    default_ipv6: Vec<String>,
    #[serde(alias = "match_master_subnet")]
    match_master_subnet: bool,
    #[serde(alias = "clean_gateway")]
    clean_gateway: bool,
    pools: Vec<Value>,
    ranges: Vec<Vec<RangeSpec>>,
    subnet: Option<String>,
    range_start: Option<String>,
    range_end: Option<String>,
    gateway: Option<String>,
    routes: Vec<RouteKeys>,
    data_dir: Option<PathBuf>,
    resolv_conf: Option<PathBuf>,
    rest: Option<u32>,
    sticky: Option<bool>,
    lock_timeout: Option<u64>,
    wait_for_grant: Option<u64>,
    // Read with the addresses that it is for.
    #[serde(rename = "quarantine")]
    _quarantine: Value,
    // The log reads these, or they belong to Spiderpool's agent, which there is not.
    #[serde(rename = "log_level")]
    _log_level: Value,
    #[serde(rename = "log_file_path")]
    _log_file_path: Value,
    #[serde(rename = "log_file_max_size")]
    _log_file_max_size: Value,
    #[serde(rename = "log_file_max_age")]
    _log_file_max_age: Value,
    #[serde(rename = "log_file_max_count")]
    _log_file_max_count: Value,
    #[serde(rename = "ipam_unix_socket_path")]
    _ipam_unix_socket_path: Value,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct PoolKeys {
    ipv4: Vec<String>,
    ipv6: Vec<String>,
    match_master_subnet: bool,
}

#[derive(Deserialize)]
struct RouteKeys {
    #[serde(alias = "to")]
    dst: String,
    #[serde(alias = "via")]
    gw: Option<IpAddr>,
    mtu: Option<u32>,
    advmss: Option<u32>,
    priority: Option<u32>,
    table: Option<u32>,
    scope: Option<u8>,
}

/// Capability args of the runtime.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct RuntimeKeys {
    ip_ranges: Vec<Vec<RangeSpec>>,
}

/// What a pod may choose by the annotation `cni-args`.
#[derive(Default, Deserialize)]
#[serde(default)]
struct PodKeys {
    ippools: PoolKeys,
}

/// What the network and the pod want.
#[derive(Debug)]
pub(crate) struct Conf {
    pub(crate) source: Source,
    pub(crate) clean_gateway: bool,
    pub(crate) routes: Vec<Route>,
    /// A file as resolv.conf(5), for the name service of the result.
    pub(crate) resolver: Option<PathBuf>,
    pub(crate) rest: Option<u32>,
    pub(crate) sticky: Option<bool>,
    pub(crate) lock_timeout: Duration,
    pub(crate) wait_for_grant: Duration,
    pub(crate) data_dir: Option<PathBuf>,
}

/// Where addresses come from.
#[derive(Debug)]
pub(crate) enum Source {
    /// Documents in the config directory and in the config itself.
    Pools { wanted: PoolNames, inline: Vec<Value>, match_master: bool },
    /// host-local's, each set with its path in the config.
    Ranges(Vec<(String, Vec<RangeSpec>)>),
}

impl Conf {
    /// Reads the config; an error names the key, the value and what is allowed.
    pub(crate) fn of(request: &Request) -> Result<Self, Error> {
        let config = &request.config;
        peers::refuse(config)?;
        let keys: Keys = config.decode_at(&["ipam"])?.unwrap_or_default();
        for unknown in config.unknown_keys_at::<Keys>(&["ipam"], MEANT) {
            tracing::warn!("{unknown}");
        }
        let routes = keys
            .routes
            .iter()
            .enumerate()
            .map(|(index, route)| route.parse(index))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            clean_gateway: keys.clean_gateway,
            routes,
            resolver: named(Named::ResolvConf, "ipam.resolvConf", keys.resolv_conf.as_deref())?,
            rest: keys.rest,
            sticky: keys.sticky,
            lock_timeout: lock_timeout(keys.lock_timeout),
            wait_for_grant: wait_for_grant(keys.wait_for_grant),
            data_dir: named(Named::DataDir, "ipam.dataDir", keys.data_dir.as_deref())?,
            source: source(request, keys)?,
        })
    }
}

fn lock_timeout(seconds: Option<u64>) -> Duration {
    let seconds = seconds.unwrap_or(LOCK_TIMEOUT);
    if seconds > LONGEST_LOCK_TIMEOUT {
        tracing::warn!("ipam.lockTimeout {seconds}: taken as {LONGEST_LOCK_TIMEOUT}, which is the longest");
    }
    Duration::from_secs(seconds.min(LONGEST_LOCK_TIMEOUT))
}

/// Before any of them is looked at.
fn refuse_too_many(
    wanted: &PoolNames,
    pools: &[Value],
    ranges: &[(String, Vec<RangeSpec>)],
) -> Result<(), Error> {
    let ranges = ranges.iter().map(|(_, set)| set.len()).sum();
    let found = [
        ("names of pools", wanted.ipv4.len() + wanted.ipv6.len()),
        ("inline pools", pools.len()),
        ("ranges", ranges),
    ];
    match found.into_iter().find(|(_, count)| *count > MOST) {
        Some((what, count)) => {
            Err(Error::invalid_config(format!("ipam has {count} {what}: expected at most {MOST}")))
        }
        None => Ok(()),
    }
}

fn wait_for_grant(seconds: Option<u64>) -> Duration {
    let seconds = seconds.unwrap_or(WAIT_FOR_GRANT);
    if seconds > LONGEST_WAIT {
        tracing::warn!("ipam.waitForGrant {seconds}: taken as {LONGEST_WAIT}, which is the longest");
    }
    Duration::from_secs(seconds.min(LONGEST_WAIT))
}

fn named(named: Named, key: &str, path: Option<&Path>) -> Result<Option<PathBuf>, Error> {
    path.map(|path| node::allowed(named, key, path)).transpose()
}

/// host-local's directory, as far as a release may touch it: whatever else is wrong with the config, this key may be right.
pub(crate) fn data_dir(request: &Request) -> Option<PathBuf> {
    let path: Option<PathBuf> = request.config.decode_at(&["ipam", "dataDir"]).unwrap_or_default();
    named(Named::DataDir, "ipam.dataDir", path.as_deref()).unwrap_or_else(|error| {
        tracing::warn!("left alone: {error}");
        None
    })
}

fn source(request: &Request, keys: Keys) -> Result<Source, Error> {
    let runtime: RuntimeKeys = request.config.runtime_config()?.unwrap_or_default();
    let pod: PodKeys = request.config.args_cni()?.unwrap_or_default();
    let ranges = ranges(&keys, runtime.ip_ranges);
    let match_master =
        keys.match_master_subnet || keys.ippools.match_master_subnet || pod.ippools.match_master_subnet;
    let own = PoolNames { ipv4: keys.ippools.ipv4, ipv6: keys.ippools.ipv6 };
    let spiderpool = PoolNames { ipv4: keys.default_ipv4, ipv6: keys.default_ipv6 };
    let pod = PoolNames { ipv4: pod.ippools.ipv4, ipv6: pod.ippools.ipv6 };
    let wanted = [pod, own, spiderpool].into_iter().find(|wanted| !wanted.is_empty()).unwrap_or_default();
    refuse_too_many(&wanted, &keys.pools, &ranges)?;
    if ranges.is_empty() {
        return Ok(Source::Pools { wanted, inline: keys.pools, match_master });
    }
    if !wanted.is_empty() || !keys.pools.is_empty() {
        let both = "ipam has both ranges (subnet, ranges or ipRanges) and pools (ippools, default_ipv4_ippool or pools)";
        return Err(Error::invalid_config(format!("{both}: keep one of them")));
    }
    if match_master {
        return Err(Error::invalid_config(
            "ipam.matchMasterSubnet true: only pools can be matched, and this config has ranges",
        ));
    }
    Ok(Source::Ranges(ranges))
}

/// The runtime's sets first, then the one that the old form of the config means, then the list.
fn ranges(keys: &Keys, runtime: Vec<Vec<RangeSpec>>) -> Vec<(String, Vec<RangeSpec>)> {
    let numbered = |name: &'static str| move |(index, set)| (format!("{name}[{index}]"), set);
    let old = keys.subnet.as_ref().map(|subnet| {
        let (range_start, range_end) = (keys.range_start.clone(), keys.range_end.clone());
        let range =
            RangeSpec { subnet: Some(subnet.clone()), range_start, range_end, gateway: keys.gateway.clone() };
        ("ipam".to_owned(), vec![range])
    });
    let runtime = runtime.into_iter().enumerate().map(numbered("runtimeConfig.ipRanges"));
    runtime.chain(old).chain(keys.ranges.iter().cloned().enumerate().map(numbered("ipam.ranges"))).collect()
}

/// Results before 0.3.0 have room for one address of each family.
pub(crate) fn fits_version(version: Version, families: &[Family]) -> Result<(), Error> {
    let twice = [Family::V4, Family::V6]
        .into_iter()
        .find(|family| families.iter().filter(|f| *f == family).count() > 1);
    match twice {
        Some(family) if version < Version::V0_3_0 => Err(Error::invalid_config(format!(
            "cniVersion {version} has room for one {} address, and the config asks for more: use 0.3.0 or later",
            family.name()
        ))),
        _ => Ok(()),
    }
}

impl RouteKeys {
    fn parse(&self, index: usize) -> Result<Route, Error> {
        let dst = cni::parse_cidr(&self.dst)
            .map_err(|error| Error::invalid_config(format!("ipam.routes[{index}].dst: {error}")))?;
        let Self { gw, mtu, advmss, priority, table, scope, .. } = *self;
        Ok(Route { dst: dst.trunc(), gw, mtu, advmss, priority, table, scope })
    }
}
