//! From what a Fabric's plan says to what the API server has, step by step: what may change does now, and what would be taken from
//! under a pod waits, and says for whom.

use std::time::Duration;

use api::{Kind as _, SpiderIPPool};
use fabric::{Change, Plan};
use serde_json::Value;

use super::{DEFINITIONS, Networks, namespaced};
use crate::connection::{Failure, path};
use crate::known::key;
use crate::users::Users;

/// Between two looks at who uses what is to change.
const LOOK: Duration = Duration::from_secs(5);

/// On a Fabric: its networks change whoever asks for them.
const MEANT: &str = "railcni.dev/change-networks-in-use";

/// What is not as planned yet.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    /// For pods.
    pub(super) waiting: Vec<String>,
    /// It was tried, and failed.
    pub(super) problems: Vec<String>,
}

impl Networks {
    /// Makes the changes of a plan that can be made.
    pub(super) async fn keep(&mut self, plan: &Plan, fabric: &Value) -> Outcome {
        let metadata = &fabric["metadata"];
        let uid = metadata["uid"].as_str().unwrap_or_default();
        let is_meant = metadata["annotations"][MEANT] == "true";
        let wanted = plan.owned(uid, &self.options);
        let found = self.found(&plan.name, &wanted);
        let mut users = Users::new(&self.connection);
        let (mut outcome, mut failed, mut is_on) = (Outcome::default(), Vec::new(), false);
        for change in plan.changes(uid, &wanted, &found) {
            let name = name(&change);
            match self.held(&name, &change, &mut users, is_meant).await {
                Ok(None) => {}
                Ok(Some(waiting)) => {
                    outcome.waiting.push(waiting);
                    continue;
                }
                Err(problem) => {
                    outcome.problems.push(problem);
                    continue;
                }
            }
            let made = match (change.wanted, change.found) {
                (Some(wanted), found) => self.attempt(wanted, found, false).await,
                (None, Some(found)) => self.attempt_removal(&name, found).await,
                (None, None) => Ok(()),
            };
            is_on |= made.is_ok();
            if let Err(problem) = made {
                outcome.problems.push(problem);
                failed.push(name);
            }
        }
        if is_on {
            // What failed may have stood in the way of what was done: slices that move take each other's places.
            for name in &failed {
                self.attempts.again(name);
            }
        }
        outcome
    }

    /// What the cluster has of these, and of what this Fabric once wanted.
    fn found(&self, fabric: &str, wanted: &[Value]) -> Vec<Value> {
        let of_this = |object: &&Value| object["metadata"]["labels"][fabric::PART_OF] == fabric;
        // Labels and owners of networks elsewhere are whatever somebody there has written.
        let is_at_home = |object: &&Value| {
            let namespace = &object["metadata"]["namespace"];
            namespace.is_null() || *namespace == self.options.namespace
        };
        let is_of = |object: &&Value| of_this(object) && is_at_home(object);
        let (world, definitions) = (self.known.world.borrow(), self.definitions.borrow());
        let all = world.pools.values().chain(definitions.iter().flatten().map(|(_, object)| object));
        let mut found: Vec<Value> = all.filter(is_of).cloned().collect();
        // Of the same name, and nobody's or another's.
        let others = wanted.iter().filter_map(|object| {
            let name = key(object);
            let is_pool = object["metadata"]["namespace"].is_null();
            let there = if is_pool { world.pools.get(&name) } else { definitions.as_ref()?.get(&name) };
            there.filter(|object| !is_of(object))
        });
        found.extend(others.cloned());
        found
    }

    /// For whom a change has to wait.
    async fn held(
        &mut self,
        name: &str,
        change: &Change<'_>,
        users: &mut Users,
        is_meant: bool,
    ) -> Result<Option<String>, String> {
        let Some(found) = change.found else { return Ok(None) };
        let wanted = change.wanted.unwrap_or(&Value::Null);
        let now = self.begun.elapsed();
        if let Some(waiting) = self.waits.failed(name, wanted, Some(found), now).filter(|_| !is_meant) {
            return Ok(Some(waiting.to_owned()));
        }
        let (whom, why) = match change.waits {
            _ if found["kind"] == SpiderIPPool::KIND => {
                (users.of_pool(found, wanted).await?, "it would lose their addresses")
            }
            Some(_) if is_meant => return Ok(None),
            Some(why) => (users.of_network(&key(found)).await?, why),
            None => return Ok(None),
        };
        let waiting = whom.map(|whom| format!("{name} waits for {whom}: {why}"));
        if let Some(waiting) = &waiting {
            self.waits.hold(name, wanted, found, waiting, now, LOOK);
        }
        Ok(waiting)
    }

    async fn attempt_removal(&mut self, name: &str, found: &Value) -> Result<(), String> {
        let now = self.begun.elapsed();
        if let Some(problem) = self.attempts.failed(name, &Value::Null, Some(found), now) {
            return Err(problem.to_owned());
        }
        let metadata = &found["metadata"];
        let text = |key: &str| metadata[key].as_str().unwrap_or_default();
        let path = match metadata["namespace"].as_str() {
            Some(namespace) => namespaced(DEFINITIONS, namespace),
            None => path::<SpiderIPPool>(),
        };
        // As it was looked at: whoever takes it over meanwhile keeps it.
        let deleted = self.connection.delete(&path, text("name"), text("uid"), text("resourceVersion")).await;
        let outcome = match deleted {
            Ok(()) | Err(Failure::Missing) => Ok(()),
            Err(failure) => Err(format!("{name} is to go: {failure}")),
        };
        self.attempts.note(name, &Value::Null, Some(found), &outcome, now);
        outcome
    }
}

/// `KIND NAMESPACE/NAME`
fn name(change: &Change<'_>) -> String {
    let object = change.wanted.or(change.found).unwrap_or(&Value::Null);
    super::title(object)
}
