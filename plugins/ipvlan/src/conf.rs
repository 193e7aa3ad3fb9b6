//! The config of `ipvlan`, validated before anything is touched.

#[cfg(test)]
mod tests;

use cni::{CniResult, Error, Request};
use links::child::parent::{Written, parse_mtu};
use netlink::link::{IpVlanFlags, IpVlanMode, Ipvlan};
use serde::Deserialize;
use serde::de::IgnoredAny;

/// The JSON keys of the reference plugin, and `flag`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Keys {
    master: Option<Written>,
    mode: Option<String>,
    flag: Option<String>,
    mtu: Option<i64>,
    link_in_container: bool,
    require_master_up: bool,
    // Read by `addresses`; here so that it is no unknown key.
    #[serde(rename = "detection")]
    _detection: IgnoredAny,
    #[serde(rename = "acceptRA")]
    _accept_ra: IgnoredAny,
}

/// Keys of other plugins and guides that are written by mistake, and what they mean here.
const MEANT: &[(&str, &str)] = &[
    ("enableRdma", "a resource of the RDMA shared device plugin"),
    ("masters", "master"),
    ("interface", "master"),
    ("flags", "flag"),
    ("ipvlan_flag", "flag"),
    ("mac", "plugin macvlan: an ipvlan has its master's MAC"),
    ("detectIPConflict", "detection.conflict"),
    ("detectGateway", "detection.gateway"),
    ("detectOptions", "detection"),
];

/// What an ipvlan attachment is to be.
#[derive(Debug, PartialEq)]
pub struct Conf {
    /// `None`: the interface of the default route.
    pub(crate) master: Option<String>,
    pub(crate) mode: IpVlanMode,
    /// How the links of one master see each other; none is `bridge`.
    pub(crate) flags: IpVlanFlags,
    /// `None`: the master's.
    pub(crate) mtu: Option<u32>,
    pub(crate) link_in_container: bool,
    /// A master that is down is an error, rather than a link that waits for it.
    pub(crate) require_master_up: bool,
    /// For CHECK: the interface whose parent is the master where the config leaves that to ADD.
    pub(crate) attached: Option<String>,
    /// Addresses of the plugin before this one in the chain, for a link without an IPAM of its own.
    pub(crate) inherited: Option<CniResult>,
}

impl Conf {
    /// Reads the config; an error names the key, the value and what is allowed.
    pub fn of(request: &Request) -> Result<Self, Error> {
        let keys: Keys = request.config.decode()?;
        request.config.warn_unknown_keys::<Keys>(MEANT);
        Ok(Self {
            master: keys.master.map(|master| master.one("ipvlan")).transpose()?.flatten(),
            mode: mode(keys.mode.as_deref().unwrap_or_default())?,
            flags: flags(keys.flag.as_deref().unwrap_or_default())?,
            mtu: parse_mtu(keys.mtu.unwrap_or_default())?,
            link_in_container: keys.link_in_container,
            require_master_up: keys.require_master_up,
            attached: None,
            inherited: None,
        })
    }

    /// As [`Conf::of`]; without `master`, the interface that the plugin before this one in the chain made.
    pub(crate) fn in_chain(request: &Request) -> Result<Self, Error> {
        let mut conf = Self::of(request)?;
        if let (None, Some(before)) = (&conf.master, &request.config.prev_result) {
            conf.master = Some(only_interface(before)?);
        }
        conf.inherited = inherited(request);
        Ok(conf)
    }

    /// As the kernel is to be told.
    pub(crate) fn kind(&self) -> Ipvlan {
        Ipvlan { mode: self.mode, flags: self.flags }
    }
}

/// Addresses for a link without an IPAM of its own.
fn inherited(request: &Request) -> Option<CniResult> {
    match &request.config.ipam_type {
        None => request.config.prev_result.clone().filter(|before| !before.ips.is_empty()),
        Some(_) => None,
    }
}

fn only_interface(before: &CniResult) -> Result<String, Error> {
    match before.interfaces.as_slice() {
        [interface] if !interface.name.is_empty() => Ok(interface.name.clone()),
        several => Err(Error::invalid_config(format!(
            "chained master failure: prevResult has {} interfaces where a single named one is needed: name the `master`",
            several.len()
        ))),
    }
}

fn mode(mode: &str) -> Result<IpVlanMode, Error> {
    match mode {
        "" | "l2" => Ok(IpVlanMode::L2),
        "l3" => Ok(IpVlanMode::L3),
        "l3s" => Ok(IpVlanMode::L3S),
        other => Err(Error::invalid_config(format!(
            "unknown ipvlan mode: \"{other}\"; allowed are l2 (the default), l3 and l3s"
        ))),
    }
}

fn flags(flag: &str) -> Result<IpVlanFlags, Error> {
    match flag {
        "" | "bridge" => Ok(IpVlanFlags::empty()),
        "private" => Ok(IpVlanFlags::Private),
        "vepa" => Ok(IpVlanFlags::Vepa),
        other => Err(Error::invalid_config(format!(
            "unknown ipvlan flag: \"{other}\"; allowed are bridge (the default), private and vepa"
        ))),
    }
}
