//! The networks that a pod asks Multus for: JSON, or the short form `NAMESPACE/NAME@INTERFACE,...`.

use serde_json::{Map, Value, json};

use crate::NETWORKS;
use crate::error::Refusal;

/// Of the annotation as the pod has it.
const LONGEST: usize = 64 << 10;
/// Networks of a pod, its own and ours.
const MOST: usize = 128;

/// The annotation, as it is.
#[derive(Debug)]
pub(crate) struct Requested {
    entries: Vec<Entry>,
    /// The text, where it is in the short form.
    short: Option<String>,
}

#[derive(Debug)]
struct Entry {
    network: String,
    /// In the JSON form.
    object: Value,
}

/// A network to be added.
#[derive(Debug)]
pub(crate) struct Addition {
    pub(crate) network: String,
    /// What Multus hands to its plugins as `args.cni`.
    pub(crate) args: Map<String, Value>,
}

impl Requested {
    /// What the pod asks for itself. `namespace` is that of names without one.
    pub(crate) fn of(pod: &Value, namespace: &str) -> Result<Self, Refusal> {
        let text = match &pod["metadata"]["annotations"][NETWORKS] {
            Value::Null => "",
            Value::String(text) => text.trim(),
            other => return Err(refused(&other.to_string(), "is no text")),
        };
        if text.len() > LONGEST {
            return Err(refused(text, &format!("is longer than {} KiB", LONGEST >> 10)));
        }
        // As Multus tells the forms apart.
        let is_json = text.contains(['[', '{', '"']);
        let entries = if is_json { of_json(text, namespace)? } else { of_short(text, namespace)? };
        if entries.len() > MOST {
            return Err(refused(text, &format!("has more than {MOST} networks")));
        }
        Ok(Self { entries, short: (!is_json).then(|| text.to_owned()) })
    }

    pub(crate) fn has(&self, network: &str) -> bool {
        self.entries.iter().any(|entry| entry.network == network)
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// The annotation with these behind the pod's own. It becomes JSON only where the short form cannot say it.
    pub(crate) fn with(&self, additions: &[Addition]) -> Result<String, Refusal> {
        if self.entries.len() + additions.len() > MOST {
            return Err(refused("", &format!("would have more than {MOST} networks")));
        }
        let plain = additions.iter().all(|addition| addition.args.is_empty());
        if let Some(own) = self.short.as_deref().filter(|_| plain) {
            let own = Some(own).filter(|own| !own.is_empty());
            let all = own.into_iter().chain(additions.iter().map(|addition| addition.network.as_str()));
            return Ok(all.collect::<Vec<_>>().join(","));
        }
        let own = self.entries.iter().map(|entry| entry.object.clone());
        let all: Vec<Value> = own.chain(additions.iter().map(Addition::object)).collect();
        Ok(Value::from(all).to_string())
    }
}

/// The networks that a pod asks Multus for, as NAMESPACE/NAME; none where nobody can read what it says, and Multus can not either.
pub fn attached(pod: &Value) -> Vec<String> {
    let namespace = pod["metadata"]["namespace"].as_str().unwrap_or_default();
    let requested = Requested::of(pod, namespace);
    requested
        .map(|requested| requested.entries.into_iter().map(|entry| entry.network).collect())
        .unwrap_or_default()
}

impl Addition {
    fn object(&self) -> Value {
        let (namespace, name) = self.network.split_once('/').unwrap_or(("", &self.network));
        let mut object = json!({ "name": name, "namespace": namespace });
        if !self.args.is_empty() {
            object["cni-args"] = self.args.clone().into();
        }
        object
    }
}

fn refused(value: &str, problem: &str) -> Refusal {
    Refusal::annotation(NETWORKS, value, problem)
}

fn of_json(text: &str, namespace: &str) -> Result<Vec<Entry>, Refusal> {
    let wanted = "expected a list such as [{\"name\": \"rail1\", \"namespace\": \"rails\"}]";
    let list: Vec<Value> =
        serde_json::from_str(text).map_err(|error| refused(text, &format!("{error}; {wanted}")))?;
    let entry = |(index, object): (usize, Value)| {
        let name = object["name"].as_str().filter(|name| !name.is_empty());
        let name = name.ok_or_else(|| refused(text, &format!("entry {index} has no name; {wanted}")))?;
        let namespace = object["namespace"].as_str().filter(|own| !own.is_empty()).unwrap_or(namespace);
        Ok(Entry { network: format!("{namespace}/{name}"), object })
    };
    list.into_iter().enumerate().map(entry).collect()
}

fn of_short(text: &str, namespace: &str) -> Result<Vec<Entry>, Refusal> {
    if text.is_empty() {
        return Ok(Vec::new());
    }
    text.split(',').map(|part| short_entry(text, part.trim(), namespace)).collect()
}

fn short_entry(text: &str, part: &str, namespace: &str) -> Result<Entry, Refusal> {
    let bad =
        || refused(text, &format!("{part:?} is no network: write NAMESPACE/NAME@INTERFACE or a part of it"));
    let (path, interface) =
        part.split_once('@').map_or((part, None), |(path, interface)| (path, Some(interface)));
    let (own, name) = path.split_once('/').map_or((None, path), |(namespace, name)| (Some(namespace), name));
    let is_bad =
        |word: &str| word.is_empty() || word.contains(['/', '@']) || word.contains(char::is_whitespace);
    if [Some(name), own, interface].into_iter().flatten().any(is_bad) {
        return Err(bad());
    }
    let mut object = json!({ "name": name });
    if let Some(namespace) = own {
        object["namespace"] = namespace.into();
    }
    if let Some(interface) = interface {
        object["interface"] = interface.into();
    }
    Ok(Entry { network: format!("{}/{name}", own.unwrap_or(namespace)), object })
}
