//! Fabrics to pools and networks. They are applied without force: what an admin has set otherwise stays, and the Fabric's
//! condition names the conflict, or the pods for which a change waits.

use api::{Fabric, Kind as _};
use fabric::{Node, Plan, PlannedNode, Slots, is_ready, nodes as nodes_of, plan};
use serde_json::{Value, json};

use super::Networks;
use super::keeping::Outcome;
use super::report::{Report, WAITING};
use crate::connection::path;

/// Problems are listed, but not hundreds of them.
const LISTED: usize = 3;

impl Networks {
    pub(super) async fn fabrics(&mut self) {
        let Some(nodes) = self.nodes.documents() else { return };
        let nodes = nodes_of(&nodes);
        let fabrics: Vec<Value> = self.known.world.borrow().fabrics.values().cloned().collect();
        for document in fabrics {
            if !document["metadata"]["deletionTimestamp"].is_null() {
                continue;
            }
            let (reason, message, status) = match self.planned(&document, &nodes) {
                Err(problem) => ("NotPlanned", problem, json!({})),
                Ok(plan) => {
                    let outcome = self.keep(&plan, &document).await;
                    let (reason, said) = told(&plan, &outcome);
                    (reason, said, self.figures(&plan))
                }
            };
            let report = Report::new("Applied", reason == "Applied", reason, &message);
            report.with(status).tell(self, &path::<Fabric>(), Fabric::KIND, &document).await;
        }
    }

    fn planned(&mut self, document: &Value, nodes: &[Node]) -> Result<Plan, String> {
        let fabrics = fabric::fabrics(std::slice::from_ref(document)).map_err(|error| error.to_string())?;
        let fabric = fabrics.first().ok_or("it is no Fabric of this version")?;
        let name = &fabric.metadata.name;
        let seen = Slots::of_pools(name, self.known.world.borrow().pools.values());
        // What was given a moment ago may not be seen yet.
        let given = self.slots.get(name).cloned().unwrap_or_default();
        let earlier = seen.or(&given);
        let plan = plan(fabric, nodes, &earlier).map_err(|errors| errors.to_string())?;
        // Of nodes that are away the pools tell: without them, their numbers are free.
        let here = plan.nodes.iter().map(|node| node.name.as_str());
        self.slots.insert(name.clone(), plan.slots.only(here));
        Ok(plan)
    }

    /// How many nodes it selects, and how many of them are ready.
    fn figures(&self, plan: &Plan) -> Value {
        let is_ready = |node: &&PlannedNode| is_ready(&plan.spec, self.nodes.ready(&node.name).as_deref());
        json!({ "nodes": plan.nodes.len(), "ready": plan.nodes.iter().filter(is_ready).count() })
    }
}

/// Reason and message of the condition. Whoever waits may be what the problems come from.
fn told(plan: &Plan, outcome: &Outcome) -> (&'static str, String) {
    let all: Vec<String> = outcome.waiting.iter().chain(&outcome.problems).cloned().collect();
    match (outcome.waiting.is_empty(), outcome.problems.is_empty()) {
        (true, true) => ("Applied", summary(&plan.notes)),
        (true, false) => ("Conflict", summary(&all)),
        (false, _) => (WAITING, summary(&all)),
    }
}

fn summary(problems: &[String]) -> String {
    let listed = problems.iter().take(LISTED).map(String::as_str).collect::<Vec<_>>().join("; ");
    match problems.len().saturating_sub(LISTED) {
        0 => listed,
        more => format!("{listed}; and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use fabric::Options;

    use super::*;

    /// Groups by which the pools of a fabric with this addressing are granted, and what is refused.
    fn granted(addressing: &Value) -> (BTreeSet<String>, Vec<(String, String)>) {
        let document = json!({ "apiVersion": "railcni.dev/v1alpha1", "kind": "Fabric", "metadata": { "name": "gpu" }, "spec": {
            "link": "macvlan", "rails": [{ "interface": "eno1" }, { "interface": "eno2" }], "addressing": addressing,
        }});
        let fabric = fabric::fabrics(&[document]).unwrap().remove(0);
        let node = json!({ "kind": "Node", "metadata": { "name": "a" } });
        let plan = plan(&fabric, &nodes_of(&[node]), &Slots::default()).unwrap();
        let pools = plan.owned("u1", &Options::of_cluster("default")).into_iter();
        let pools: Vec<api::SpiderIPPool> = pools
            .filter(|pool| pool["kind"] == "SpiderIPPool")
            .map(|pool| serde_json::from_value(pool).unwrap())
            .collect();
        let (offers, refused) = grants::offers(&pools, &[]);
        assert_eq!(offers.len() + refused.len(), pools.len());
        (offers.into_values().map(|offer| offer.group).collect(), refused)
    }

    #[test]
    fn every_pool_of_a_fabric_can_be_granted() {
        let four = json!({ "subnet": "172.16.0.0/24", "ips": ["172.16.0.1-172.16.0.9"] });
        let six = json!({ "subnet": "fd00::/64", "ips": ["fd00::1-fd00::9"] });
        let (groups, refused) = granted(&json!({ "shared": four, "shared6": six }));
        assert_eq!(refused, []);
        assert_eq!(groups, ["gpu", "gpu-rail1v6", "gpu-rail2v6"].map(str::to_owned).into());
        let (groups, refused) =
            granted(&json!({ "perNode": { "supernet": "172.16.0.0/16", "prefixLength": 27 } }));
        assert_eq!((groups.len(), refused), (2, vec![]));
    }
}
