use std::path::PathBuf;

use cni::code;
use state::Key;

/// What can go wrong while attaching or detaching; mapped once, here, to the codes of CNI.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "each variant is described by its message")]
pub enum Error {
    #[error(transparent)]
    Netlink(#[from] netlink::Error),
    #[error(transparent)]
    Netns(#[from] netns::Error),
    #[error(transparent)]
    State(#[from] state::Error),
    #[error(transparent)]
    Sysfs(#[from] sysfs::Error),
    #[error(transparent)]
    Vf(#[from] crate::vf::Error),
    #[error(transparent)]
    Rdma(#[from] crate::rdma::Error),
    #[error(transparent)]
    Ib(#[from] crate::ib::Error),
    #[error(transparent)]
    Master(#[from] crate::master::Error),
    #[error("{doing}: {source}")]
    Sysctl { doing: String, source: std::io::Error },
    #[error("{key} is attached to {} already: run DEL before another ADD", netns.display())]
    Attached { key: Key, netns: PathBuf },
    #[error("what an earlier ADD of {key} left behind cannot be undone: {source}")]
    Leftover { key: Key, source: Box<Error> },
    #[error("the pod has an interface {ifname} already: choose another name, or detach what made it")]
    IfnameTaken { ifname: String },
    #[error(
        "interface {ifname} was made in the pod and is not there any more: something else deletes or renames it"
    )]
    Vanished { ifname: String },
    #[error(
        "address {address} on {ifname} is in use by another host: IPv6 duplicate address detection failed"
    )]
    Duplicate { address: String, ifname: String },
    #[error(
        "address {address} on {ifname} was still tentative after {waited_ms} ms of duplicate address detection"
    )]
    Tentative { address: String, ifname: String, waited_ms: u128 },
    #[error(
        "the kernel makes no {kind} on {parent}, which is in use by another kind of link, such as {other}: one master \
         has children of one kind, so use plugin {other} for this network too, or another master ({source})"
    )]
    ParentBusy { parent: String, kind: &'static str, other: &'static str, source: Box<netlink::Error> },
    #[error("the pod's namespace has no id for the host's, although it has just been given one")]
    HostUnknown,
    #[error("{first}; {rest}")]
    Several { first: Box<Error>, rest: String },
}

impl Error {
    /// All failures of an undo as one.
    pub fn join(errors: impl IntoIterator<Item = Self>) -> Option<Self> {
        let mut errors = errors.into_iter();
        let first = errors.next()?;
        let rest: Vec<_> = errors.map(|error| error.to_string()).collect();
        if rest.is_empty() {
            return Some(first);
        }
        Some(Self::Several { first: Box::new(first), rest: rest.join("; ") })
    }

    fn code(&self) -> u32 {
        match self {
            Self::Netns(_) => code::INVALID_NETNS,
            Self::State(state::Error::Timeout { .. }) => code::TRY_AGAIN,
            Self::State(_) => code::IO,
            Self::IfnameTaken { .. } | Self::ParentBusy { .. } => code::INVALID_CONFIG,
            Self::Vf(error) => error.code(),
            Self::Rdma(error) => error.code(),
            Self::Ib(error) => error.code(),
            Self::Master(error) => error.code(),
            Self::Leftover { source, .. } => source.code(),
            Self::Several { first, .. } => first.code(),
            Self::Netlink(_)
            | Self::Sysfs(_)
            | Self::Sysctl { .. }
            | Self::Attached { .. }
            | Self::Vanished { .. }
            | Self::HostUnknown
            | Self::Duplicate { .. }
            | Self::Tentative { .. } => code::INTERNAL,
        }
    }
}

impl From<Error> for cni::Error {
    fn from(error: Error) -> Self {
        Self::new(error.code(), error.to_string())
    }
}
