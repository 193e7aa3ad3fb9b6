//! Nodes and their NICs, from the objects that clusters have of them.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::names::natural;

/// A node, and the NICs that it has as far as somebody has looked.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Node {
    /// As Kubernetes has it.
    pub name: String,
    /// Of the Node object.
    pub labels: BTreeMap<String, String>,
    /// In natural order of their names; `None` where nobody has looked.
    pub nics: Option<Vec<Nic>>,
}

/// A physical NIC.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Nic {
    /// The interface, `ens1f0np0`.
    pub name: String,
    /// `0000:1a:00.0`
    pub pci: String,
    /// Whether its link layer is `InfiniBand`.
    pub infiniband: bool,
    /// How many VFs it can have.
    pub total_vfs: u32,
}

/// Nodes from objects of kind Node, `SriovNetworkNodeState`, and lists of either, as `kubectl get -o json` prints them; other kinds
/// are left out. In natural order of their names.
pub fn nodes(documents: &[Value]) -> Vec<Node> {
    let mut found: BTreeMap<String, Node> = BTreeMap::new();
    for object in documents.iter().flat_map(flat) {
        let Some(name) = object["metadata"]["name"].as_str() else { continue };
        let node = found.entry(name.to_owned());
        match object["kind"].as_str() {
            Some("Node") => node.or_default().labels = labels(object),
            Some("SriovNetworkNodeState") => node.or_default().nics = Some(nics(object)),
            _ => {}
        }
    }
    let named = found.into_iter().map(|(name, node)| Node { name, ..node });
    let mut nodes: Vec<_> = named.collect();
    nodes.sort_by(|a, b| natural(&a.name, &b.name));
    nodes
}

/// The items of a list, or the object itself.
fn flat(document: &Value) -> Vec<&Value> {
    document["items"].as_array().map_or_else(|| vec![document], |items| items.iter().collect())
}

fn labels(node: &Value) -> BTreeMap<String, String> {
    let labels = node["metadata"]["labels"].as_object().into_iter().flatten();
    labels.filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned()))).collect()
}

fn nics(state: &Value) -> Vec<Nic> {
    let interfaces = state["status"]["interfaces"].as_array().into_iter().flatten();
    let mut nics: Vec<_> = interfaces.map(nic).collect();
    nics.sort_by(|a, b| natural(&a.name, &b.name));
    nics
}

fn nic(interface: &Value) -> Nic {
    let text = |key: &str| interface[key].as_str().unwrap_or_default().to_owned();
    Nic {
        name: text("name"),
        pci: text("pciAddress"),
        infiniband: text("linkType").eq_ignore_ascii_case("ib"),
        total_vfs: interface["totalvfs"].as_u64().and_then(|count| count.try_into().ok()).unwrap_or(0),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn nodes_and_states_meet_by_name() {
        let list = json!({ "kind": "List", "items": [
            { "kind": "Node", "metadata": { "name": "w10", "labels": { "gpu": "true" } } },
            { "kind": "Node", "metadata": { "name": "w9" } },
            { "kind": "SriovNetworkNodeState", "metadata": { "name": "w10" }, "status": { "interfaces": [
                { "name": "ens10f0", "pciAddress": "0000:10:00.0", "linkType": "IB", "totalvfs": 8 },
                { "name": "ens9f0", "pciAddress": "0000:09:00.0", "linkType": "ETH", "totalvfs": 16 }] } },
            { "kind": "Pod", "metadata": { "name": "w11" } }] });
        let nodes = nodes(&[list]);
        assert_eq!(nodes.iter().map(|node| node.name.as_str()).collect::<Vec<_>>(), ["w9", "w10"]);
        assert_eq!(nodes[0].nics, None, "nobody has looked");
        assert_eq!(nodes[1].labels["gpu"], "true");
        let nics = nodes[1].nics.as_ref().expect("its NICs");
        assert_eq!((nics[0].name.as_str(), nics[0].infiniband, nics[0].total_vfs), ("ens9f0", false, 16));
        assert!(nics[1].infiniband);
    }
}
