//! The taint of nodes whose rails are not ready, where a Fabric asks for it. Agents have no right on Nodes, so the controller has: to
//! this one taint, by a policy of the API server.

use std::collections::BTreeMap;
use std::time::Duration;

use api::{Fabric, FabricSpec, RailNode};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::connection::{Connection, Seen};
use crate::gone::NodeObject;

/// Of the taint; kubelet may register its node with it.
const KEY: &str = "railcni.dev/not-ready";
/// The value of those that are put here: no Fabric that asks for them any more, and they go.
const OURS: &str = "raild";
/// How long the API server may take to show what was written.
const SHOWN: Duration = Duration::from_secs(10);

/// What was seen, and what was written last.
#[derive(Default)]
pub(super) struct Taints {
    fabrics: Option<BTreeMap<String, FabricSpec>>,
    /// The status of the condition `Ready` of each node whose agent has judged.
    ready: Option<BTreeMap<String, String>>,
    written: BTreeMap<String, (Vec<Value>, Instant)>,
}

impl Taints {
    pub(super) fn see_fabrics(&mut self, seen: Seen<Fabric>) {
        match seen {
            Seen::All(all, ..) => {
                let named = |fabric: Fabric| (fabric.metadata.name, fabric.spec);
                self.fabrics = Some(all.into_iter().map(named).collect());
            }
            Seen::One(fabric) => {
                self.fabrics.get_or_insert_default().insert(fabric.metadata.name, fabric.spec);
            }
            Seen::Gone(fabric) => {
                self.fabrics.get_or_insert_default().remove(&fabric.metadata.name);
            }
        }
    }

    pub(super) fn see_nodes(&mut self, seen: &Seen<RailNode>) {
        let named = |node: &RailNode| Some((node.metadata.name.clone(), ready(node)?));
        match seen {
            Seen::All(nodes, ..) => self.ready = Some(nodes.iter().filter_map(named).collect()),
            Seen::One(node) => {
                let known = self.ready.get_or_insert_default();
                known.remove(&node.metadata.name);
                known.extend(named(node));
            }
            Seen::Gone(node) => {
                self.ready.get_or_insert_default().remove(&node.metadata.name);
            }
        }
    }

    /// Writes the taints of nodes that do not have them as they should.
    pub(super) fn tell(&mut self, connection: &Connection, nodes: Option<&BTreeMap<String, NodeObject>>) {
        let (Some(fabrics), Some(known), Some(nodes)) = (&self.fabrics, &self.ready, nodes) else { return };
        self.written.retain(|name, (_, at)| nodes.contains_key(name) && at.elapsed() < SHOWN);
        for (name, node) in nodes {
            let wish = wish(fabrics.values(), &node.metadata.labels, known.get(name).map(String::as_str));
            let Some(taints) = wanted(&node.spec.taints, wish) else { continue };
            if self.written.get(name).is_some_and(|(written, _)| *written == taints) {
                continue;
            }
            self.written.insert(name.clone(), (taints.clone(), Instant::now()));
            let (connection, name) = (connection.clone(), name.clone());
            let version = node.metadata.resource_version.clone();
            tokio::task::spawn_local(write(connection, name, version, taints));
        }
    }
}

async fn write(connection: Connection, name: String, version: Option<String>, taints: Vec<Value>) {
    let is_put = taints.iter().any(|taint| taint["key"] == KEY);
    let operations = json!([
        // Somebody else's taint that came in between is not to be lost.
        { "op": "test", "path": "/metadata/resourceVersion", "value": version },
        { "op": "add", "path": "/spec/taints", "value": taints },
    ]);
    match connection.patch::<Value>("/api/v1/nodes", &name, false, operations).await {
        Ok(_) if is_put => eprintln!("raild: node {name} has the taint {KEY}: its rails are not ready"),
        Ok(_) => eprintln!("raild: node {name} has no taint {KEY} any more"),
        Err(problem) => eprintln!("raild: taint {KEY} of node {name}: {problem:?}"),
    }
}

/// `None` before the node's agent has judged it.
fn ready(node: &RailNode) -> Option<String> {
    let mut conditions = node.status.iter().flat_map(|status| &status.conditions);
    conditions.find(|condition| condition.r#type == "Ready").map(|condition| condition.status.clone())
}

/// What is to become of a node's taint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wish {
    /// It is to be there.
    Put,
    /// It is to go, whoever has put it.
    Take,
    /// What kubelet or an admin has put stays: the Fabric that asks for it may be still to come.
    TakeOurs,
}

