//! `NetworkAttachmentDefinition` (`k8s.cni.cncf.io/v1`): the CNI config is a JSON text in `spec.config`.

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::Network;

const KIND: &str = "NetworkAttachmentDefinition";

/// Whether a JSON text is one rather than a CNI config.
pub(super) fn is_nad(text: &str) -> bool {
    serde_json::from_str::<Value>(text).is_ok_and(|value| value["kind"] == KIND)
}

/// The networks of the definitions in a YAML or JSON text, in order; other documents are none of our business.
pub(super) fn parse(text: &str) -> Result<Vec<Network>> {
    let documents = ipam::yaml::documents(text)?;
    let definitions = documents.iter().filter(|document| document["kind"] == KIND);
    let networks = definitions.map(network).collect::<Result<Vec<_>>>()?;
    ensure!(!networks.is_empty(), "holds no {KIND}");
    Ok(networks)
}

/// A config without a `name` has that of its definition, as Multus gives it.
fn network(definition: &Value) -> Result<Network> {
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
    use super::*;

    fn definition(config: &str) -> String {
        format!(
            "apiVersion: k8s.cni.cncf.io/v1\nkind: {KIND}\nmetadata:\n  name: rail1\nspec:\n  config: '{config}'\n"
        )
    }

    #[test]
    fn the_name_of_the_definition_fills_in() {
        for (config, name) in [
            (r#"{"cniVersion":"1.1.0","plugins":[{"type":"macvlan"}]}"#, "rail1"),
            (r#"{"cniVersion":"1.0.0","name":"own","type":"macvlan"}"#, "own"),
        ] {
            let networks = parse(&definition(config)).unwrap();
            assert_eq!((networks[0].name(), networks[0].list.plugins.len()), (name, 1));
        }
    }

    #[test]
    fn a_file_may_hold_several_beside_other_documents() {
        let one = definition(r#"{"type":"macvlan"}"#);
        assert_eq!(parse(&format!("kind: ConfigMap\n---\n{one}")).unwrap().len(), 1);
        assert_eq!(parse(&format!("{one}---\n{one}")).unwrap().len(), 2);
        assert!(parse("kind: Pod\n").is_err());
    }

    #[test]
    fn what_is_missing_is_named() {
        for (text, expected) in [
            (format!("kind: {KIND}\nspec: {{config: '{{}}'}}\n"), "metadata.name"),
            (format!("kind: {KIND}\nmetadata: {{name: a}}\n"), "spec.config is missing"),
            (definition("{"), "spec.config is no JSON"),
            (definition("[]"), "spec.config is no JSON object"),
        ] {
            let error = parse(&text).unwrap_err().to_string();
            assert!(error.starts_with(expected), "{error}");
        }
    }
}
