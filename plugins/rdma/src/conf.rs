//! The config of `rdma`, validated before anything is touched.

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use cni::node::{self, Named};
use cni::setting::Names;
use cni::{Error, Request};
use devices::rdma::{Policy, RdmaSpec};
use devices::vf::Id;
use serde::Deserialize;

/// The JSON keys.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Keys {
    mode: Option<String>,
    rdma_device_name: Option<String>,
}

/// Keys of other plugins that are written by mistake.
const MEANT: &[(&str, &str)] = &[
    ("rdmaIsolation", "nothing here: `rdma` always moves the device (it is a key of ib-sriov)"),
    ("netnsMode", "mode"),
    ("deviceName", "rdmaDeviceName"),
];

/// `IB_DEVICE_NAME_MAX`, with the final zero (`include/uapi/rdma/ib_user_verbs.h`).
const LONGEST_NAME: usize = 64;

/// Reads the config; an error names the key, the value and what is allowed.
pub fn wanted(request: &Request) -> Result<RdmaSpec, Error> {
    request.env.args.allow(&[])?;
    let keys: Keys = request.config.decode()?;
    for unknown in request.config.unknown_keys::<Keys>(MEANT) {
        tracing::warn!("{unknown}");
    }
    Ok(RdmaSpec {
        device: device(request)?,
        policy: policy(keys.mode.as_deref().unwrap_or_default())?,
        name: keys.rdma_device_name.filter(|name| !name.is_empty()).map(name).transpose()?,
        device_info: device_info(request)?,
    })
}

fn device(request: &Request) -> Result<Option<Id>, Error> {
    let names = |config| Names { runtime_config: "deviceID", config, ..Names::default() };
    let setting = match request.setting::<String>(names("deviceID"))? {
        None => request.setting::<String>(names("pciBusID"))?,
        found => found,
    };
    Ok(setting.map(|setting| Id::parse(&setting.value)).transpose().map_err(attach::Error::from)?)
}

fn policy(mode: &str) -> Result<Policy, Error> {
    match mode {
        "" | "exclusive" => Ok(Policy::Exclusive),
        "auto" => Ok(Policy::Auto),
        other => Err(Error::invalid_config(format!(
            "mode \"{other}\": allowed are exclusive (the default) and auto, which goes on without moving anything in shared mode"
        ))),
    }
}

fn name(name: String) -> Result<String, Error> {
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    if name.len() < LONGEST_NAME
        && name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.chars().all(legal)
    {
        return Ok(name);
    }
    Err(Error::invalid_config(format!(
        "rdmaDeviceName \"{name}\": expected a letter, then letters, digits, `_`, `-` or `.`, 63 bytes at most"
    )))
}

fn device_info(request: &Request) -> Result<Option<PathBuf>, Error> {
    let names = Names { runtime_config: "CNIDeviceInfoFile", ..Names::default() };
    let Some(setting) = request.setting::<String>(names)? else { return Ok(None) };
    let key = setting.source.to_string();
    node::allowed(Named::DeviceInfoFile, &key, Path::new(&setting.value)).map(Some)
}
