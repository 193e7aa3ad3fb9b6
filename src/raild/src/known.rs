//! What the API server shows of pools, networks and namespaces, kept by name: for the webhook, which answers out of it, and for the
//! controller's networks.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;

use admission::World;
use api::{Fabric, SpiderIPPool, SpiderMultusConfig};
use serde_json::Value;
use tokio::sync::watch;

use crate::connection::{Connection, Failure, Seen, path};
use crate::looks::Looks;

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
    changed: Rc<watch::Sender<()>>,
    /// At what pods can name.
    looks: Rc<Looks<()>>,
    /// The newest version of each list that the watch has shown.
    versions: Rc<RefCell<BTreeMap<List, u64>>>,
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
        let known = Self::new(world);
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

    pub(crate) fn new(world: World) -> Self {
        Self {
            world: Rc::new(RefCell::new(world)),
            missing: Rc::new(RefCell::new(List::ALL.into())),
            changed: Rc::default(),
            looks: Rc::default(),
            versions: Rc::default(),
        }
    }

    /// Waits until every list is there: before that, nobody can say that something is not.
    pub(crate) async fn complete(&self) {
        let mut changes = self.changes();
        while !self.missing.borrow().is_empty() {
            changes.next().await;
        }
    }

    /// All changes from now on: one that comes while nobody waits is there for whoever waits next.
    pub(crate) fn changes(&self) -> Changes {
        Changes(self.changed.subscribe())
    }

    /// Asks for what pods can name, as it is now. A crowd of pods with a wrong word is no crowd of lists.
    pub(crate) async fn look_again(&self, connection: &Connection) {
        self.looks.look(|| self.look(connection)).await;
    }

    async fn look(&self, connection: &Connection) {
        for list in [List::Configs, List::Fabrics] {
            match tokio::time::timeout(LOOK, connection.list::<Value>(&list.path())).await {
                Ok(Ok((objects, version))) => self.take_look(list, objects, version),
                Ok(Err(Failure::Unknown(problem) | Failure::Refused(problem))) => {
                    eprintln!("raild: {}: {problem}", list.path());
                }
                Ok(Err(Failure::Missing)) | Err(_) => eprintln!("raild: {}: no answer", list.path()),
            }
        }
    }

    /// What a look has found; nothing, if the watch has gone beyond it meanwhile: what is gone by now is not put back.
    fn take_look(&self, list: List, objects: Vec<Value>, version: u64) {
        if self.versions.borrow().get(&list).is_none_or(|newest| *newest <= version) {
            self.take(list, Seen::All(objects, version, false));
        }
    }

    fn take(&self, list: List, seen: Seen<Value>) {
        let mut world = self.world.borrow_mut();
        let kept = list.of(&mut world);
        self.note(list, &seen);
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
        self.changed.send_replace(());
    }

    fn note(&self, list: List, seen: &Seen<Value>) {
        let mut versions = self.versions.borrow_mut();
        let newest = versions.entry(list).or_default();
        match seen {
            // It may have gone back in time.
            Seen::All(_, version, _) => *newest = *version,
            Seen::One(object) | Seen::Gone(object) => {
                let version = object["metadata"]["resourceVersion"].as_str().unwrap_or_default();
                *newest = (*newest).max(version.parse().unwrap_or(0));
            }
        }
    }
}

/// Changes of what is known, for one who follows them.
pub(crate) struct Changes(watch::Receiver<()>);

impl Changes {
    /// Waits for one that has not been waited for; several are one.
    pub(crate) async fn next(&mut self) {
        // An error says that nothing changes any more.
        if self.0.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
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

#[cfg(test)]
mod tests {
    use fabric::Options;
    use inject::Policy;

    use super::*;

    fn known() -> Known {
        Known::new(World::new(Policy::default(), Options::of_cluster("default")))
    }

    fn run(test: impl Future<Output = ()>) {
        tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(test);
    }

    async fn is_told(changes: &mut Changes) -> bool {
        tokio::time::timeout(Duration::from_millis(50), changes.next()).await.is_ok()
    }

    /// Whoever follows is busy with the change before, most of the time.
    #[test]
    fn a_change_that_comes_while_nobody_waits_is_not_lost() {
        run(async {
            let known = known();
            let mut changes = known.changes();
            known.take(List::Configs, Seen::All(Vec::new(), 1, false));
            known.take(List::Pools, Seen::All(Vec::new(), 2, false));
            assert!(is_told(&mut changes).await, "it came before anybody waited");
            assert!(!is_told(&mut changes).await, "several are one");
        });
    }

    fn object(name: &str, version: &str) -> Value {
        serde_json::json!({ "metadata": { "name": name, "resourceVersion": version } })
    }

    #[test]
    fn a_look_does_not_put_back_what_the_watch_has_seen_go() {
        let known = known();
        let names = || known.world.borrow().configs.keys().cloned().collect::<Vec<_>>();
        known.take(List::Configs, Seen::All(vec![object("a", "3"), object("b", "5")], 5, false));
        known.take(List::Configs, Seen::Gone(Box::new(object("b", "7"))));
        // The answer is of a moment before.
        known.take_look(List::Configs, vec![object("a", "3"), object("b", "5")], 6);
        assert_eq!(names(), ["a"]);
        known.take_look(List::Configs, vec![object("a", "3"), object("c", "8")], 8);
        assert_eq!(names(), ["a", "c"]);
        // After a restore all is older.
        known.take(List::Configs, Seen::All(vec![object("a", "1")], 2, true));
        known.take_look(List::Configs, vec![object("d", "2")], 3);
        assert_eq!(names(), ["d"]);
    }

    #[test]
    fn all_is_known_when_the_last_list_is_there() {
        run(async {
            let known = known();
            for (number, list) in List::ALL.into_iter().enumerate() {
                let early = tokio::time::timeout(Duration::from_millis(20), known.complete()).await;
                assert!(early.is_err(), "after {number} lists");
                known.take(list, Seen::All(Vec::new(), 1, false));
            }
            known.complete().await;
        });
    }
}