fn wish<'f>(
    fabrics: impl Iterator<Item = &'f FabricSpec>,
    labels: &BTreeMap<String, String>,
    ready: Option<&str>,
) -> Wish {
    let is_met = |spec: &FabricSpec| fabric::is_ready(spec, ready);
    let asking = fabrics.filter(|fabric| fabric.taint_until_ready && fabric.node_selector.matches(labels));
    asking.map(is_met).fold(Wish::TakeOurs, |wish, is_met| match (wish, is_met) {
        (Wish::Put, _) | (_, false) => Wish::Put,
        _ => Wish::Take,
    })
}

/// The node's taints as they should be; `None` if they are.
fn wanted(taints: &[Value], wish: Wish) -> Option<Vec<Value>> {
    let is_it = |taint: &Value| taint["key"] == KEY;
    let goes = |taint: &Value| match wish {
        Wish::Put => false,
        Wish::Take => is_it(taint),
        Wish::TakeOurs => is_it(taint) && taint["value"] == OURS,
    };
    let mut wanted: Vec<Value> = taints.iter().filter(|taint| !goes(taint)).cloned().collect();
    if wish == Wish::Put && !taints.iter().any(is_it) {
        wanted.push(json!({ "key": KEY, "value": OURS, "effect": "NoSchedule" }));
    }
    (wanted != taints).then_some(wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fabric(taint: bool, rdma: &str, label: Option<&str>) -> FabricSpec {
        let mut spec = json!({ "link": "macvlan", "taintUntilReady": taint, "rails": [], "addressing": {} });
        if !rdma.is_empty() {
            spec["rdma"] = rdma.into();
        }
        if let Some(label) = label {
            spec["nodeSelector"] = json!({ "matchLabels": { "gpu": label } });
        }
        serde_json::from_value(spec).unwrap()
    }

    fn of(fabrics: &[FabricSpec], ready: Option<&str>) -> Wish {
        wish(fabrics.iter(), &BTreeMap::from([("gpu".to_owned(), "yes".to_owned())]), ready)
    }

    #[test]
    fn a_node_is_tainted_until_its_agent_says_that_it_is_ready() {
        let asks = [fabric(true, "shared", Some("yes"))];
        for ready in [None, Some("False"), Some("Unknown")] {
            assert_eq!(of(&asks, ready), Wish::Put, "{ready:?}");
        }
        assert_eq!(of(&asks, Some("True")), Wish::Take);
    }

    #[test]
    fn only_fabrics_that_ask_and_have_the_node_count() {
        let others = [fabric(false, "shared", Some("yes")), fabric(true, "shared", Some("no"))];
        assert_eq!(of(&others, None), Wish::TakeOurs);
        assert_eq!(of(&[], Some("False")), Wish::TakeOurs);
        assert_eq!(of(&[others[0].clone(), fabric(true, "shared", None)], None), Wish::Put);
    }

    #[test]
    fn without_rdma_nothing_to_judge_is_ready_and_every_fabric_has_a_say() {
        let (plain, rdma) = (fabric(true, "", None), fabric(true, "shared", None));
        assert_eq!(of(std::slice::from_ref(&plain), Some("Unknown")), Wish::Take);
        assert_eq!(of(std::slice::from_ref(&plain), None), Wish::Put, "no agent has judged it");
        assert_eq!(of(&[rdma.clone(), plain.clone()], Some("Unknown")), Wish::Put);
        assert_eq!(of(&[plain, rdma], Some("Unknown")), Wish::Put);
    }

    #[test]
    fn what_others_have_put_stays_as_it_is() {
        let foreign = json!({ "key": "a", "effect": "NoExecute", "timeAdded": "2026-01-01T00:00:00Z" });
        let kubelets = json!({ "key": KEY, "effect": "NoSchedule" });
        let ours = json!({ "key": KEY, "value": OURS, "effect": "NoSchedule" });
        let with = |taint: &Value| vec![foreign.clone(), taint.clone()];
        assert_eq!(wanted(std::slice::from_ref(&foreign), Wish::Put), Some(with(&ours)));
        assert_eq!(wanted(&with(&kubelets), Wish::Put), None);
        assert_eq!(wanted(&with(&kubelets), Wish::TakeOurs), None);
        for (taint, wish) in [(&kubelets, Wish::Take), (&ours, Wish::Take), (&ours, Wish::TakeOurs)] {
            assert_eq!(wanted(&with(taint), wish), Some(vec![foreign.clone()]), "{taint} {wish:?}");
        }
        assert_eq!(wanted(&[foreign], Wish::Take), None);
    }
}
