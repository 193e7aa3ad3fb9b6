//! The status of pools, for people: sums over the cluster, conditions, and an event when one of them turns bad. Nothing depends on
//! it, so it is written in the background, and not more than once in a while.

use std::collections::BTreeMap;
use std::time::Duration;

use api::{Condition, SpiderIPPool, SpiderIPPoolStatus};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::connection::{Connection, path};
use crate::event;

/// Between two looks.
const EVERY: Duration = Duration::from_secs(2);
/// How long the API server may take to show what was written.
const SHOWN: Duration = Duration::from_secs(10);

/// What was written last, and when.
#[derive(Default)]
pub(super) struct Statuses {
    looked: Option<Instant>,
    written: BTreeMap<String, (SpiderIPPoolStatus, Instant)>,
}

impl Statuses {
    /// Whether it is time to look again.
    pub(super) fn is_due(&mut self) -> bool {
        let is_due = self.looked.is_none_or(|looked| looked.elapsed() >= EVERY);
        if is_due {
            self.looked = Some(Instant::now());
        }
        is_due
    }

    /// Writes the part of the status that is ours, if the pool does not have it.
    pub(super) fn tell(
        &mut self,
        connection: &Connection,
        pool: &SpiderIPPool,
        figures: grants::Figures,
        wanted: Vec<Condition>,
    ) {
        let known = pool.status.clone().unwrap_or_default();
        let now = k8s_openapi::jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        let (conditions, news) = grants::changed(wanted, &known.conditions, &now);
        let status = SpiderIPPoolStatus {
            total_ip_count: Some(figures.total),
            allocated_ip_count: Some(figures.used),
            granted: Some(figures.granted),
            free: Some(figures.free),
            conditions,
            ..known.clone()
        };
        let name = &pool.metadata.name;
        let is_shown_soon =
            |(written, at): &(SpiderIPPoolStatus, Instant)| *written == status && at.elapsed() < SHOWN;
        if status == known || self.written.get(name).is_some_and(is_shown_soon) {
            return;
        }
        self.written.insert(name.clone(), (status.clone(), Instant::now()));
        let events = news.iter().map(|condition| event(pool, condition, &now)).collect::<Vec<_>>();
        tokio::task::spawn_local(write(connection.clone(), name.clone(), status, events));
    }

    /// Forgets pools that are no more.
    pub(super) fn retain(&mut self, is_there: impl Fn(&str) -> bool) {
        self.written.retain(|name, _| is_there(name));
    }
}

async fn write(connection: Connection, name: String, status: SpiderIPPoolStatus, events: Vec<Value>) {
    let change = json!({ "status": {
        "totalIPCount": status.total_ip_count, "allocatedIPCount": status.allocated_ip_count,
        "granted": status.granted, "free": status.free, "conditions": status.conditions,
    }});
    let written = connection.merge::<SpiderIPPool>(&path::<SpiderIPPool>(), &name, true, change).await;
    if let Err(problem) = written {
        eprintln!("raild: status of pool {name}: {problem}");
    }
    event::tell(&connection, &format!("pool {name}"), events).await;
}

fn event(pool: &SpiderIPPool, condition: &Condition, now: &str) -> Value {
    let reason = if condition.r#type == "Granting" { "NotGranting" } else { &condition.r#type };
    let source = json!({ "component": "raild-controller" });
    let said = event::Said { is_bad: true, reason, message: &condition.message, source, now };
    event::about::<SpiderIPPool>(&pool.metadata, &said)
}
