//! Which nodes are no more: nothing else frees what an unreachable node has.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

/// How long a node must have been gone.
const GRACE: Duration = Duration::from_secs(60);
/// Says that a machine is off (Kubernetes' non-graceful node shutdown).
const OUT_OF_SERVICE: &str = "node.kubernetes.io/out-of-service";
/// An admin's word: `railctl release node`.
pub(crate) const RELEASED: &str = "railcni.dev/released";

/// The part of a Node object that is read.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct NodeObject {
    pub(crate) metadata: api::Metadata,
    pub(crate) spec: NodeSpec,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct NodeSpec {
    /// Whole: who changes one writes all of them.
    pub(crate) taints: Vec<Value>,
}

/// Since when each node has been missing, by this controller's own clock.
#[derive(Debug, Default)]
pub(crate) struct Missing(BTreeMap<String, Duration>);

impl Missing {
    /// The nodes that are no more, of those that have a grant. `released` are those of which an admin says so.
    pub(crate) fn judge(
        &mut self,
        granted: &BTreeSet<String>,
        released: &BTreeSet<String>,
        nodes: &BTreeMap<String, NodeObject>,
        now: Duration,
    ) -> BTreeSet<String> {
        let is_off = |node: &NodeObject| node.spec.taints.iter().any(|taint| taint["key"] == OUT_OF_SERVICE);
        let missing = |name: &&String| nodes.get(*name).is_none_or(is_off);
        let missing = granted.iter().filter(missing).cloned().collect::<BTreeSet<_>>();
        self.0.retain(|name, _| missing.contains(name));
        for name in missing {
            self.0.entry(name).or_insert(now);
        }
        let long =
            self.0.iter().filter(|(_, since)| now.saturating_sub(**since) >= GRACE).map(|(name, _)| name);
        long.chain(released).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    fn nodes(text: &str) -> BTreeMap<String, NodeObject> {
        let nodes: Vec<NodeObject> = serde_json::from_str(text).unwrap();
        nodes.into_iter().map(|node| (node.metadata.name.clone(), node)).collect()
    }

    fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    #[test]
    fn a_node_that_is_missing_for_a_minute_is_no_more() {
        let mut missing = Missing::default();
        let (granted, none) = (names(&["a", "b"]), names(&[]));
        let there = nodes(r#"[{"metadata": {"name": "a"}}]"#);
        assert_eq!(missing.judge(&granted, &none, &there, seconds(0)), none);
        assert_eq!(missing.judge(&granted, &none, &there, seconds(59)), none);
        assert_eq!(missing.judge(&granted, &none, &there, seconds(60)), names(&["b"]));
    }

    #[test]
    fn a_node_that_comes_back_in_time_starts_again() {
        let mut missing = Missing::default();
        let (granted, none) = (names(&["a"]), names(&[]));
        let there = nodes(r#"[{"metadata": {"name": "a"}}]"#);
        missing.judge(&granted, &none, &BTreeMap::new(), seconds(0));
        missing.judge(&granted, &none, &there, seconds(30));
        assert_eq!(missing.judge(&granted, &none, &BTreeMap::new(), seconds(61)), none);
    }

    #[test]
    fn not_ready_and_cordoned_free_nothing_and_out_of_service_does() {
        let mut missing = Missing::default();
        let (granted, none) = (names(&["a", "b"]), names(&[]));
        let text = r#"[{"metadata": {"name": "a"}, "spec": {"taints": [{"key": "node.kubernetes.io/unreachable"}]}},
            {"metadata": {"name": "b"}, "spec": {"taints": [{"key": "node.kubernetes.io/out-of-service"}]}}]"#;
        missing.judge(&granted, &none, &nodes(text), seconds(0));
        assert_eq!(missing.judge(&granted, &none, &nodes(text), seconds(3600)), names(&["b"]));
    }

    #[test]
    fn an_admin_need_not_wait() {
        let mut missing = Missing::default();
        assert_eq!(
            missing.judge(&names(&["a"]), &names(&["a"]), &BTreeMap::new(), seconds(0)),
            names(&["a"])
        );
    }
}
