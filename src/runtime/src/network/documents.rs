//! The documents of a file as people apply it to Kubernetes: networks in either form, and pools beside them.

use std::collections::BTreeSet;

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
    ensure!(
        !networks.is_empty(),
        "holds no {} and no {}{}",
        nad::KIND,
        multus_config::KIND,
        instead(&documents)
    );
    Ok(networks)
}

/// The networks that Spiderpool's documents in a text mean, and the names of the pools beside them.
pub fn rendered(text: &str) -> Result<(Vec<Rendered>, Vec<String>)> {
    let documents = yaml::documents(text)?;
    let configs = of_kind(&documents, multus_config::KIND);
    ensure!(!configs.is_empty(), "holds no {}{}", multus_config::KIND, instead(&documents));
    let pools = of_kind(&documents, POOL);
    let name = |pool: &&Value| pool["metadata"]["name"].as_str().unwrap_or_default().to_owned();
    let pools: Vec<_> = pools.iter().map(name).collect();
    // A definition for the cluster names its pools; their documents go to the nodes.
    let mut networks: Vec<_> =
        configs.iter().map(|document| multus_config::render(document, &[])).collect::<Result<_>>()?;
    for network in &mut networks {
        let missing = missing_pools(&network.config, &pools);
        network.warnings.extend(missing.into_iter().map(|missing| format!("{} {missing}", network.name)));
    }
    Ok((networks, pools))
}

/// A file that brings pools, as the guides' do, is expected to have those that its networks name.
fn missing_pools(config: &Value, pools: &[String]) -> Vec<String> {
    if pools.is_empty() {
        return Vec::new();
    }
    let plugins = config["plugins"].as_array().into_iter().flatten();
    let lists = plugins.flat_map(|plugin| ["ipv4", "ipv6"].map(|family| &plugin["ipam"]["ippools"][family]));
    let names = lists.filter_map(Value::as_array).flatten().filter_map(Value::as_str);
    let literal = names.filter(|name| !name.contains(['*', '?', '[']));
    let missing = literal.filter(|name| pools.iter().all(|pool| pool != name));
    missing
        .map(|name| {
            format!("names the pool {name:?}, which is not in this file (there is {})", pools.join(", "))
        })
        .collect()
}

/// What else the documents are, and what takes them.
fn instead(documents: &[Value]) -> String {
    let kinds: BTreeSet<_> = documents.iter().filter_map(|document| document["kind"].as_str()).collect();
    let of = |kind: &str| match kind {
        "Fabric" => "Fabric (for railctl plan)".to_owned(),
        POOL => format!("{POOL} (copy it to /etc/railcni/pools.d)"),
        nad::KIND => format!("{} (for railctl attach)", nad::KIND),
        kind => kind.to_owned(),
    };
    let kinds: Vec<_> = kinds.into_iter().map(of).collect();
    if kinds.is_empty() { String::new() } else { format!("; it holds {}", kinds.join(", ")) }
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
        assert_eq!(error, "holds no NetworkAttachmentDefinition and no SpiderMultusConfig; it holds Pod");
    }

    #[test]
    fn a_file_without_configs_says_what_it_holds_and_what_takes_it() {
        let error = |text: &str| rendered(text).unwrap_err().to_string();
        assert_eq!(error("a: 1\n"), "holds no SpiderMultusConfig");
        assert_eq!(
            error("kind: SpiderIPPool\n---\nkind: Fabric\n---\nkind: Fabric\n"),
            "holds no SpiderMultusConfig; it holds Fabric (for railctl plan), SpiderIPPool (copy it to /etc/railcni/pools.d)"
        );
    }

    /// The guide's network names `gpu1-net91`, and its pool is `gpu1-net11`.
    #[test]
    fn a_pool_that_a_network_names_and_the_file_has_not_is_a_warning() {
        let network = "kind: SpiderMultusConfig\nmetadata: {name: gpu1-sriov}\nspec: {cniType: sriov, sriov: \
                       {resourceName: a/b, ippools: {ipv4: [gpu1-net91, 'gpu1-*']}}}\n";
        let pool = "---\nkind: SpiderIPPool\nmetadata: {name: gpu1-net11}\nspec: {subnet: 172.16.11.0/24}\n";
        let warnings = |text: &str| rendered(text).unwrap().0.remove(0).warnings;
        assert_eq!(warnings(network), [""; 0], "its pools may be on the nodes");
        let expected =
            "gpu1-sriov names the pool \"gpu1-net91\", which is not in this file (there is gpu1-net11)";
        assert_eq!(warnings(&format!("{network}{pool}")), [expected]);
        assert_eq!(warnings(&format!("{network}{}", pool.replace("net11", "net91"))), [""; 0]);
    }
}
