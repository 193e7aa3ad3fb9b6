//! A node's share of the cluster's pools, and whether the node is ready.

use std::collections::BTreeMap;

use host::doctor::{Finding, Level};

use crate::calls::Calls;
use crate::family::{Families, Family, Kind, Value};
use crate::histogram::Histogram;

/// Upper bounds of waits, in seconds.
const BOUNDS: [f64; 9] = [0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// What an agent knows.
#[derive(Clone, Debug, Default)]
pub struct Agent {
    /// Of its grant.
    pub pools: BTreeMap<String, NodePool>,
    /// How the wants of pods ended: by pool and `granted`, `refused` or `left`.
    pub wants: BTreeMap<(String, &'static str), u64>,
    /// How long pods waited that were granted something.
    pub waits: Waits,
    /// Of the grant.
    pub epoch: i64,
    /// The API server did not take what the agent wrote last.
    pub trouble: bool,
    /// What the doctor has found last, and when (seconds since 1970).
    pub findings: Option<(Vec<Finding>, u64)>,
    /// Of the `RailNode`.
    pub conditions: Vec<Condition>,
    /// Of the node's plugins.
    pub calls: Calls,
}

/// Type and status.
pub type Condition = api::Condition;

/// A pool on a node, in addresses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NodePool {
    /// That the node may hand out.
    pub granted: u64,
    /// That pods have.
    pub used: u64,
    /// That pods wait for.
    pub waiting: u64,
}

/// How long pods waited.
#[derive(Clone, Debug, PartialEq)]
pub struct Waits(Histogram);

impl Default for Waits {
    fn default() -> Self {
        Self(Histogram::of(&BOUNDS))
    }
}

impl Waits {
    /// One more.
    pub fn add(&mut self, seconds: f64) {
        self.0.add(seconds);
    }
}

impl Agent {
    /// A pod's want has ended. Whatever a plugin calls a pool, only names of the grant become labels.
    pub fn ended(&mut self, pool: &str, how: &'static str) {
        let known = if self.pools.contains_key(pool) { pool } else { "" };
        *self.wants.entry((known.to_owned(), how)).or_default() += 1;
    }
}

type Read = fn(&NodePool) -> u64;

/// All that is told of it.
#[expect(clippy::cast_precision_loss, reason = "addresses of a node, and seconds since 1970")]
pub fn agent(agent: &Agent) -> Vec<Family> {
    let mut families = Families::default();
    let of_pools: [(&str, &str, Read); 4] = [
        ("granted", "Addresses that the node may hand out", |pool| pool.granted),
        ("used", "Addresses that pods of the node have", |pool| pool.used),
        ("free", "Addresses that the node could hand out now", |pool| pool.granted.saturating_sub(pool.used)),
        ("waiting", "Addresses that pods of the node wait for", |pool| pool.waiting),
    ];
    for (name, help, read) in of_pools {
        let place = families.declare(&format!("railcni_node_pool_{name}"), Kind::Gauge, help);
        for (pool, figures) in &agent.pools {
            families.add(place, vec![("pool", pool.clone())], Value::Real(read(figures) as f64));
        }
    }
    let help = "Wants of pods for which the grant was too small, by how they ended";
    let place = families.declare("railcni_wants", Kind::Counter, help);
    for ((pool, how), count) in &agent.wants {
        let labels = vec![("pool", pool.clone()), ("outcome", (*how).to_owned())];
        families.add(place, labels, Value::Whole(*count));
    }
    let help = "How long pods waited until their want was granted";
    let place = families.declare("railcni_want_wait_seconds", Kind::Histogram, help);
    families.add(place, Vec::new(), agent.waits.0.value());
    families.gauge("railcni_grant_epoch", "Epoch of the node's grant", Vec::new(), agent.epoch as f64);
    let help = "Whether the API server did not take what the agent wrote last";
    let trouble = f64::from(u8::from(agent.trouble));
    families.gauge("railcni_api_trouble", help, Vec::new(), trouble);
    agent.calls.tell(&mut families);
    doctor(&mut families, agent);
    conditions(&mut families, &agent.conditions);
    families.done()
}

/// Of each check its worst answer.
#[expect(clippy::cast_precision_loss, reason = "answers, and seconds since 1970")]
fn doctor(families: &mut Families, agent: &Agent) {
    let help = "Worst answer of each check of railctl doctor: 0 good, 1 information, 2 warning, 3 error";
    let place = families.declare("railcni_doctor_level", Kind::Gauge, help);
    let counted =
        families.declare("railcni_doctor_findings", Kind::Gauge, "Answers of railctl doctor by level");
    let help = "When the doctor last looked, in seconds since 1970";
    let looked = families.declare("railcni_doctor_timestamp_seconds", Kind::Gauge, help);
    let Some((findings, at)) = &agent.findings else { return };
    let mut worst: BTreeMap<&str, Level> = BTreeMap::new();
    for finding in findings {
        let level = worst.entry(finding.check.name()).or_insert(finding.level);
        *level = finding.level.max(*level);
    }
    for (check, level) in worst {
        families.add(place, vec![("check", check.replace(' ', "_"))], Value::Real(number(level)));
    }
    for (level, name) in LEVELS {
        let count = findings.iter().filter(|finding| finding.level == level).count();
        families.add(counted, vec![("level", name.to_owned())], Value::Real(count as f64));
    }
    families.add(looked, Vec::new(), Value::Real(*at as f64));
}

const LEVELS: [(Level, &str); 4] =
    [(Level::Good, "good"), (Level::Info, "info"), (Level::Warning, "warning"), (Level::Error, "error")];

fn number(level: Level) -> f64 {
    match level {
        Level::Good => 0.0,
        Level::Info => 1.0,
        Level::Warning => 2.0,
        Level::Error => 3.0,
    }
}

/// As kube-state-metrics tells those of a Node: 1 for the status that it has, 0 for the others.
fn conditions(families: &mut Families, conditions: &[Condition]) {
    let help = "Conditions of the RailNode: 1 for the status that each has";
    let place = families.declare("railcni_node_condition", Kind::Gauge, help);
    for condition in conditions {
        for status in ["True", "False", "Unknown"] {
            let labels = vec![("type", condition.r#type.clone()), ("status", status.to_owned())];
            let is_so = f64::from(u8::from(condition.status == status));
            families.add(place, labels, Value::Real(is_so));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pool_that_is_not_granted_becomes_no_label() {
        let mut agent = Agent::default();
        agent.pools.insert("gpu".to_owned(), NodePool::default());
        for pool in ["gpu", "x1", "x2"] {
            agent.ended(pool, "refused");
        }
        let known: Vec<_> = agent.wants.iter().map(|((pool, _), count)| (pool.as_str(), *count)).collect();
        assert_eq!(known, [("", 2), ("gpu", 1)]);
    }
}
