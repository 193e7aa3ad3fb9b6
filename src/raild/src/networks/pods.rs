//! Pods that ask for rails and were made while the webhook was away: they run without, and somebody has to say so.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;

use admission::{Request, mutate};
use inject::{Asked, INJECTED};
use serde_json::Value;
use tokio::sync::Notify;

use super::report::event;
use crate::connection::{Connection, Failure, Seen};
use crate::known::{Known, key};

/// Pods of which only their metadata has been seen.
pub(super) struct Suspects(Rc<RefCell<BTreeSet<String>>>);

impl Suspects {
    /// Begins to look at the metadata of all pods, of which it keeps the names of those that ask and have no mark.
    pub(super) fn follow(connection: &Connection, known: &Known, changed: &Rc<Notify>) -> Self {
        let names = Rc::new(RefCell::new(BTreeSet::new()));
        let (kept, known, changed) = (names.clone(), known.clone(), changed.clone());
        let follow = connection.clone().follow_metadata("/api/v1/pods".to_owned(), move |seen| {
            let pods = match seen {
                Seen::All(pods, ..) => pods,
                Seen::One(pod) => vec![*pod],
                Seen::Gone(_) => Vec::new(),
            };
            let asking = pods.iter().filter(|pod| is_suspect(pod, &known)).map(key);
            kept.borrow_mut().extend(asking);
            changed.notify_one();
            true
        });
        tokio::task::spawn_local(follow);
        Self(names)
    }

    /// Tells of those that would be injected, were they made now.
    pub(super) async fn judge(&self, connection: &Connection, known: &Known) {
        let names = std::mem::take(&mut *self.0.borrow_mut());
        for name in names {
            let (namespace, own) = name.split_once('/').unwrap_or_default();
            let path = format!("/api/v1/namespaces/{namespace}/pods");
            match connection.get::<Value>(&path, own).await {
                Ok(pod) => tell(connection, known, pod).await,
                Err(Failure::Missing) => {}
                // Another pass may have more luck.
                Err(_) => drop(self.0.borrow_mut().insert(name.clone())),
            }
        }
    }
}

fn is_suspect(pod: &Value, known: &Known) -> bool {
    let metadata = &pod["metadata"];
    let namespace = known.world.borrow().namespace(metadata["namespace"].as_str().unwrap_or_default());
    metadata["deletionTimestamp"].is_null()
        && metadata["annotations"][INJECTED].is_null()
        && Asked::of(pod, &namespace).is_ok_and(|asked| asked.is_some())
}

async fn tell(connection: &Connection, known: &Known, pod: Value) {
    let request = Request::to_create("Pod", pod.clone());
    let answer = mutate(&request, &mut known.world.borrow_mut());
    let message = match answer.refusal {
        Some(refusal) => format!("it has no rails: {refusal}"),
        None if answer.patch.is_empty() => return,
        None => "it has no rails: nobody injected it, for the webhook was not reached when it was made, or its namespace did not ask for rails yet. Delete it to have it made again; is `raild webhook` running?".to_owned(),
    };
    let name = format!("{}.not-injected", pod["metadata"]["uid"].as_str().unwrap_or_default());
    event(connection, &pod, "Pod", "NotInjected", &message, Some(name)).await;
}
