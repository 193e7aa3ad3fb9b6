//! Results at the edge: from and to the JSON of each version.

use serde_json::{Map, Value};

use super::{CniResult, legacy};
use crate::lenient;
use crate::version::{UnknownVersion, Version};

/// A result cannot be read from, or said in, a version.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConvertError {
    /// 0.1.0 and 0.2.0 cannot say a result without addresses.
    #[error(
        "cannot convert: no valid IP addresses (a result of version {0} must have one; use cniVersion 0.3.1 or later)"
    )]
    NoAddress(Version),
    /// `cniVersion` in the result is not a released one.
    #[error(transparent)]
    Version(#[from] UnknownVersion),
    /// Not of the form of its version.
    #[error(transparent)]
    Form(#[from] lenient::Error),
    /// Not JSON at all.
    #[error("not JSON: {0}")]
    Json(String),
}

impl From<serde_json::Error> for ConvertError {
    fn from(error: serde_json::Error) -> Self {
        Self::Json(error.to_string())
    }
}

impl CniResult {
    /// Reads a result of the version that it names, or of `default` if it names none. Null is an empty result.
    pub fn from_value(value: &Value, default: Version) -> Result<Self, ConvertError> {
        let named: Option<String> =
            lenient::member(value, "cniVersion").map(lenient::from_value).transpose()?;
        let version = match named.filter(|text| !text.is_empty()) {
            Some(text) => text.parse()?,
            None => default,
        };
        if version <= Version::V0_2_0 { legacy::read(value) } else { Ok(lenient::from_value(value)?) }
    }

    /// As [`CniResult::from_value`], from bytes.
    pub fn from_slice(bytes: &[u8], default: Version) -> Result<Self, ConvertError> {
        Self::from_value(&serde_json::from_slice(bytes)?, default)
    }

    /// The result as that version says it, with `cniVersion`.
    pub fn to_value(&self, version: Version) -> Result<Value, ConvertError> {
        let mut value = match version {
            Version::V0_1_0 | Version::V0_2_0 => legacy::write(self, version)?,
            Version::V0_3_0 | Version::V0_3_1 | Version::V0_4_0 => self.as_0_4()?,
            // The reference changes nothing but the version string here, and runtimes read what is beyond 1.0.0.
            Version::V1_0_0 | Version::V1_1_0 => serde_json::to_value(self)?,
        };
        value["cniVersion"] = version.as_str().into();
        Ok(value)
    }

    fn as_0_4(&self) -> Result<Value, ConvertError> {
        let mut value = serde_json::to_value(self)?;
        for interface in objects(&mut value, "interfaces") {
            interface.retain(|key, _| matches!(key.as_str(), "name" | "mac" | "sandbox"));
        }
        for (ip, config) in objects(&mut value, "ips").zip(&self.ips) {
            ip.insert("version".into(), if config.address.addr().is_ipv4() { "4" } else { "6" }.into());
        }
        value["dns"] = serde_json::to_value(&self.dns)?;
        Ok(value)
    }
}

fn objects<'a>(value: &'a mut Value, list: &str) -> impl Iterator<Item = &'a mut Map<String, Value>> {
    value.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten().filter_map(Value::as_object_mut)
}
