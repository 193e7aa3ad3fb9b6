//! `SpiderMultusConfig` (`spiderpool.spidernet.io/v2beta1`): a network in the words of Spiderpool, turned into the chain of
//! our plugins that does the same.
//!
//! Pure, so that `railctl render` and the controller say the same. What the guides write and Spiderpool's own schema drops in silence is taken where its meaning is plain, with a
//! warning, and refused with the reason where it is not.

mod chain;
mod reconcile;
mod spec;
#[cfg(test)]
mod tests;

pub use reconcile::{RENDERED, Reconciled, reconcile};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Map, Value, json};

/// The kind of the documents.
pub const KIND: &str = "SpiderMultusConfig";

/// The annotation that names the `NetworkAttachmentDefinition`.
pub const CR_NAME: &str = "multus.spidernet.io/cr-name";
const CNI_VERSION: &str = "multus.spidernet.io/cni-version";
const CONFIG_NAME: &str = "cni.spidernet.io/cniconfig-name";
/// What kubectl remembers of the document, and would take for the network's own.
const APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";
/// Older releases of Multus cannot read the results of 1.1.0.
const DEFAULT_VERSION: &str = "1.0.0";

/// The network of one document, and what its reader should know of it.
#[derive(Debug)]
pub struct Rendered {
    /// Of the `NetworkAttachmentDefinition`.
    pub name: String,
    /// Of both.
    pub namespace: Option<String>,
    /// Those of the document, and the resource that the device plugin offers.
    pub annotations: Map<String, Value>,
    /// A network config list.
    pub config: Value,
    /// What a person should look at; nothing that stops the network.
    pub warnings: Vec<String>,
}

/// Reads a document. `pools` are the pool documents of the same file: they go into the network, so that it can be tried
/// as it was pasted.
pub fn render(document: &Value, pools: &[&Value]) -> Result<Rendered> {
    let metadata = &document["metadata"];
    let name = metadata["name"].as_str().context("metadata.name is missing")?;
    let of_document = || format!("{KIND} {name}");
    let mut annotations = metadata["annotations"].as_object().cloned().unwrap_or_default();
    annotations.remove(APPLIED);
    let annotation = |key: &str| annotations.get(key).and_then(Value::as_str).map(str::to_owned);
    let spec = &document["spec"];
    ensure!(spec.is_object(), "{}: spec is missing", of_document());
    let nad = annotation(CR_NAME).unwrap_or_else(|| name.to_owned());
    let network = annotation(CONFIG_NAME).unwrap_or_else(|| nad.clone());
    ensure!(
        is_object_name(&nad),
        "{}: {nad:?} (annotation {CR_NAME}, else the document's name) is no name of an object: write small letters, digits, `-` and `.`, a letter or digit at both ends, 253 characters at most",
        of_document()
    );
    state::name::id("network", &network)
        .with_context(|| format!("{}: annotation {CONFIG_NAME}", of_document()))?;
    let version = annotation(CNI_VERSION).unwrap_or_else(|| DEFAULT_VERSION.to_owned());
    let chain = chain::of(spec, pools).with_context(of_document)?;
    if let Some(resource) = chain.resource {
        annotations.insert("k8s.v1.cni.cncf.io/resourceName".to_owned(), resource.into());
    }
    Ok(Rendered {
        name: nad,
        namespace: metadata["namespace"].as_str().map(str::to_owned),
        annotations,
        config: json!({ "cniVersion": version, "name": network, "plugins": chain.plugins }),
        warnings: chain.warnings.iter().map(|warning| format!("{}: {warning}", of_document())).collect(),
    })
}

/// A DNS subdomain of RFC 1123, as the API server takes it. It becomes a part of paths, and of lists in which commas part networks.
fn is_object_name(name: &str) -> bool {
    let legal = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let label = |label: &str| {
        label.starts_with(legal) && label.ends_with(legal) && label.chars().all(|c| legal(c) || c == '-')
    };
    name.len() <= 253 && name.split('.').all(label)
}

/// The name of a document's `NetworkAttachmentDefinition`.
pub fn network(document: &Value) -> &str {
    let metadata = &document["metadata"];
    metadata["annotations"][CR_NAME].as_str().or(metadata["name"].as_str()).unwrap_or_default()
}

impl Rendered {
    /// What Multus reads.
    pub fn definition(&self) -> Value {
        let mut metadata = json!({ "name": self.name });
        if let Some(namespace) = &self.namespace {
            metadata["namespace"] = namespace.as_str().into();
        }
        if !self.annotations.is_empty() {
            metadata["annotations"] = self.annotations.clone().into();
        }
        json!({
            "apiVersion": "k8s.cni.cncf.io/v1",
            "kind": "NetworkAttachmentDefinition",
            "metadata": metadata,
            "spec": { "config": self.config.to_string() },
        })
    }
}
