//! `NetworkAttachmentDefinition` (`k8s.cni.cncf.io/v1`): the CNI config is a JSON text in `spec.config`.

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;

use super::Network;

const KIND: &str = "NetworkAttachmentDefinition";

/// Whether a JSON text is one rather than a CNI config.
pub(super) fn is_nad(text: &str) -> bool {
    serde_json::from_str::<Value>(text).is_ok_and(|value| value["kind"] == KIND)
}

/// The network of the only definition in a YAML or JSON text; without a `name` of its own it has that of the definition,
/// as Multus gives it.
pub(super) fn parse(text: &str) -> Result<Network> {
    let documents = ipam::yaml::documents(text)?;
    let definitions: Vec<_> = documents.iter().filter(|document| document["kind"] == KIND).collect();
    let definition = match definitions.as_slice() {
        [definition] => definition,
        [] => bail!("holds no {KIND}"),
        several => {
            bail!("holds {} of {KIND}, and one is expected: put each into a file of its own", several.len())
        }
    };
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
        let network = parse(&definition(r#"{"cniVersion":"1.1.0","plugins":[{"type":"macvlan"}]}"#)).unwrap();
        assert_eq!((network.name(), network.list.plugins.len()), ("rail1", 1));
        let network = parse(&definition(r#"{"cniVersion":"1.0.0","name":"own","type":"macvlan"}"#)).unwrap();
        assert_eq!((network.name(), network.list.plugins.len()), ("own", 1));
    }

    #[test]
    fn other_documents_are_passed_over_but_not_two_definitions() {
        let one = definition(r#"{"type":"macvlan"}"#);
        parse(&format!("kind: ConfigMap\n---\n{one}")).unwrap();
        let error = parse(&format!("{one}---\n{one}")).unwrap_err().to_string();
        assert!(error.starts_with("holds 2 of"), "{error}");
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
