//! Why a pod is refused.

use crate::asked::Key;

/// Why a pod that asks for rails cannot have them: what, where, and the cure.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Refusal {
    /// Nothing has this name.
    #[error("{} {word:?}: {}", .key.name(), unknown(*.key, .known, .configs))]
    Unknown {
        /// The key of the annotation or label.
        key: Key,
        /// Its value.
        word: String,
        /// What there is.
        known: Vec<String>,
        /// The namespaces whose configs count for all pods.
        configs: Vec<String>,
    },
    /// A network that the word stands for cannot be used.
    #[error("{} {word:?}: {problem}", .key.name())]
    Network {
        /// The key of the annotation or label.
        key: Key,
        /// Its value.
        word: String,
        /// Which network, what is wrong with it, and the cure.
        problem: String,
    },
    /// An annotation that says what cannot be meant.
    #[error("annotation {annotation} {value:?}: {problem}")]
    Annotation {
        /// Its key.
        annotation: &'static str,
        /// What stands there, cut where it is long.
        value: String,
        /// What is wrong with it, and what is allowed.
        problem: String,
    },
    /// No pod that an API server would take.
    #[error("{0}")]
    Pod(&'static str),
}

impl Refusal {
    pub(crate) fn annotation(annotation: &'static str, value: &str, problem: impl Into<String>) -> Self {
        Self::Annotation { annotation, value: shortened(value), problem: problem.into() }
    }
}

fn unknown(key: Key, known: &[String], configs: &[String]) -> String {
    let known = match known {
        [] => "there is none".to_owned(),
        known => format!("there are {}", known.join(", ")),
    };
    if key == Key::Fabric {
        return format!("there is no Fabric of this name ({known})");
    }
    let own = ["the pod's own"].into_iter().chain(configs.iter().map(String::as_str));
    let namespaces = own.collect::<Vec<_>>().join(", ");
    format!(
        "no SpiderMultusConfig has this annotation ({known}) in the namespaces whose configs count here ({namespaces}): annotate those whose networks the pod is to have"
    )
}

/// The beginning of a text that may be of any length.
pub(crate) fn shortened(text: &str) -> String {
    const LONGEST: usize = 80;
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}
