//! What the administrator of a node lets the configs of networks do: the keys `paths`, `wholeFunctions` and `wholeMasters` of `node.yaml` in the
//! config directory. Who may write such a config is often a tenant, and the plugins are root.

mod paths;

use std::path::PathBuf;

use serde::Deserialize;
use serde_json::{Map, Value};
use state::{Dirs, file};

use crate::{Error, lenient};

pub use paths::{Named, allowed};

/// The keys of `node.yaml` that are read here.
pub const KEYS: [&str; 3] = ["paths", "wholeFunctions", "wholeMasters"];

/// What `node.yaml` allows; the defaults where it says nothing.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Node {
    paths: Map<String, Value>,
    /// PCI addresses of functions that a pod may have though they are no VFs, as in a virtual machine that got its VF as a
    /// function of its own.
    pub whole_functions: Vec<String>,
    /// Names of interfaces that a macvlan in mode passthru or a bond may take from the node, though it uses them.
    pub whole_masters: Vec<String>,
}

impl Node {
    /// Reads the file; an error names it.
    pub fn load(dirs: &Dirs) -> Result<Self, Error> {
        let path = path(dirs);
        let bytes = file::read_linked(&path).map_err(|error| Error::io(error.to_string()))?;
        let Some(bytes) = bytes else { return Ok(Self::default()) };
        let wrong = |what: String| Error::invalid_config(format!("{}: {what}", path.display()));
        let text = String::from_utf8(bytes).map_err(|error| wrong(error.to_string()))?;
        let documents = yaml::documents(&text).map_err(|error| wrong(error.to_string()))?;
        documents.first().map_or_else(|| Ok(Self::default()), |file| Self::parse(file).map_err(wrong))
    }

    /// The same of a file that was read; its other keys are not looked at.
    pub fn parse(file: &Value) -> Result<Self, String> {
        let node: Self = lenient::from_value(file).map_err(|error| error.to_string())?;
        paths::check(&node.paths)?;
        Ok(node)
    }
}

/// `/etc/railcni/node.yaml`
pub fn path(dirs: &Dirs) -> PathBuf {
    dirs.config.as_path().join("node.yaml")
}

#[cfg(test)]
mod tests;
