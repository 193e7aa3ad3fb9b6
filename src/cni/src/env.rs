//! The `CNI_*` environment of one call.

use std::path::PathBuf;

use crate::CniArgs;

/// The verb in `CNI_COMMAND`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "a variant is the verb that it names")]
pub enum Command {
    Add,
    Check,
    Del,
    Gc,
    Status,
    Version,
}

/// The validated environment. Fields that a verb does not need are empty when they are not given.
#[derive(Clone, Debug)]
pub struct Env {
    /// `CNI_COMMAND`
    pub command: Command,
    /// `CNI_CONTAINERID`
    pub container_id: String,
    /// `CNI_NETNS`; `None` when empty, as at a DEL after the namespace went. Not opened yet.
    pub netns: Option<PathBuf>,
    /// `CNI_IFNAME`
    pub ifname: String,
    /// `CNI_ARGS`, not checked yet: see [`CniArgs::allow`].
    pub args: CniArgs,
    /// `CNI_PATH`, the directories to search for delegates.
    pub path: Vec<PathBuf>,
}

/// `[A-Za-z0-9][A-Za-z0-9_.-]*`, the form of container IDs and network names.
pub(crate) fn is_identifier(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.-".contains(&b))
}
