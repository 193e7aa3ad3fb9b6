//! `NetworkAttachmentDefinition` (`k8s.cni.cncf.io/v1`): the CNI config is a JSON text in `spec.config`.

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::Network;

pub(super) const KIND: &str = "NetworkAttachmentDefinition";

/// A config without a `name` has that of its definition, as Multus gives it.
pub(super) fn network(definition: &Value) -> Result<Network> {
    let name = definition["metadata"]["name"].as_str().context("metadata.name is missing")?;
    let config = definition["spec"]["config"]
        .as_str()
        .context("spec.config is missing: it holds the CNI config as JSON text")?;
    let mut config: Value = serde_json::from_str(config).context("spec.config is no JSON")?;
    ensure!(config.is_object(), "spec.config is no JSON object");
    if config["name"].as_str().is_none_or(str::is_empty) {
        config["name"] = name.into();
    }
    Network::parse(config.to_string().as_bytes()).context("spec.config")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn definition(config: &str) -> Value {
        json!({ "kind": KIND, "metadata": { "name": "rail1" }, "spec": { "config": config } })
    }

    #[test]
    fn the_name_of_the_definition_fills_in() {
        for (config, name) in [
            (r#"{"cniVersion":"1.1.0","plugins":[{"type":"macvlan"}]}"#, "rail1"),
            (r#"{"cniVersion":"1.0.0","name":"own","type":"macvlan"}"#, "own"),
        ] {
            let network = network(&definition(config)).unwrap();
            assert_eq!((network.name(), network.list.plugins.len()), (name, 1));
        }
    }

    #[test]
    fn what_is_missing_is_named() {
        for (definition, expected) in [
            (json!({ "kind": KIND, "spec": { "config": "{}" } }), "metadata.name"),
            (json!({ "kind": KIND, "metadata": { "name": "a" } }), "spec.config is missing"),
            (definition("{"), "spec.config is no JSON"),
            (definition("[]"), "spec.config is no JSON object"),
        ] {
            let error = network(&definition).unwrap_err().to_string();
            assert!(error.starts_with(expected), "{error}");
        }
    }
}
