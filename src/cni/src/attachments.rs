//! What a GC call says is still in use.

use std::collections::HashSet;

use serde::{Deserialize, Deserializer, Serialize, de};

use crate::{Config, Error, lenient};

/// The key of the specification, and the one that libcni sends beside it.
pub(crate) const KEYS: [&str; 2] = ["cni.dev/valid-attachments", "cni.dev/attachments"];

/// One interface of one container.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Attachment {
    /// As in `CNI_CONTAINERID`.
    #[serde(rename = "containerID", deserialize_with = "named")]
    pub container_id: String,
    /// As in `CNI_IFNAME`.
    #[serde(deserialize_with = "named")]
    pub ifname: String,
}

/// The list `cni.dev/valid-attachments`; it may name attachments of other networks.
#[derive(Clone, Debug, Default)]
pub struct ValidAttachments(HashSet<Attachment>);

impl ValidAttachments {
    /// Null and `[]` mean that nothing is valid. `None` is a list that is absent, as libcni's `GCNetworkList` without
    /// arguments leaves it: a caller that says nothing must not lose every attachment. A damaged one is an error
    /// (code 7). The old key `cni.dev/attachments` is read, too.
    pub fn from_config(config: &Config) -> Result<Option<Self>, Error> {
        let found = KEYS.iter().find_map(|key| Some((key, lenient::entry(config.raw(), key)?)));
        let Some((key, list)) = found else { return Ok(None) };
        let list: Option<Vec<Attachment>> = lenient::from_value(list).map_err(|e| e.below(key))?;
        Ok(Some(list.unwrap_or_default().into_iter().collect()))
    }

    /// As [`ValidAttachments::from_config`], with a warning when there is no list and so nothing to do.
    pub fn or_warn(config: &Config) -> Result<Option<Self>, Error> {
        let valid = Self::from_config(config)?;
        if valid.is_none() {
            let network = &config.name;
            tracing::warn!(
                "GC of network {network:?} came without the list \"{}\": nothing was released; null or [] says that nothing \
                 is valid",
                KEYS[0]
            );
        }
        Ok(valid)
    }

    /// Whether this attachment is in use.
    pub fn contains(&self, container_id: &str, ifname: &str) -> bool {
        self.0.contains(&Attachment { container_id: container_id.to_owned(), ifname: ifname.to_owned() })
    }

    /// Whether any attachment of this container is in use, for host-local's records that hold no ifname.
    pub fn contains_container(&self, container_id: &str) -> bool {
        self.0.iter().any(|a| a.container_id == container_id)
    }
}

impl FromIterator<Attachment> for ValidAttachments {
    fn from_iter<I: IntoIterator<Item = Attachment>>(attachments: I) -> Self {
        Self(attachments.into_iter().collect())
    }
}

/// An entry without a name would protect nothing, and its owner would lose the attachment.
fn named<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let name = String::deserialize(deserializer)?;
    if name.is_empty() { Err(de::Error::custom("expected a name")) } else { Ok(name) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Command, code};

    fn config(list: &str) -> Config {
        let stdin = format!(r#"{{"cniVersion":"1.1.0","name":"rail1"{list}}}"#);
        Config::parse(stdin.into_bytes(), Command::Gc).unwrap()
    }

    fn gc(list: &str) -> Result<ValidAttachments, Error> {
        ValidAttachments::from_config(&config(list)).map(|list| list.expect("a list"))
    }

    #[test]
    fn an_absent_list_is_not_an_empty_one() {
        assert!(ValidAttachments::from_config(&config("")).unwrap().is_none());
    }

    #[test]
    fn null_and_empty_lists_protect_nothing() {
        for list in ["null", "[]"] {
            let valid = gc(&format!(r#","cni.dev/valid-attachments":{list}"#)).unwrap();
            assert!(!valid.contains("pod", "net1"));
        }
    }

    #[test]
    fn listed_attachments_are_protected() {
        let valid = gc(r#","cni.dev/valid-attachments":[{"containerID":"pod","ifname":"net1"}]"#).unwrap();
        assert!(valid.contains("pod", "net1") && valid.contains_container("pod"));
        assert!(!valid.contains("pod", "net2") && !valid.contains("other", "net1"));
        assert!(!valid.contains_container("other"));
    }

    #[test]
    fn old_key_counts_only_without_the_new_one() {
        let old = r#","cni.dev/attachments":[{"containerID":"pod","ifname":"net1"}]"#;
        assert!(gc(old).unwrap().contains("pod", "net1"));
        assert!(!gc(&format!(r#"{old},"cni.dev/valid-attachments":null"#)).unwrap().contains("pod", "net1"));
    }

    #[test]
    fn damaged_lists_are_refused() {
        for entry in [r#"{"containerID":"pod"}"#, r#"{"containerID":"","ifname":"net1"}"#, r#""pod""#, "null"]
        {
            let error = gc(&format!(r#","cni.dev/valid-attachments":[{entry}]"#)).unwrap_err();
            assert_eq!(error.code, code::INVALID_CONFIG, "{entry}: {error}");
            assert!(error.msg.contains("cni.dev/valid-attachments[0]"), "{entry}: {error}");
        }
    }
}
