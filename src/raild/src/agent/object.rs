//! What the agent writes to the cluster: the node's object, and its own part of that.

use api::{RailNode, RailNodeStatus};
use serde_json::{Value, json};

use super::{Input, PAUSE, Shell};
use crate::connection::{Connection, Failure, object, path};

impl Shell {
    /// From now on this life speaks for the node, as soon as the API server can be told so.
    pub(super) fn join(&mut self) {
        if std::mem::replace(&mut self.joining, true) {
            return;
        }
        let (connection, tell, node) = (self.connection.clone(), self.tell.clone(), self.node.clone());
        let life = self.agent.life().to_owned();
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        let epoch = self.agent.first_epoch(u64::try_from(now.as_micros()).unwrap_or(u64::MAX));
        tokio::task::spawn_local(async move {
            let joined = loop {
                match join(&connection, &node, &life, epoch).await {
                    Ok(joined) => break joined,
                    Err(failure) => eprintln!("raild: railnode {node}: {failure}; trying again"),
                }
                tokio::time::sleep(PAUSE).await;
            };
            let _ = tell.send(Input::Joined(Box::new(joined)));
        });
    }

    /// Only this life is heard, and only its own part of the status.
    pub(super) fn say(&self, status: &RailNodeStatus) {
        let operations = json!([
            { "op": "test", "path": "/status/life", "value": status.life },
            { "op": "add", "path": "/status/epoch", "value": status.epoch },
            { "op": "add", "path": "/status/waits", "value": status.waits },
            { "op": "add", "path": "/status/pools", "value": status.pools },
            { "op": "add", "path": "/status/free", "value": status.free },
        ]);
        self.write(operations, Vec::new());
    }

    /// Changes the status; events are told when it is done.
    pub(super) fn write(&self, operations: Value, events: Vec<Value>) {
        let (connection, tell, node) = (self.connection.clone(), self.tell.clone(), self.node.clone());
        let life = self.agent.life().to_owned();
        tokio::task::spawn_local(async move {
            let patched = connection
                .patch::<RailNode>(&path::<RailNode>(), &node, true, operations)
                .await
                .map(Box::new);
            let said = match patched {
                Err(Failure::Refused(why)) if !is_over(&connection, &node, &life).await => {
                    Err(Failure::Unknown(why))
                }
                patched => patched,
            };
            let is_done = said.is_ok();
            if matches!(said, Err(Failure::Unknown(_))) {
                // It is said again, but not as fast as an API server that is down refuses it.
                tokio::time::sleep(PAUSE).await;
            }
            let _ = tell.send(Input::Said(said));
            if is_done {
                crate::event::tell(&connection, "the node", events).await;
            }
        });
    }
}

/// Whether another life speaks for the node. A refusal alone does not say so: a busy API server has conflicts of its own.
async fn is_over(connection: &Connection, name: &str, life: &str) -> bool {
    let found = connection.get::<RailNode>(&path::<RailNode>(), name).await;
    let is_anothers = |told: &str| !told.is_empty() && told != life;
    found.is_ok_and(|node| node.status.is_some_and(|status| is_anothers(&status.life)))
}

/// Makes the node's object where there is none, with this epoch.
async fn join(connection: &Connection, name: &str, life: &str, epoch: i64) -> Result<RailNode, Failure> {
    let nodes = path::<RailNode>();
    let life = json!({ "status": { "life": life } });
    match connection.merge(&nodes, name, true, life.clone()).await {
        Err(Failure::Missing) => {
            let spec = json!({ "epoch": epoch, "pools": [] });
            let made = object::<RailNode>(&json!({ "name": name }), &spec);
            connection.create::<Value>(&nodes, &made).await?;
            connection.merge(&nodes, name, true, life).await
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::is_over;
    use crate::connection::fake::{Fake, run};
    use serde_json::json;

    #[test]
    fn only_an_object_that_another_life_speaks_for_ends_this_one() {
        run(async {
            let lives = [("ours", false), ("", false), ("another", true)];
            for (life, is_its_end) in lives {
                let node = json!({
                    "apiVersion": "railcni.dev/v1alpha1", "kind": "RailNode", "metadata": {"name": "n"},
                    "spec": {"epoch": 1, "pools": []}, "status": {"epoch": 1, "life": life, "pools": []},
                });
                let fake = Fake::start(move |_, _| (200, node.clone())).await;
                assert_eq!(is_over(&fake.connection, "n", "ours").await, is_its_end, "{life:?}");
            }
            let missing =
                Fake::start(|_, _| (404, json!({"kind": "Status", "status": "Failure", "code": 404})));
            assert!(!is_over(&missing.await.connection, "n", "ours").await);
        });
    }
}
