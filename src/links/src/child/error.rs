use attach::Coded;
use cni::code;

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
}

impl Coded for Error {
    fn code(&self) -> u32 {
        code::INVALID_CONFIG
    }
}
