//! What a GC call says is still in use.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use crate::{Config, Error};

/// One interface of one container.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Attachment {
    /// As in `CNI_CONTAINERID`.
    #[serde(rename = "containerID")]
    pub container_id: String,
    /// As in `CNI_IFNAME`.
    pub ifname: String,
}

/// The list `cni.dev/valid-attachments`; it may name attachments of other networks.
#[derive(Clone, Debug, Default)]
pub struct ValidAttachments(HashSet<Attachment>);

impl ValidAttachments {
    /// Null and `[]` mean that nothing is valid. A list that is absent or damaged is an error (code 7), because a
    /// caller that forgot it must not lose every attachment. The old key `cni.dev/attachments` is read, too.
    pub fn from_config(_config: &Config) -> Result<Self, Error> {
        Err(Error::internal("unimplemented"))
    }

    /// Whether this attachment is in use.
    pub fn contains(&self, container_id: &str, ifname: &str) -> bool {
        self.0.contains(&Attachment { container_id: container_id.to_owned(), ifname: ifname.to_owned() })
    }

    /// Whether any attachment of this container is in use, for peers' records that hold no ifname.
    pub fn contains_container(&self, container_id: &str) -> bool {
        self.0.iter().any(|a| a.container_id == container_id)
    }
}

impl FromIterator<Attachment> for ValidAttachments {
    fn from_iter<I: IntoIterator<Item = Attachment>>(attachments: I) -> Self {
        Self(attachments.into_iter().collect())
    }
}
