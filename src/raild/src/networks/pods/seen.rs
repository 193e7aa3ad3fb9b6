//! Of all pods of a cluster, those that ask and have no mark: by their names, and each once.

use std::collections::BTreeMap;

use inject::{Asked, INJECTED, Key, Namespace};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value, json};

use crate::connection::Seen;
use crate::known::key;

/// A pod's metadata with what is read of it; all else that its owner has written there is never kept.
#[derive(Clone, Debug)]
pub(super) struct Asking(Value);

#[derive(Default, Deserialize)]
#[serde(default)]
struct Shown {
    metadata: Metadata,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Metadata {
    name: String,
    namespace: String,
    uid: String,
    deletion_timestamp: Option<String>,
    annotations: Option<Words>,
}

/// The annotations by which a pod asks, and the mark of one that was injected.
struct Words(Map<String, Value>);

impl<'de> Deserialize<'de> for Words {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(WordsVisitor).map(Self)
    }
}

struct WordsVisitor;

impl<'de> serde::de::Visitor<'de> for WordsVisitor {
    type Value = Map<String, Value>;

    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("annotations")
    }

    fn visit_map<A: serde::de::MapAccess<'de>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
        let mut words = Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            if key == INJECTED || Key::ALL.iter().any(|own| own.name() == key) {
                words.insert(key, entries.next_value()?);
            } else {
                entries.next_value::<serde::de::IgnoredAny>()?;
            }
        }
        Ok(words)
    }
}

impl<'de> Deserialize<'de> for Asking {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Metadata { name, namespace, uid, deletion_timestamp, annotations } =
            Shown::deserialize(deserializer)?.metadata;
        let annotations = annotations.map(|words| words.0);
        Ok(Self(json!({ "metadata": {
            "name": name, "namespace": namespace, "uid": uid, "deletionTimestamp": deletion_timestamp,
            "annotations": annotations,
        }})))
    }
}

/// Those that ask and have no mark, by NAMESPACE/NAME, with their UIDs.
#[derive(Debug, Default)]
pub(super) struct Pods {
    waiting: BTreeMap<String, String>,
    /// Nothing that happens to them later is news.
    judged: BTreeMap<String, String>,
}

impl Pods {
    /// Whether there is one more to be judged.
    pub(super) fn see(&mut self, seen: Seen<Asking>, namespace: impl Fn(&str) -> Namespace) -> bool {
        match seen {
            Seen::All(pods, ..) => {
                let before = std::mem::take(&mut self.judged);
                let uids: BTreeMap<_, _> = pods.iter().map(named).collect();
                self.judged = before.into_iter().filter(|(name, uid)| uids.get(name) == Some(uid)).collect();
                // Each of them is added, whatever the first ones are.
                pods.iter().filter(|pod| self.add(pod, &namespace)).count() > 0
            }
            Seen::One(pod) => self.add(&pod, &namespace),
            Seen::Gone(pod) => {
                let (name, _) = named(&pod);
                self.waiting.remove(&name);
                self.judged.remove(&name);
                false
            }
        }
    }

    fn add(&mut self, pod: &Asking, namespace: &impl Fn(&str) -> Namespace) -> bool {
        let (name, uid) = named(pod);
        let is_judged = self.judged.get(&name) == Some(&uid);
        !is_judged && is_suspect(&pod.0, namespace) && self.waiting.insert(name, uid).is_none()
    }

    /// All that wait, each with its UID.
    pub(super) fn take(&mut self) -> BTreeMap<String, String> {
        let waiting = std::mem::take(&mut self.waiting);
        self.judged.extend(waiting.clone());
        waiting
    }

    /// It could not be judged.
    pub(super) fn put_back(&mut self, name: String, uid: String) {
        self.judged.remove(&name);
        self.waiting.insert(name, uid);
    }
}

fn named(pod: &Asking) -> (String, String) {
    (key(&pod.0), pod.0["metadata"]["uid"].as_str().unwrap_or_default().to_owned())
}

fn is_suspect(pod: &Value, namespace: &impl Fn(&str) -> Namespace) -> bool {
    let metadata = &pod["metadata"];
    let namespace = namespace(metadata["namespace"].as_str().unwrap_or_default());
    metadata["deletionTimestamp"].is_null()
        && metadata["annotations"][INJECTED].is_null()
        && Asked::of(pod, &namespace).is_ok_and(|asked| asked.is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(name: &str, uid: &str, annotations: &Value) -> Asking {
        let metadata = json!({ "name": name, "namespace": "jobs", "uid": uid, "annotations": annotations });
        serde_json::from_value(json!({ "metadata": metadata, "spec": [1, 2] })).unwrap()
    }

    fn asks(name: &str, uid: &str) -> Asking {
        pod(name, uid, &json!({ "railcni.dev/fabric": "gpu" }))
    }

    fn one(pods: &mut Pods, pod: Asking) -> bool {
        pods.see(Seen::One(Box::new(pod)), Namespace::named)
    }

    #[test]
    fn of_a_fat_pod_nothing_is_kept_but_what_is_read() {
        let fat = json!({ "fat": "x".repeat(250_000), "railcni.dev/fabric": "gpu", INJECTED: "gpu" });
        let kept = pod("a", "1", &fat).0.to_string();
        assert!(kept.len() < 300 && kept.contains("gpu"), "{} bytes are kept", kept.len());
    }

    #[test]
    fn a_pod_that_changes_all_the_time_wakes_nobody() {
        let mut pods = Pods::default();
        assert!(!one(&mut pods, pod("other", "0", &json!({ "tick": "1" }))));
        assert!(!one(&mut pods, pod("other", "0", &json!({ "tick": "2" }))));
        assert!(one(&mut pods, asks("a", "1")));
        assert!(!one(&mut pods, asks("a", "1")), "it waits already");
        assert_eq!(pods.take(), [("jobs/a".to_owned(), "1".to_owned())].into());
        assert!(!one(&mut pods, asks("a", "1")), "it has been judged");
        assert!(one(&mut pods, asks("a", "2")), "it is another by the same name");
    }

    #[test]
    fn what_could_not_be_judged_waits_and_what_is_gone_is_forgotten() {
        let mut pods = Pods::default();
        one(&mut pods, asks("a", "1"));
        for (name, uid) in pods.take() {
            pods.put_back(name, uid);
        }
        assert_eq!(pods.take().len(), 1);
        assert!(!pods.see(Seen::All(vec![asks("a", "1")], 5, false), Namespace::named));
        pods.see(Seen::Gone(Box::new(asks("a", "1"))), Namespace::named);
        assert_eq!((pods.waiting.len(), pods.judged.len()), (0, 0));
    }
}
