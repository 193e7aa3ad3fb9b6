//! The documents of a file as people apply it to Kubernetes: networks in either form, and pools beside them.

use anyhow::{Result, ensure};
use multus_config::Rendered;
use serde_json::Value;

use super::{Network, nad};

const POOL: &str = "SpiderIPPool";

/// Whether a JSON text is a document of Kubernetes rather than a CNI config.
pub fn is_kubernetes(text: &str) -> bool {
    serde_json::from_str::<Value>(text).is_ok_and(|value| value["kind"].is_string())
}

/// The networks in the order of the documents; documents of other kinds are none of our business.
pub(super) fn networks(text: &str) -> Result<Vec<Network>> {
    let documents = yaml::documents(text)?;
    let pools = of_kind(&documents, POOL);
    let mut networks = Vec::new();
    for document in &documents {
        match document["kind"].as_str() {
            Some(nad::KIND) => networks.push(nad::network(document)?),
            Some(multus_config::KIND) => networks.push(tried(&multus_config::render(document, &pools)?)?),
            _ => {}
        }
    }
    ensure!(!networks.is_empty(), "holds no {} and no {}", nad::KIND, multus_config::KIND);
    Ok(networks)
}

/// The networks that Spiderpool's documents in a text mean, and the names of the pools beside them.
pub fn rendered(text: &str) -> Result<(Vec<Rendered>, Vec<String>)> {
    let documents = yaml::documents(text)?;
    let configs = of_kind(&documents, multus_config::KIND);
    ensure!(!configs.is_empty(), "holds no {}", multus_config::KIND);
    // A definition for the cluster names its pools; their documents go to the nodes.
    let networks =
        configs.iter().map(|document| multus_config::render(document, &[])).collect::<Result<_>>()?;
    let pools = of_kind(&documents, POOL);
    let name = |pool: &&Value| pool["metadata"]["name"].as_str().unwrap_or_default().to_owned();
    Ok((networks, pools.iter().map(name).collect()))
}

fn of_kind<'a>(documents: &'a [Value], kind: &str) -> Vec<&'a Value> {
    documents.iter().filter(|document| document["kind"] == kind).collect()
}

fn tried(rendered: &Rendered) -> Result<Network> {
    let network = Network::parse(rendered.config.to_string().as_bytes())?;
    Ok(Network { warnings: rendered.warnings.clone(), ..network })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_may_hold_several_beside_other_documents() {
        let one = "kind: NetworkAttachmentDefinition\nmetadata: {name: a}\nspec: {config: '{\"type\":\"macvlan\"}'}\n";
        let other = "kind: SpiderMultusConfig\nmetadata: {name: b}\nspec: {cniType: macvlan, macvlan: {master: [x]}}\n";
        let names = |text: &str| -> Vec<_> {
            networks(text).unwrap().iter().map(|network| network.name().to_owned()).collect()
        };
        assert_eq!(names(&format!("kind: ConfigMap\n---\n{one}")), ["a"]);
        assert_eq!(names(&format!("{other}---\n{one}")), ["b", "a"]);
        let error = networks("kind: Pod\n").unwrap_err().to_string();
        assert_eq!(error, "holds no NetworkAttachmentDefinition and no SpiderMultusConfig");
    }
}
