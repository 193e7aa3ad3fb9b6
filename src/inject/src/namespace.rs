//! Namespaces: what they say for all of their pods, and which of them are left alone.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::Value;

/// What a namespace says for its pods.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(default)]
pub struct Namespace {
    /// Its name.
    pub name: String,
    /// They beat labels.
    pub annotations: BTreeMap<String, String>,
    /// By which an API server can select it.
    pub labels: BTreeMap<String, String>,
}

impl Namespace {
    /// One that says nothing.
    pub fn named(name: &str) -> Self {
        Self { name: name.to_owned(), ..Self::default() }
    }

    /// From an object; what is no text in it says nothing.
    pub fn of(object: &Value) -> Self {
        let texts = |value: &Value| {
            let entries = value.as_object().into_iter().flatten();
            entries.filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned()))).collect()
        };
        let metadata = &object["metadata"];
        Self {
            name: metadata["name"].as_str().unwrap_or_default().to_owned(),
            annotations: texts(&metadata["annotations"]),
            labels: texts(&metadata["labels"]),
        }
    }

    pub(crate) fn word(&self, key: &str) -> Option<&str> {
        self.annotations.get(key).or_else(|| self.labels.get(key)).map(String::as_str)
    }
}

/// Whose pods may be injected, and by whose configs.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Policy {
    /// All others are left alone; with none, all may.
    pub include: BTreeSet<String>,
    /// Left alone in any case.
    pub exclude: BTreeSet<String>,
    /// Where a `SpiderMultusConfig` counts for pods of all namespaces; elsewhere it counts for those of its own.
    pub configs: BTreeSet<String>,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            include: BTreeSet::new(),
            exclude: ["kube-system".to_owned()].into(),
            configs: Self::CONFIGS.map(str::to_owned).into(),
        }
    }
}

impl Policy {
    /// Where Spiderpool's guides put their configs: in namespaces that are the admin's own.
    pub const CONFIGS: [&str; 2] = ["kube-system", "spiderpool"];

    /// Whether pods of this namespace may be injected.
    pub fn allows(&self, namespace: &str) -> bool {
        !self.exclude.contains(namespace) && (self.include.is_empty() || self.include.contains(namespace))
    }

    /// Whether a config of one namespace counts for pods of another: whoever may write one in his own namespace has no say in those of others.
    pub(crate) fn counts(&self, config: &str, pod: &str) -> bool {
        config == pod || self.configs.contains(config)
    }
}
