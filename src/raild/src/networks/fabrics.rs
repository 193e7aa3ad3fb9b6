//! Fabrics to pools and networks. They are applied without force: what an admin has set otherwise stays, and the Fabric's
//! condition names the conflict.

use api::{Fabric, Kind as _};
use fabric::{Slots, is_as_wanted, nodes, plan};
use serde_json::{Value, json};

use super::Networks;
use super::report::Report;
use crate::connection::path;

/// Problems are listed, but not hundreds of them.
const LISTED: usize = 3;

impl Networks {
    pub(super) async fn fabrics(&mut self) {
        if self.nodes.borrow().is_none() {
            return;
        }
        let fabrics: Vec<Value> = self.known.world.borrow().fabrics.values().cloned().collect();
        for document in fabrics {
            if !document["metadata"]["deletionTimestamp"].is_null() {
                continue;
            }
            let (reason, message, count) = match self.planned(&document) {
                Err(problem) => ("NotPlanned", problem, None),
                Ok((objects, count)) => {
                    let problems = self.keep(&objects).await;
                    let reason = if problems.is_empty() { "Applied" } else { "Conflict" };
                    (reason, summary(&problems), Some(count))
                }
            };
            let report = Report::new("Applied", reason == "Applied", reason, &message);
            let status = count.map_or_else(|| json!({}), |count| json!({ "nodes": count }));
            report.with(status).tell(self, &path::<Fabric>(), Fabric::KIND, &document).await;
        }
    }

    /// Its objects, and how many nodes it selects.
    fn planned(&mut self, document: &Value) -> Result<(Vec<Value>, usize), String> {
        let fabrics = fabric::fabrics(std::slice::from_ref(document)).map_err(|error| error.to_string())?;
        let Some(fabric) = fabrics.first() else { return Ok((Vec::new(), 0)) };
        let name = &fabric.metadata.name;
        // Lists of metadata do not say of what kind their items are.
        let of_kind = |node: &Value| json!({ "kind": "Node", "metadata": node["metadata"] });
        let known: Vec<Value> = self.nodes.borrow().iter().flatten().map(|(_, node)| of_kind(node)).collect();
        let seen = Slots::of_pools(name, self.known.world.borrow().pools.values());
        // What pools say takes precedence; what was given a moment ago may not be seen yet.
        let given = self
            .slots
            .get(name)
            .into_iter()
            .flat_map(Slots::iter)
            .filter(|(node, _)| seen.get(node).is_none());
        let pairs = seen.iter().chain(given).map(|(node, slot)| (node.to_owned(), slot));
        let earlier = Slots::from_pairs(pairs.collect::<Vec<_>>());
        let plan = plan(fabric, &nodes(&known), &earlier).map_err(|errors| errors.to_string())?;
        self.slots.insert(name.clone(), plan.slots.clone());
        let uid = document["metadata"]["uid"].as_str().unwrap_or_default();
        Ok((plan.owned(uid, &self.options), plan.nodes.len()))
    }

    /// Applies what is missing or otherwise; what could not be applied.
    async fn keep(&mut self, objects: &[Value]) -> Vec<String> {
        let mut problems = Vec::new();
        for wanted in objects {
            let name = wanted["metadata"]["name"].as_str().unwrap_or_default();
            let found = match wanted["metadata"]["namespace"].as_str() {
                Some(namespace) => self.definition(namespace, name),
                None => self.known.world.borrow().pools.get(name).cloned(),
            };
            if found.as_ref().is_none_or(|found| !is_as_wanted(wanted, found)) {
                problems.extend(self.attempt(wanted, found.as_ref(), false).await.err());
            }
        }
        problems
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
        let plan = plan(&fabric, &nodes(&[node]), &Slots::default()).unwrap();
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
