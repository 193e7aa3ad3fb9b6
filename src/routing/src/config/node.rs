//! `node.yaml` of the config directory (/etc/railcni): what is the same for every network of a node. A key of the
//! network's own config takes precedence.

use std::path::{Path, PathBuf};

use cni::{CniArgs, lenient, unknown};
use serde_json::{Map, Value};
use state::{Dirs, file};

use super::keys::{FromPod, Keys, MEANT};

/// The part that is read here; [`cni::node`] reads the others.
const PART: &str = "coordinator";
/// Keys that make sense for all networks alike.
const ALLOWED: &[&str] = &[
    "mode",
    "podDefaultCniNic",
    "podDefaultRouteNic",
    "tunePodRoutes",
    "overlayPodCIDR",
    "serviceCIDR",
    "hijackCIDR",
    "hostRuleTable",
    "podRPFilter",
    "txQueueLen",
    "podMACPrefix",
    "vethMTU",
    "vethLinkAddress",
];

/// The node's own defaults.
#[derive(Debug)]
pub struct NodeFile;

impl NodeFile {
    /// Where they are.
    pub fn path(dirs: &Dirs) -> PathBuf {
        cni::node::path(dirs)
    }

    /// Its keys, each as a network's config would have it; none without the file.
    pub fn load(dirs: &Dirs) -> Result<Map<String, Value>, cni::Error> {
        let path = Self::path(dirs);
        match file::read_linked(&path) {
            Ok(None) => Ok(Map::new()),
            Ok(Some(bytes)) => Self::parse(&path, &bytes),
            Err(error) => Err(attach::Error::from(error).into()),
        }
    }

    /// Strict, because nobody is there to read a warning: an error names the file, the key, and what was meant.
    pub fn parse(path: &Path, bytes: &[u8]) -> Result<Map<String, Value>, cni::Error> {
        keys(bytes).map_err(|what| cni::Error::invalid_config(format!("{}: {what}", path.display())))
    }
}

fn keys(bytes: &[u8]) -> Result<Map<String, Value>, String> {
    let text = std::str::from_utf8(bytes).map_err(|error| error.to_string())?;
    let mut documents = yaml::documents(text).map_err(|error| error.to_string())?;
    let file = match (documents.pop(), documents.len()) {
        (None, _) => return Ok(Map::new()),
        (Some(Value::Object(file)), 0) => file,
        (Some(other), 0) => return Err(format!("{other}: expected an object with the key \"{PART}\"")),
        (_, others) => return Err(format!("holds {} documents, expected one", others + 1)),
    };
    refuse_unknown(&file, &[&[PART], cni::node::KEYS.as_slice()].concat(), &[])?;
    cni::node::Node::parse(&Value::Object(file.clone()))?;
    let keys = match file.get(PART) {
        None | Some(Value::Null) => return Ok(Map::new()),
        Some(Value::Object(keys)) => keys.clone(),
        Some(other) => return Err(format!("{PART} {other}: expected an object with keys of coordinator")),
    };
    refuse_unknown(&keys, ALLOWED, MEANT).map_err(|what| format!("{PART}: {what}"))?;
    let decoded = lenient::from_value::<Keys>(&Value::Object(keys.clone())).map_err(cni::Error::from);
    let checked = decoded.and_then(|keys| keys.settings(&FromPod::default(), &CniArgs::default()));
    checked.map_err(|error| format!("{PART}: {}", error.msg))?;
    Ok(keys)
}

fn refuse_unknown(
    object: &Map<String, Value>,
    fields: &[&str],
    meant: &[(&str, &str)],
) -> Result<(), String> {
    let unknown = unknown::in_object(&Value::Object(object.clone()), fields, meant);
    let Some(key) = unknown.first() else { return Ok(()) };
    let hint = match &key.meant {
        Some(field) => format!("did you mean \"{field}\"?"),
        None => format!("allowed are {}", fields.join(", ")),
    };
    Err(format!("there is no key \"{}\": {hint}", key.path))
}

/// `written` with what the node says and it does not.
pub(super) fn complete(written: &Value, defaults: &Map<String, Value>) -> Value {
    let mut all = written.clone();
    for (key, value) in defaults {
        let said = lenient::member(written, key).is_some();
        if let Some(object) = all.as_object_mut().filter(|_| !said) {
            object.retain(|other, _| !other.eq_ignore_ascii_case(key));
            object.insert(key.clone(), value.clone());
        }
    }
    all
}
