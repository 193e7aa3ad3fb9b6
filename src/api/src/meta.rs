//! What every object has.

use std::collections::BTreeMap;

#[cfg(feature = "schema")]
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A kind of object as the API server serves it.
pub trait Kind {
    /// `railcni.dev`
    const GROUP: &'static str;
    /// `v1alpha1`
    const VERSION: &'static str;
    /// `RailNode`
    const KIND: &'static str;
    /// `railnodes`
    const PLURAL: &'static str;
    /// What people may type in its place.
    const SHORT: &'static [&'static str];
    /// Whether it lives in a namespace.
    const NAMESPACED: bool;
}

/// An object: what its writer wants, and what is.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Object<S, T> {
    /// `railcni.dev/v1alpha1`
    #[serde(default)]
    pub api_version: String,
    /// `RailNode`
    #[serde(default)]
    pub kind: String,
    /// Its name, and what the API server keeps of it.
    pub metadata: Metadata,
    /// What is wanted.
    pub spec: S,
    /// What is.
    #[serde(default = "none", skip_serializing_if = "Option::is_none")]
    pub status: Option<T>,
}

fn none<T>() -> Option<T> {
    None
}

/// The part of an object's metadata that somebody here reads.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Metadata {
    /// Unique within kind and namespace.
    pub name: String,
    /// Of the kinds that have one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Unique for ever.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uid: Option<String>,
    /// Another one after every change: what a compare-and-swap compares.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource_version: Option<String>,
    /// Grows with every change of the spec.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub generation: Option<i64>,
    /// When it was made (RFC 3339).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub creation_timestamp: Option<String>,
    /// Since when it is to go.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deletion_timestamp: Option<String>,
    /// For selectors.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// For everybody else.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

/// Something that is so, is not, or is not known.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// `Ready`
    pub r#type: String,
    /// `True`, `False` or `Unknown`.
    pub status: String,
    /// One word for programs.
    pub reason: String,
    /// A sentence for people: what is wrong, on what, and the cure.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// Since when (RFC 3339).
    pub last_transition_time: String,
    /// Of which generation of the spec this speaks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
}

impl Condition {
    /// Gives each of the `wanted` the time since which it has its status; and those among them whose status has just changed and
    /// of which `is_news` says so, beside what was known of the same type.
    pub fn turned(
        mut wanted: Vec<Self>,
        known: &[Self],
        now: &str,
        is_news: impl Fn(&Self, Option<&Self>) -> bool,
    ) -> (Vec<Self>, Vec<Self>) {
        let mut news = Vec::new();
        for condition in &mut wanted {
            let before = known.iter().find(|known| known.r#type == condition.r#type);
            let same = before.filter(|before| before.status == condition.status);
            condition.last_transition_time =
                same.map_or(now, |before| &before.last_transition_time).to_owned();
            if same.is_none() && is_news(condition, before) {
                news.push(condition.clone());
            }
        }
        (wanted, news)
    }
}

/// Selects by labels, as everywhere in Kubernetes: all of it must hold.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(rename_all = "camelCase", default)]
pub struct LabelSelector {
    /// Labels and their values.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub match_labels: BTreeMap<String, String>,
    /// Further requirements.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub match_expressions: Vec<Requirement>,
}

/// A requirement on one label.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
pub struct Requirement {
    /// The label.
    pub key: String,
    /// `In`, `NotIn`, `Exists` or `DoesNotExist`.
    pub operator: String,
    /// For `In` and `NotIn`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<String>,
}

impl LabelSelector {
    /// Whether it says nothing, and so selects everything.
    pub fn is_empty(&self) -> bool {
        self.match_labels.is_empty() && self.match_expressions.is_empty()
    }

    /// Whether these labels meet it. An operator that does not exist selects nothing.
    pub fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        self.match_labels.iter().all(|(key, value)| labels.get(key) == Some(value))
            && self.match_expressions.iter().all(|requirement| requirement.holds(labels))
    }
}

impl Requirement {
    fn holds(&self, labels: &BTreeMap<String, String>) -> bool {
        let value = labels.get(&self.key);
        let listed = value.is_some_and(|value| self.values.contains(value));
        match self.operator.as_str() {
            "In" => listed,
            "NotIn" => !listed,
            "Exists" => value.is_some(),
            "DoesNotExist" => value.is_none(),
            _ => false,
        }
    }
}
