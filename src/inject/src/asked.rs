//! What a pod asks for, and by which key.

use serde_json::Value;

use crate::error::Refusal;
use crate::namespace::Namespace;

/// Kubernetes takes no longer label, and no longer name of an object.
const LONGEST: usize = 253;

/// By which key a pod asks for rails.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Key {
    /// A Fabric by its name.
    Fabric,
    /// All `SpiderMultusConfig`s with the same word, and their RDMA resources.
    Rdma,
    /// The same, with the resources that they have.
    Network,
}

/// The word that is followed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Asked {
    /// By which key.
    pub key: Key,
    /// Its value.
    pub word: String,
    /// Whether it is the namespace's word, and not the pod's own.
    pub of_namespace: bool,
}

impl Key {
    /// In the order in which they count.
    pub const ALL: [Self; 3] = [Self::Fabric, Self::Rdma, Self::Network];

    /// Of the annotation, or of a namespace's label.
    pub fn name(self) -> &'static str {
        match self {
            Self::Fabric => "railcni.dev/fabric",
            Self::Rdma => "cni.spidernet.io/rdma-resource-inject",
            Self::Network => "cni.spidernet.io/network-resource-inject",
        }
    }
}

impl Asked {
    /// What the pod says beats what its namespace says; of several keys in one place the first counts. An empty word on a pod
    /// asks for nothing, whatever its namespace says.
    pub fn of(pod: &Value, namespace: &Namespace) -> Result<Option<Self>, Refusal> {
        let own = |key: Key| pod["metadata"]["annotations"][key.name()].as_str();
        if let Some((key, word)) = Key::ALL.into_iter().find_map(|key| Some((key, own(key)?))) {
            return Self::new(key, word, false);
        }
        let of_namespace = |key: Key| namespace.word(key.name());
        match Key::ALL.into_iter().find_map(|key| Some((key, of_namespace(key)?))) {
            Some((key, word)) => Self::new(key, word, true),
            None => Ok(None),
        }
    }

    fn new(key: Key, word: &str, of_namespace: bool) -> Result<Option<Self>, Refusal> {
        if word.len() > LONGEST {
            return Err(Refusal::annotation(
                key.name(),
                word,
                format!("is longer than {LONGEST} characters"),
            ));
        }
        let asked = || Self { key, word: word.to_owned(), of_namespace };
        Ok((!word.is_empty()).then(asked))
    }
}
