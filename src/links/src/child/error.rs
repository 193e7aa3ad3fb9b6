use attach::Coded;
use cni::code;
use netns::Id;
use state::AttachmentKey;

/// What is special to child links.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "each variant is described by its message")]
pub enum Error {
    #[error(
        "the kernel makes no {kind} on {parent}, which is in use by another kind of link, such as {other}: one master \
         has children of one kind, so use plugin {other} for this network too, or another master ({source})"
    )]
    ParentBusy { parent: String, kind: &'static str, other: &'static str, source: netlink::Error },
    #[error(
        "{key} was attached by plugin {plugin}, and the network is of another type by now: its addresses stay taken; run DEL with \"type\": \"{plugin}\""
    )]
    OtherType { key: AttachmentKey, plugin: &'static str },
    #[error(
        "{ifname} is not in the pod any more, and namespace {netns}, which may have it, does not let its links be listed: the addresses stay taken; DEL has to be repeated"
    )]
    Unlisted { ifname: String, netns: Id },
    #[error(
        "{ifname} is not in the pod any more, and {process} has more threads, mounts or open files than can be gone through, which may keep a namespace with it: the addresses stay taken; end that process, and repeat DEL"
    )]
    Crowded { ifname: String, process: String },
}

impl Coded for Error {
    fn code(&self) -> u32 {
        match self {
            Self::Unlisted { .. } | Self::Crowded { .. } => code::TRY_AGAIN,
            _ => code::INVALID_CONFIG,
        }
    }
}
