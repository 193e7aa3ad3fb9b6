//! The network config that a plugin reads on stdin.

use std::borrow::Cow;

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::unknown::{self, UnknownKey};
use crate::{CniResult, Command, Dns, Error, Version, lenient};

/// The keys that every plugin has, decoded; the plugin's own are read by [`Config::decode`].
#[derive(Clone, Debug)]
pub struct Config {
    /// `cniVersion`; 0.1.0 when it is not given.
    pub cni_version: Version,
    /// `name` of the network.
    pub name: String,
    /// `type`, the file name of the plugin.
    pub plugin_type: String,
    /// `ipam.type`, when it is there and not empty.
    pub ipam_type: Option<String>,
    /// `dns`
    pub dns: Dns,
    /// `prevResult`, in its 1.1.0 form.
    pub prev_result: Option<CniResult>,
    raw: Value,
    /// `None` for a config that was made here.
    stdin: Option<Vec<u8>>,
}

impl Config {
    /// Reads what stdin held for this verb. A damaged `dns`, `type` or `prevResult` is an error only where the verb
    /// needs them: DEL and GC go on without, so that a broken config cannot hold a container back.
    pub fn parse(stdin: Vec<u8>, command: Command) -> Result<Self, Error> {
        Document::parse(stdin)?.into_config(command)
    }

    /// As [`Config::parse`], of a document that did not come by stdin.
    pub fn from_value(raw: Value, command: Command) -> Result<Self, Error> {
        Document::of(raw, None)?.into_config(command)
    }

    /// The whole document.
    pub fn raw(&self) -> &Value {
        &self.raw
    }

    /// The bytes as they came, for a delegate.
    pub fn stdin(&self) -> Cow<'_, [u8]> {
        match &self.stdin {
            Some(bytes) => Cow::Borrowed(bytes),
            None => Cow::Owned(self.raw.to_string().into_bytes()),
        }
    }

    /// The plugin's own keys; an error (code 7) names the key, the value and what is allowed.
    pub fn decode<T: DeserializeOwned>(&self) -> Result<T, Error> {
        Ok(lenient::from_value(&self.raw)?)
    }

    /// The value at a path of keys, such as `["ipam"]`; `None` when it is absent or null.
    pub fn decode_at<T: DeserializeOwned>(&self, path: &[&str]) -> Result<Option<T>, Error> {
        let Some(value) = self.at(path) else { return Ok(None) };
        let place = |e: lenient::Error| path.iter().rev().fold(e, |e, key| e.below(key));
        Ok(Some(lenient::from_value(value).map_err(place)?))
    }

    /// The capability args of the runtime.
    pub fn runtime_config<T: DeserializeOwned>(&self) -> Result<Option<T>, Error> {
        self.decode_at(&["runtimeConfig"])
    }

    /// `args.cni`, where Multus puts the annotation `cni-args`.
    pub fn args_cni<T: DeserializeOwned>(&self) -> Result<Option<T>, Error> {
        self.decode_at(&["args", "cni"])
    }

    /// What CHECK compares with, and a chained plugin changes; its absence is an error (code 7).
    pub fn require_prev_result(&self) -> Result<&CniResult, Error> {
        self.prev_result.as_ref().ok_or_else(|| Error::invalid_config("required prevResult missing"))
    }

    /// The value at a path of keys, in any case; `None` when it is absent or null.
    pub fn at(&self, path: &[&str]) -> Option<&Value> {
        path.iter().try_fold(&self.raw, |value, key| lenient::member(value, key))
    }

    /// The top-level keys that neither the specification nor `T` knows, each with the field that was probably meant:
    /// `meant` maps a misspelling to its field, and a field within two typing errors is found without it.
    pub fn unknown_keys<T: DeserializeOwned>(&self, meant: &[(&str, &str)]) -> Vec<UnknownKey> {
        unknown::in_config(&self.raw, lenient::fields_of::<T>(), meant)
    }

    /// Logs a warning for each of [`Config::unknown_keys`].
    pub fn warn_unknown_keys<T: DeserializeOwned>(&self, meant: &[(&str, &str)]) {
        for key in self.unknown_keys::<T>(meant) {
            tracing::warn!("{key}");
        }
    }

    /// As [`Config::unknown_keys`] for the object at a path, such as `["ipam"]`.
    pub fn unknown_keys_at<T: DeserializeOwned>(
        &self,
        path: &[&str],
        meant: &[(&str, &str)],
    ) -> Vec<UnknownKey> {
        let found = self.at(path).map(|value| unknown::in_object(value, lenient::fields_of::<T>(), meant));
        found.unwrap_or_default().into_iter().map(|key| key.below(path)).collect()
    }
}

