//! One setting that several sources may carry.

use std::fmt;

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
    /// Where it was found.
    pub source: Source,
}

/// Where a setting was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// In the config, such as `runtimeConfig.mac`.
    Config(String),
    /// A key of `CNI_ARGS`.
    CniArgs(String),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config(path) => f.write_str(path),
            Self::CniArgs(key) => write!(f, "CNI_ARGS.{key}"),
        }
    }
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

    fn first(&self, names: Names<'_>) -> Option<(Value, Source)> {
        self.in_config(&["runtimeConfig"], names.runtime_config)
            .or_else(|| self.in_config(&["args", "cni"], names.args_cni))
            .or_else(|| {
                Some((self.env.args.get(names.cni_args)?.into(), Source::CniArgs(names.cni_args.to_owned())))
            })
            .or_else(|| self.in_config(&[], names.config))
    }

    fn in_config(&self, object: &[&str], key: &str) -> Option<(Value, Source)> {
        let path = [object, &[key]].concat();
        let value = self.config.at(&path).filter(|value| !key.is_empty() && !is_blank(value))?;
        Some((value.clone(), Source::Config(path.join("."))))
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

fn decode<T: DeserializeOwned>(value: &Value, source: Source) -> Result<Setting<T>, Error> {
    match (lenient::from_value(value).map_err(|e| e.below(&source.to_string())), source) {
        (Ok(value), source) => Ok(Setting { value, source }),
        (Err(error), Source::Config(_)) => Err(error.into()),
        (Err(error), Source::CniArgs(_)) => Err(Error::invalid_env(error.to_string())),
    }
}

#[cfg(test)]
mod tests;
