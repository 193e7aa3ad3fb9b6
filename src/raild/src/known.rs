//! What the API server shows of pools, networks and namespaces, kept by name: for the webhook, which answers out of it, and for the
//! controller's networks.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;

use admission::World;
use api::{Fabric, SpiderIPPool, SpiderMultusConfig};
use serde_json::Value;
use tokio::sync::{Mutex, Notify};
use tokio::time::Instant;

use crate::connection::{Connection, Failure, Seen, path};

/// Lists that are followed.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum List {
    Pools,
    Configs,
    Fabrics,
    Namespaces,
}

/// How long what is not known may be looked for while somebody waits.
const LOOK: Duration = Duration::from_secs(2);

/// Shared by all tasks of the process, which has one thread.
#[derive(Clone)]
pub(crate) struct Known {
    pub(crate) world: Rc<RefCell<World>>,
    missing: Rc<RefCell<BTreeSet<List>>>,
    changed: Rc<Notify>,
    /// When the last look began.
    looked: Rc<Mutex<Option<Instant>>>,
}

impl List {
    const ALL: [Self; 4] = [Self::Pools, Self::Configs, Self::Fabrics, Self::Namespaces];

    fn path(self) -> String {
        match self {
            Self::Pools => path::<SpiderIPPool>(),
            Self::Configs => path::<SpiderMultusConfig>(),
            Self::Fabrics => path::<Fabric>(),
            Self::Namespaces => "/api/v1/namespaces".to_owned(),
        }
    }

    fn of(self, world: &mut World) -> &mut BTreeMap<String, Value> {
        match self {
            Self::Pools => &mut world.pools,
            Self::Configs => &mut world.configs,
            Self::Fabrics => &mut world.fabrics,
            Self::Namespaces => &mut world.namespaces,
        }
    }
}

impl Known {
    /// Begins to follow all lists.
    pub(crate) fn follow(connection: &Connection, world: World) -> Self {
        let known = Self {
            world: Rc::new(RefCell::new(world)),
            missing: Rc::new(RefCell::new(List::ALL.into())),
            changed: Rc::default(),
            looked: Rc::default(),
        };
        for list in List::ALL {
            let known = known.clone();
            let follow = connection.clone().follow(list.path(), None, move |seen| {
                known.take(list, seen);
                true
            });
            tokio::task::spawn_local(follow);
        }
        known
    }

    /// Waits until every list is there: before that, nobody can say that something is not.
    pub(crate) async fn complete(&self) {
        while !self.missing.borrow().is_empty() {
            self.changed.notified().await;
        }
    }

    /// Waits for the next change.
    pub(crate) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Asks for what pods can name, as it is now. Whoever comes while somebody looks shares the next look: a crowd of pods with a
    /// wrong word is no crowd of lists.
    pub(crate) async fn look_again(&self, connection: &Connection) {
        let came = Instant::now();
        let mut looked = self.looked.lock().await;
        if looked.is_some_and(|begun| begun >= came) {
            return;
        }
        *looked = Some(Instant::now());
        for list in [List::Configs, List::Fabrics] {
            match tokio::time::timeout(LOOK, connection.list::<Value>(&list.path())).await {
                Ok(Ok((objects, version))) => self.take(list, Seen::All(objects, version, false)),
                Ok(Err(Failure::Unknown(problem) | Failure::Refused(problem))) => {
                    eprintln!("raild: {}: {problem}", list.path());
                }
                Ok(Err(Failure::Missing)) | Err(_) => eprintln!("raild: {}: no answer", list.path()),
            }
        }
    }

    fn take(&self, list: List, seen: Seen<Value>) {
        let mut world = self.world.borrow_mut();
        let kept = list.of(&mut world);
        match seen {
            Seen::All(objects, ..) => {
                *kept = objects.into_iter().map(slim).map(|object| (key(&object), object)).collect();
            }
            Seen::One(object) => {
                let object = slim(*object);
                kept.insert(key(&object), object);
            }
            Seen::Gone(object) => {
                kept.remove(&key(&object));
            }
        }
        world.changed();
        self.missing.borrow_mut().remove(&list);
        self.changed.notify_waiters();
    }
}

/// `NAME`, or `NAMESPACE/NAME`.
pub(crate) fn key(object: &Value) -> String {
    let name = object["metadata"]["name"].as_str().unwrap_or_default();
    match object["metadata"]["namespace"].as_str() {
        Some(namespace) => format!("{namespace}/{name}"),
        None => name.to_owned(),
    }
}

/// Without what nobody reads: who wrote which field is most of an object.
pub(crate) fn slim(mut object: Value) -> Value {
    if let Some(metadata) = object["metadata"].as_object_mut() {
        metadata.remove("managedFields");
    }
    object
}
