//! What a driver adds to a plugin's config.

use serde_json::{Map, Value};

use super::{NetworkList, PluginConf};
use crate::attachments::{Attachment, KEYS};
use crate::{CniResult, Error};

/// What one call adds to the config of each plugin.
#[derive(Clone, Copy, Debug, Default)]
pub struct Injection<'a> {
    /// The result of the plugin before, or of the whole ADD for CHECK and DEL.
    pub prev_result: Option<&'a CniResult>,
    /// By capability; a plugin gets those that it declares.
    pub capability_args: Option<&'a Map<String, Value>>,
    /// For GC only.
    pub valid_attachments: Option<&'a [Attachment]>,
}

impl NetworkList {
    /// The stdin of one of the plugins: its own object with `name`, `cniVersion` and what the call adds.
    pub fn stdin(&self, plugin: &PluginConf, injection: Injection<'_>) -> Result<Vec<u8>, Error> {
        let mut object = plugin.object.clone();
        set(&mut object, "name", self.name.as_str().into());
        set(&mut object, "cniVersion", self.cni_version.as_str().into());
        if let Some(result) = injection.prev_result {
            let value =
                result.to_value(self.cni_version).map_err(|e| Error::internal(format!("prevResult: {e}")))?;
            set(&mut object, "prevResult", value);
        }
        if let Some(args) = plugin.runtime_config(injection.capability_args) {
            set(&mut object, "runtimeConfig", args);
        }
        if let Some(valid) = injection.valid_attachments {
            let list = serde_json::to_value(valid).map_err(|e| Error::internal(e.to_string()))?;
            for key in KEYS {
                set(&mut object, key, list.clone());
            }
        }
        Ok(Value::Object(object).to_string().into_bytes())
    }
}

impl PluginConf {
    fn runtime_config(&self, args: Option<&Map<String, Value>>) -> Option<Value> {
        let declared = args?.iter().filter(|(name, _)| self.has_capability(name));
        let declared: Map<_, _> = declared.map(|(name, value)| (name.clone(), value.clone())).collect();
        (!declared.is_empty()).then_some(Value::Object(declared))
    }
}

/// Replaces the key in whatever case it is there: two that differ in case only would leave the choice to the plugin.
fn set(object: &mut Map<String, Value>, key: &str, value: Value) {
    object.retain(|old, _| !old.eq_ignore_ascii_case(key));
    object.insert(key.to_owned(), value);
}
