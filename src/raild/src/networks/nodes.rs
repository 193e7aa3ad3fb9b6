//! What a cluster says of its nodes: their labels, whether their rails are ready, and which NICs they have.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use api::RailNode;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::Notify;

use super::{Kept, keep};
use crate::connection::{Connection, Seen, path};

/// By the SR-IOV network operator, where it runs.
const STATES: &str = "/apis/sriovnetwork.openshift.io/v1/sriovnetworknodestates";

/// By name; `None` before the first list.
type Said<T> = Rc<RefCell<Option<BTreeMap<String, T>>>>;

/// What is known of all nodes.
#[derive(Default)]
pub(super) struct Nodes {
    objects: Kept,
    /// The status of the condition `Ready` of each node whose agent has judged.
    ready: Said<String>,
    /// Their states, with the names and kinds of their NICs and no more.
    nics: Said<Value>,
}

impl Nodes {
    /// Begins to follow all that is said of them.
    ///
    /// Of the operator's word on NICs, only what stands in these namespaces counts: a tenant who may write the kind in his own would
    /// choose the NICs of everybody's rails.
    pub(super) fn follow(
        connection: &Connection,
        changed: &Rc<Notify>,
        operators: &BTreeSet<String>,
    ) -> Self {
        let nodes = Self::default();
        let (kept, news) = (nodes.objects.clone(), changed.clone());
        let objects = connection.clone().follow_metadata("/api/v1/nodes".to_owned(), move |seen| {
            keep(&kept, seen);
            news.notify_one();
            true
        });
        tokio::task::spawn_local(objects);
        let tell = note(nodes.ready.clone(), changed.clone(), |_| true, Judged::ready);
        tokio::task::spawn_local(connection.clone().follow_where_served(path::<RailNode>(), tell));
        let operators = operators.clone();
        let counts = move |state: &State| operators.contains(&state.metadata.namespace);
        let tell = note(nodes.nics.clone(), changed.clone(), counts, |state| Some(state.object()));
        tokio::task::spawn_local(connection.clone().follow_where_served(STATES.to_owned(), tell));
        nodes
    }

    /// All of it as objects for a plan; `None` before everything is listed.
    pub(super) fn documents(&self) -> Option<Vec<Value>> {
        self.ready.borrow().as_ref()?;
        let (objects, nics) = (self.objects.borrow(), self.nics.borrow());
        // Lists of metadata do not say of what kind their items are.
        let of_kind = |node: &Value| json!({ "kind": "Node", "metadata": node["metadata"] });
        let nodes = objects.as_ref()?;
        // The state of a node that is gone says nothing of the nodes that there are.
        let states =
            nics.as_ref()?.iter().filter(|(name, _)| nodes.contains_key(*name)).map(|(_, state)| state);
        Some(nodes.values().map(of_kind).chain(states.cloned()).collect())
    }

    /// What the agent of a node says of its rails.
    pub(super) fn ready(&self, node: &str) -> Option<String> {
        self.ready.borrow().as_ref()?.get(node).cloned()
    }
}

#[derive(Clone, Default, Deserialize)]
#[serde(default)]
struct Named {
    name: String,
    namespace: String,
}

#[derive(Clone, Default, Deserialize)]
#[serde(default)]
struct Judged {
    metadata: Named,
    status: Option<Judgement>,
}

#[derive(Clone, Default, Deserialize)]
#[serde(default)]
struct Judgement {
    conditions: Vec<api::Condition>,
}

#[derive(Clone, Default, Deserialize)]
#[serde(default)]
struct State {
    metadata: Named,
    status: Interfaces,
}

#[derive(Clone, Default, Deserialize)]
#[serde(default)]
struct Interfaces {
    interfaces: Vec<Interface>,
}

#[derive(Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Interface {
    name: String,
    pci_address: String,
    link_type: String,
    totalvfs: u32,
}

trait Of {
    fn name(&self) -> &str;
}

impl Of for Judged {
    fn name(&self) -> &str {
        &self.metadata.name
    }
}

impl Of for State {
    fn name(&self) -> &str {
        &self.metadata.name
    }
}

impl Judged {
    fn ready(&self) -> Option<String> {
        let mut conditions = self.status.iter().flat_map(|status| &status.conditions);
        conditions.find(|condition| condition.r#type == "Ready").map(|condition| condition.status.clone())
    }
}

impl State {
    /// Its VFs and what they have are most of it.
    fn object(&self) -> Value {
        let interfaces = self.status.interfaces.iter().map(|nic| {
            json!({
                "name": nic.name, "pciAddress": nic.pci_address, "linkType": nic.link_type, "totalvfs": nic.totalvfs,
            })
        });
        json!({
            "kind": "SriovNetworkNodeState", "metadata": { "name": self.metadata.name },
            "status": { "interfaces": interfaces.collect::<Value>() },
        })
    }
}

/// Notes what a function reads of those that count, and tells when that is something else than before: an agent counts addresses all
/// the time.
fn note<T: Of, U: PartialEq + Clone>(
    said: Said<U>,
    changed: Rc<Notify>,
    counts: impl Fn(&T) -> bool,
    read: fn(&T) -> Option<U>,
) -> impl Fn(Seen<T>) -> bool {
    move |seen| {
        let mut said = said.borrow_mut();
        let is_news = match seen {
            Seen::One(one) | Seen::Gone(one) if !counts(&one) => false,
            Seen::All(all, ..) => {
                let named = |one: &T| Some((one.name().to_owned(), read(one)?));
                let all = Some(all.iter().filter(|one| counts(one)).filter_map(named).collect());
                let is_news = *said != all;
                *said = all;
                is_news
            }
            Seen::One(one) => {
                let known = said.get_or_insert_default();
                match read(&one) {
                    Some(word) => known.insert(one.name().to_owned(), word.clone()).as_ref() != Some(&word),
                    None => known.remove(one.name()).is_some(),
                }
            }
            Seen::Gone(one) => said.get_or_insert_default().remove(one.name()).is_some(),
        };
        if is_news {
            changed.notify_one();
        }
        true
    }
}
