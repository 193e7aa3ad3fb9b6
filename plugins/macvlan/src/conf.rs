//! The config of `macvlan`, validated before anything is touched.

#[cfg(test)]
mod tests;

use cni::setting::{Names, Setting};
use cni::{Error, Request};
use links::child::parent::{Written, parse_mtu};
use netlink::HwAddr;
use netlink::link::{MacVlanMode, Macvlan};
use serde::Deserialize;
use serde::de::IgnoredAny;

/// The JSON keys of the reference plugin.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Keys {
    master: Option<Written>,
    mode: Option<String>,
    mtu: Option<i64>,
    mac: Option<String>,
    link_in_container: bool,
    bcqueuelen: Option<u32>,
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
    ("detectIPConflict", "detection.conflict"),
    ("detectGateway", "detection.gateway"),
    ("detectOptions", "detection"),
];

/// What a macvlan attachment is to be.
#[derive(Debug, PartialEq)]
pub struct Conf {
    /// `None`: the interface of the default route.
    pub(crate) master: Option<String>,
    pub(crate) mode: MacVlanMode,
    /// `None`: the master's.
    pub(crate) mtu: Option<u32>,
    /// `None`: a random one, by the kernel.
    pub(crate) mac: Option<HwAddr>,
    pub(crate) link_in_container: bool,
    /// A master that is down is an error, rather than a link that waits for it.
    pub(crate) require_master_up: bool,
    pub(crate) bc_queue_len: Option<u32>,
}

impl Conf {
    /// Reads the config and its overrides; an error names the key, the value and what is allowed.
    pub fn of(request: &Request) -> Result<Self, Error> {
        let keys: Keys = request.config.decode()?;
        for unknown in request.config.unknown_keys::<Keys>(MEANT) {
            tracing::warn!("{unknown}");
        }
        Ok(Self {
            master: keys.master.map(|master| master.one("macvlan")).transpose()?.flatten(),
            mode: mode(keys.mode.as_deref().unwrap_or_default())?,
            mtu: parse_mtu(keys.mtu.unwrap_or_default())?,
            mac: mac(request)?,
            link_in_container: keys.link_in_container,
            require_master_up: keys.require_master_up,
            bc_queue_len: keys.bcqueuelen.filter(|&length| length > 0),
        })
    }

    /// As the kernel is to be told.
    pub(crate) fn kind(&self) -> Macvlan {
        Macvlan { mode: self.mode, bc_queue_len: self.bc_queue_len }
    }
}

fn mode(mode: &str) -> Result<MacVlanMode, Error> {
    match mode {
        "" | "bridge" => Ok(MacVlanMode::Bridge),
        "private" => Ok(MacVlanMode::Private),
        "vepa" => Ok(MacVlanMode::Vepa),
        "passthru" => Ok(MacVlanMode::Passthrough),
        "source" => Err(Error::unsupported(
            "mode \"source\" is not supported: it needs a list of allowed source addresses, for which there is no key; \
             use bridge, private, vepa or passthru",
        )),
        other => Err(Error::invalid_config(format!(
            "unknown macvlan mode: \"{other}\"; allowed are bridge (the default), private, vepa and passthru"
        ))),
    }
}

/// From the runtime, the pod, or the config, in that order.
fn mac(request: &Request) -> Result<Option<HwAddr>, Error> {
    request.env.args.allow(&["MAC"])?;
    let names = Names { runtime_config: "mac", args_cni: "mac", cni_args: "MAC", config: "mac" };
    let setting = request.setting::<String>(names)?;
    setting.map(|mac| parse_mac(&mac)).transpose()
}

fn parse_mac(Setting { value, source }: &Setting<String>) -> Result<HwAddr, Error> {
    let refuse =
        |why: &str| Error::invalid_config(format!("{source} \"{value}\": {why}, such as 02:00:5e:10:00:01"));
    let address: HwAddr = value.parse().map_err(|_| refuse("expected 6 bytes in hex"))?;
    if address.mac().is_none() {
        return Err(refuse("a macvlan has an address of 6 bytes"));
    }
    if address.is_multicast() || address.is_zero() {
        return Err(refuse("an interface needs a unicast address"));
    }
    Ok(address)
}