/// The config before the version is settled: the reference decides about verbs first.
#[derive(Debug)]
pub(crate) struct Document {
    pub(crate) name: String,
    raw: Value,
    stdin: Option<Vec<u8>>,
}

impl Document {
    /// Code 6 with line and column for broken JSON; code 7 for a name that is missing or malformed.
    pub(crate) fn parse(stdin: Vec<u8>) -> Result<Self, Error> {
        let raw: Value = serde_json::from_slice(&stdin)
            .map_err(|e| Error::decode(format!("cannot decode the network config: {e}")))?;
        Self::of(raw, Some(stdin))
    }

    fn of(raw: Value, stdin: Option<Vec<u8>>) -> Result<Self, Error> {
        if !raw.is_object() {
            return Err(Error::decode("cannot decode the network config: expected a JSON object"));
        }
        let name = string(&raw, "name")?;
        if name.is_empty() {
            return Err(Error::invalid_config("missing network name"));
        }
        if !crate::env::is_identifier(&name) {
            return Err(Error::invalid_config("invalid characters found in network name").with_details(name));
        }
        Ok(Self { name, raw, stdin })
    }

    pub(crate) fn raw(&self) -> &Value {
        &self.raw
    }

    /// `cniVersion` as written; 0.1.0 when it is missing or empty.
    pub(crate) fn version_text(&self) -> Result<String, Error> {
        let text = string(&self.raw, "cniVersion")?;
        Ok(if text.is_empty() { Version::IMPLIED.as_str().to_owned() } else { text })
    }

    /// One that we speak (code 1 otherwise).
    pub(crate) fn version(&self) -> Result<Version, Error> {
        self.version_text()?.parse().map_err(|e| Error::incompatible_version(format!("{e}")))
    }

    pub(crate) fn into_config(self, command: Command) -> Result<Config, Error> {
        let cni_version = self.version()?;
        let tolerant = matches!(command, Command::Del | Command::Gc);
        let mut config = Config {
            cni_version,
            name: self.name,
            plugin_type: String::new(),
            ipam_type: None,
            dns: Dns::default(),
            prev_result: None,
            raw: self.raw,
            stdin: self.stdin,
        };
        config.fill(tolerant)?;
        Ok(config)
    }
}

impl Config {
    fn fill(&mut self, tolerant: bool) -> Result<(), Error> {
        self.plugin_type = needed(tolerant, self.decode_at(&["type"]))?.unwrap_or_default();
        self.ipam_type = needed(tolerant, self.decode_ipam_type())?;
        self.dns = needed(tolerant, self.decode_at(&["dns"]))?.unwrap_or_default();
        self.prev_result = needed(tolerant, self.decode_prev_result())?;
        Ok(())
    }

    fn decode_ipam_type(&self) -> Result<Option<String>, Error> {
        match self.at(&["ipam"]) {
            Some(ipam) if !ipam.is_object() => Err(Error::invalid_config(format!(
                "invalid network config: key \"ipam\" has the value {ipam}: expected an object"
            ))),
            _ => Ok(self.decode_at::<String>(&["ipam", "type"])?.filter(|name| !name.is_empty())),
        }
    }

    fn decode_prev_result(&self) -> Result<Option<CniResult>, Error> {
        let Some(value) = self.at(&["prevResult"]) else { return Ok(None) };
        let result = CniResult::from_value(value, self.cni_version);
        Ok(Some(result.map_err(|e| Error::invalid_config(format!("cannot use prevResult: {e}")))?))
    }
}

/// Passes a failure on, or warns of it and goes on without the value.
fn needed<T>(tolerant: bool, value: Result<Option<T>, Error>) -> Result<Option<T>, Error> {
    match value {
        Err(error) if tolerant => {
            tracing::warn!("going on without what cannot be read: {error}");
            Ok(None)
        }
        value => value,
    }
}

/// A top-level string, empty when it is absent.
fn string(raw: &Value, key: &str) -> Result<String, Error> {
    let Some(value) = lenient::member(raw, key) else { return Ok(String::new()) };
    lenient::from_value(value)
        .map_err(|e| Error::decode(format!("cannot decode the network config: {}", e.below(key))))
}

#[cfg(test)]
mod tests;
