//! What the controller tells Prometheus: as of its last look at pools, every other second.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use api::RailNode;
use metrics::{Controller, Pool};

use crate::connection::Seen;
use crate::exporter;

/// Shared by the shell and the scrapes, in one thread.
#[derive(Clone, Default)]
pub(super) struct Figures {
    told: Rc<RefCell<Controller>>,
    /// The status of each node's condition `Ready`.
    ready: BTreeMap<String, String>,
}

impl Figures {
    /// Begins to serve, if the environment says where.
    pub(super) async fn serve(&self) -> Result<(), String> {
        let Some(listener) = exporter::bind().await? else { return Ok(()) };
        let told = self.told.clone();
        let tell = move || std::future::ready(metrics::controller(&told.borrow()));
        tokio::task::spawn_local(exporter::serve(listener, tell));
        Ok(())
    }

    pub(super) fn see(&mut self, seen: &Seen<RailNode>) {
        match seen {
            Seen::All(nodes, ..) => {
                self.ready = nodes.iter().map(|node| (node.metadata.name.clone(), ready(node))).collect();
            }
            Seen::One(node) => {
                self.ready.insert(node.metadata.name.clone(), ready(node));
            }
            Seen::Gone(node) => {
                self.ready.remove(&node.metadata.name);
            }
        }
    }

    pub(super) fn note(&self, pools: BTreeMap<String, Pool>, blocks: usize, leader: bool) {
        let mut nodes = BTreeMap::new();
        for status in self.ready.values() {
            *nodes.entry(status.clone()).or_default() += 1;
        }
        *self.told.borrow_mut() = Controller { pools, nodes, blocks, leader };
    }
}

/// A node whose agent has not said anything yet is not known to be ready.
fn ready(node: &RailNode) -> String {
    let conditions = node.status.iter().flat_map(|status| &status.conditions);
    let ready = conditions.into_iter().find(|condition| condition.r#type == "Ready");
    ready.map_or("Unknown", |condition| &condition.status).to_owned()
}
