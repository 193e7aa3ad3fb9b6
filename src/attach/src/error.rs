use std::path::PathBuf;

use cni::code;
use state::AttachmentKey;

/// What went wrong while attaching or detaching.
///
/// One pointer, because it goes through hundreds of `?`, each of which copies what it may have to return.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct Error(Box<Failure>);

/// What can go wrong in the life of any attachment. What is special to links, addresses or routing has an error of its own
/// there.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "each variant is described by its message")]
pub enum Failure {
    #[error(transparent)]
    Netlink(#[from] netlink::Error),
    #[error(transparent)]
    Netns(#[from] netns::Error),
    #[error(transparent)]
    State(#[from] state::Error),
    #[error(transparent)]
    Sysfs(#[from] sysfs::Error),
    #[error("{0}")]
    Room(Box<dyn Coded>),
    #[error("{doing}: {source}; the plugin needs a /proc/sys that it can write")]
    Sysctl { doing: String, source: std::io::Error },
    #[error("{key} is attached to {} already: run DEL before another ADD", netns.display())]
    Attached { key: AttachmentKey, netns: PathBuf },
    #[error(
        "{key} is attached to {}, a living pod, and not to {}: run DEL with CNI_NETNS={} before another ADD", there.display(),
        here.display(), there.display()
    )]
    AttachedElsewhere { key: AttachmentKey, there: PathBuf, here: PathBuf },
    #[error(
        "the record of {key} is of another version of the plugin ({damage}) and is kept: run DEL before another ADD; GC leaves it to \
         the version that wrote it"
    )]
    OtherVersion { key: AttachmentKey, damage: state::record::Damage },
    #[error(
        "what an earlier ADD of {key} left behind cannot be undone: {source}; repeat ADD, or run DEL (`railctl show` tells what it is)"
    )]
    Leftover { key: AttachmentKey, source: Error },
    #[error(
        "the record of {key} is damaged ({damage}) and is kept, and its addresses stay taken: the pod may still run; a DEL, or the next \
         ADD, takes its place"
    )]
    Damaged { key: AttachmentKey, damage: state::record::Damage },
    #[error("the pod has an interface {ifname} already: choose another name, or detach what made it")]
    IfnameTaken { ifname: String },
    #[error(
        "interface {ifname} was made in the pod and is not there any more: something else deletes or renames it"
    )]
    Vanished { ifname: String },
    #[error("{first}; {rest}")]
    Several { first: Error, rest: String },
}

/// An error that knows its CNI code.
pub trait Coded: std::error::Error + Send + Sync + 'static {
    /// The code.
    fn code(&self) -> u32;
}

impl<E: Coded> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Room(Box::new(error))
    }
}

impl<E> From<E> for Error
where
    Failure: From<E>,
{
    fn from(error: E) -> Self {
        Self(Box::new(error.into()))
    }
}

impl Error {
    /// Which one it is, for those who can go on.
    pub fn failure(&self) -> &Failure {
        &self.0
    }

    /// All failures of an undo as one.
    pub fn join(errors: impl IntoIterator<Item = Self>) -> Option<Self> {
        let mut errors = errors.into_iter();
        Some(errors.next()?.and(errors))
    }

    /// What became of several steps of an undo, each of which was tried whatever became of those before.
    pub fn all(outcomes: impl IntoIterator<Item = Result<(), Self>>) -> Result<(), Self> {
        Self::join(outcomes.into_iter().filter_map(Result::err)).map_or(Ok(()), Err)
    }

    /// As [`join`](Self::join), where there is one for sure.
    #[must_use]
    pub fn and(self, others: impl IntoIterator<Item = Self>) -> Self {
        let rest: Vec<_> = others.into_iter().map(|error| error.to_string()).collect();
        if rest.is_empty() {
            return self;
        }
        Failure::Several { first: self, rest: rest.join("; ") }.into()
    }

    /// The code that CNI has for it.
    pub fn code(&self) -> u32 {
        match self.failure() {
            Failure::Netns(_) => code::INVALID_NETNS,
            Failure::State(state::Error::Timeout { .. }) => code::TRY_AGAIN,
            Failure::State(_) | Failure::Damaged { .. } | Failure::OtherVersion { .. } => code::IO,
            Failure::IfnameTaken { .. } => code::INVALID_CONFIG,
            Failure::Room(error) => error.code(),
            Failure::Leftover { source, .. } => source.code(),
            Failure::Several { first, .. } => first.code(),
            Failure::Netlink(_)
            | Failure::Sysfs(_)
            | Failure::Sysctl { .. }
            | Failure::Attached { .. }
            | Failure::AttachedElsewhere { .. }
            | Failure::Vanished { .. } => code::INTERNAL,
        }
    }
}

impl From<Error> for cni::Error {
    fn from(error: Error) -> Self {
        Self::new(error.code(), error.to_string())
    }
}
