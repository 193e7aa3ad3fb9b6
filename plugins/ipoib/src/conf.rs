//! The config of `ipoib`, validated before anything is touched.

#[cfg(test)]
mod tests;

use cni::{Error, Request};
use links::child::parent::{Written, parse_mtu};
use links::pkey::Pkey;
use netlink::link::{Ipoib, IpoibMode};
use serde::Deserialize;
use serde::de::IgnoredAny;

/// The JSON keys of ipoib-cni, and `pkey`, `mode` and `umcast`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Keys {
    master: Option<Written>,
    mtu: Option<i64>,
    pkey: Option<String>,
    mode: Option<String>,
    umcast: Option<bool>,
    // Read by `addresses`; here so that it is no unknown key.
    #[serde(rename = "detection")]
    _detection: IgnoredAny,
    #[serde(rename = "acceptRA")]
    _accept_ra: IgnoredAny,
}

/// Keys of other plugins and guides that are written by mistake, and what they mean here.
const MEANT: &[(&str, &str)] = &[
    ("interface", "master"),
    ("deviceID", "the plugin ib-sriov, which gives a VF to the pod"),
    ("mac", "nothing: the port and the queue pair make an address of 20 bytes"),
    ("guid", "the plugin ib-sriov: a child has the GUID of its master's port"),
    ("detectIPConflict", "detection.conflict"),
    ("detectGateway", "detection.gateway"),
    ("detectOptions", "detection"),
];

/// What an `IPoIB` attachment is to be.
#[derive(Debug, PartialEq)]
pub struct Conf {
    pub(crate) master: String,
    /// `None`: the master's.
    pub(crate) mtu: Option<u32>,
    /// `None`: the master's.
    pub(crate) pkey: Option<Pkey>,
    /// `None`: the master's.
    pub(crate) mode: Option<IpoibMode>,
    pub(crate) umcast: bool,
}

impl Conf {
    /// Reads the config; an error names the key, the value and what is allowed.
    pub fn of(request: &Request) -> Result<Self, Error> {
        let keys: Keys = request.config.decode()?;
        request.config.warn_unknown_keys::<Keys>(MEANT);
        let master = keys.master.map(|master| master.one("ipoib")).transpose()?.flatten();
        refuse_dhcp(request)?;
        Ok(Self {
            master: master.ok_or_else(|| {
                Error::invalid_config("master is missing: the IPoIB interface of a port, such as ibp3s0")
            })?,
            mtu: parse_mtu(keys.mtu.unwrap_or_default())?,
            pkey: keys.pkey.filter(|pkey| !pkey.is_empty()).map(|pkey| parse_pkey(&pkey)).transpose()?,
            mode: mode(keys.mode.as_deref().unwrap_or_default())?,
            umcast: keys.umcast.unwrap_or(true),
        })
    }

    /// As the kernel is to be told; what the config leaves open is as on the master.
    pub(crate) fn kind(&self, master: &Ipoib) -> Ipoib {
        Ipoib {
            pkey: self.pkey.map(Pkey::value).or(master.pkey),
            mode: self.mode.or(master.mode),
            umcast: Some(self.umcast),
        }
    }
}

/// Its client has no way to tell pods apart, whose hardware addresses change with every queue pair.
fn refuse_dhcp(request: &Request) -> Result<(), Error> {
    match request.config.ipam_type.as_deref() {
        Some("dhcp") => Err(Error::invalid_config(
            "ipam type \"dhcp\" does not work on IPoIB: use rail-ipam or host-local",
        )),
        _ => Ok(()),
    }
}

fn parse_pkey(text: &str) -> Result<Pkey, Error> {
    text.parse().map_err(|error: links::pkey::InvalidPkey| Error::invalid_config(error.to_string()))
}

fn mode(mode: &str) -> Result<Option<IpoibMode>, Error> {
    match mode {
        "" => Ok(None),
        "datagram" => Ok(Some(IpoibMode::Datagram)),
        "connected" => Ok(Some(IpoibMode::Connected)),
        other => Err(Error::invalid_config(format!(
            "unknown ipoib mode: \"{other}\"; allowed are datagram and connected; the default is the master's"
        ))),
    }
}
