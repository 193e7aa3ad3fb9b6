//! Pods that ask for rails and were made while the webhook was away: they run without, and somebody has to say so.

mod seen;

use std::cell::RefCell;
use std::rc::Rc;

use admission::{Request, mutate};
use serde_json::Value;
use tokio::sync::Notify;

use super::report::event;
use crate::connection::{Connection, Failure};
use crate::known::Known;
use seen::{Asking, Pods};

/// Pods of which only their metadata has been seen.
pub(super) struct Suspects(Rc<RefCell<Pods>>);

impl Suspects {
    /// Begins to look at the metadata of all pods, of which it keeps the names of those that ask and have no mark.
    pub(super) fn follow(connection: &Connection, known: &Known, changed: &Rc<Notify>) -> Self {
        let pods = Rc::new(RefCell::new(Pods::default()));
        let (kept, known, changed) = (pods.clone(), known.clone(), changed.clone());
        let follow = connection.clone().follow_metadata::<Asking>("/api/v1/pods".to_owned(), move |seen| {
            let world = known.world.borrow();
            if kept.borrow_mut().see(seen, |namespace| world.namespace(namespace)) {
                changed.notify_one();
            }
            true
        });
        tokio::task::spawn_local(follow);
        Self(pods)
    }

    /// Tells of those that would be injected, were they made now.
    pub(super) async fn judge(&self, connection: &Connection, known: &Known) {
        let waiting = self.0.borrow_mut().take();
        for (name, uid) in waiting {
            let (namespace, own) = name.split_once('/').unwrap_or_default();
            let path = format!("/api/v1/namespaces/{namespace}/pods");
            match connection.get::<Value>(&path, own).await {
                Ok(pod) => tell(connection, known, pod).await,
                Err(Failure::Missing) => {}
                // Another pass may have more luck.
                Err(_) => self.0.borrow_mut().put_back(name, uid),
            }
        }
    }
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
