//! One setting that several sources may carry.

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{Error, Request, lenient};

/// The names of a setting in each source; an empty name means that this source does not have it.
///
/// By the conventions of CNI the first of these counts: capability arg, `args.cni`, `CNI_ARGS`, plugin config.
#[derive(Clone, Copy, Debug, Default)]
pub struct Names<'a> {
    /// Key in `runtimeConfig`.
    pub runtime_config: &'a str,
    /// Key in `args.cni`.
    pub args_cni: &'a str,
    /// Key in `CNI_ARGS`.
    pub cni_args: &'a str,
    /// Key of the config itself.
    pub config: &'a str,
}

/// A value, and the place it came from for messages about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting<T> {
    /// The value that counts.
    pub value: T,
    /// Such as `runtimeConfig.mac` or `MAC in CNI_ARGS`.
    pub source: String,
}

impl Request {
    /// The value of the first source that has one; blank strings and empty lists are no values.
    pub fn setting<T: DeserializeOwned>(&self, names: Names<'_>) -> Result<Option<Setting<T>>, Error> {
        self.first(names).map(|(value, source)| decode(&value, source)).transpose()
    }

    /// As [`Request::setting`] for lists; text, as in `CNI_ARGS`, is split at its commas.
    pub fn list_setting<T: DeserializeOwned>(
        &self,
        names: Names<'_>,
    ) -> Result<Option<Setting<Vec<T>>>, Error> {
        self.first(names).map(|(value, source)| decode(&split(value), source)).transpose()
    }

    fn first(&self, names: Names<'_>) -> Option<(Value, String)> {
        self.in_config(&["runtimeConfig", names.runtime_config])
            .or_else(|| self.in_config(&["args", "cni", names.args_cni]))
            .or_else(|| {
                Some((self.env.args.get(names.cni_args)?.into(), format!("{} in CNI_ARGS", names.cni_args)))
            })
            .or_else(|| self.in_config(&[names.config]))
    }

    fn in_config(&self, path: &[&str]) -> Option<(Value, String)> {
        let value = self.config.at(path).filter(|value| !is_blank(value))?;
        Some((value.clone(), path.join(".")))
    }
}

fn is_blank(value: &Value) -> bool {
    value.as_str().is_some_and(str::is_empty) || value.as_array().is_some_and(Vec::is_empty)
}

fn split(value: Value) -> Value {
    match value.as_str() {
        Some(text) => text.split(',').map(str::trim).filter(|part| !part.is_empty()).collect(),
        None => value,
    }
}

fn decode<T: DeserializeOwned>(value: &Value, source: String) -> Result<Setting<T>, Error> {
    let value = lenient::from_value(value).map_err(|e| e.below(&source))?;
    Ok(Setting { value, source })
}
