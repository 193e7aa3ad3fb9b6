use std::path::PathBuf;

/// Why the NICs are not as the file says.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "each variant's message says what its fields are")]
pub enum Error {
    /// The file says nothing that can be.
    #[error("{field}{}: {problem}", value.as_deref().map(|value| format!(" {value:?}")).unwrap_or_default())]
    Setting { field: String, value: Option<String>, problem: String },
    /// Something on the node prevents it; nothing was changed by the call.
    #[error("{0}")]
    Judged(Problems),
    /// One change was refused. Those before it are made and on record.
    #[error(
        "{done} of {of} changes are made; the next, {change}, failed: {reason}; mend that and apply again, or undo"
    )]
    Change { change: String, done: usize, of: usize, reason: Box<Error> },
    /// An undo goes on after what it could not restore.
    #[error("{done} of {of} changes are undone; these are not, and stay on record for another undo:\n{}", failed.join("\n"))]
    Undo { done: usize, of: usize, failed: Vec<String> },
    /// What a change calls forth never ended.
    #[error(
        "after {rounds} rounds there is still something to change: {next}; who else sets it? Nothing more was tried"
    )]
    Restless { rounds: u32, next: String },
    /// VFs cannot go while somebody has them.
    #[error(
        "{link}: {count} VFs cannot become {wanted}: {vf} is in use ({why}); drain the node, then try again"
    )]
    VfsInUse { link: String, count: u64, wanted: u64, vf: String, why: String },
    /// Containers prevent it.
    #[error(
        "the RDMA netns mode cannot change while there is any network namespace but the first: end the pods of this node and apply again, or reboot, for which the mode is written down already"
    )]
    RdmaBusy,
    /// Before Linux 6.2, a link has to be down for that.
    #[error(
        "{link} is up, and this kernel renames links that are down: `ip link set {link} down` and apply again, or reboot, for which the name {name} is written down already"
    )]
    NameOfLinkThatIsUp { link: String, name: String },
    /// It was there a moment ago.
    #[error("{link}: no such link, or no PCI function below it; `ip link` lists what is there")]
    NoLink { link: String },
    /// Somebody wrote there what we did not.
    #[error("the record {} cannot be used: {problem}; nothing was changed. Move it aside to go on without an undo of what it tells", path.display())]
    Record { path: PathBuf, problem: String },
    /// A file of the node.
    #[error("cannot {op} {}: {reason}", path.display())]
    File { op: &'static str, path: PathBuf, reason: std::io::Error },
    #[error(transparent)]
    Netlink(#[from] netlink::Error),
    #[error(transparent)]
    Sysfs(#[from] sysfs::Error),
    #[error(transparent)]
    State(#[from] state::Error),
}

/// All obstacles, so that one run tells all of them.
#[derive(Debug)]
pub struct Problems(pub Vec<String>);

impl std::fmt::Display for Problems {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0.join("\n"))
    }
}

impl Error {
    pub(crate) fn setting(field: impl Into<String>, value: Option<&str>, problem: impl Into<String>) -> Self {
        Self::Setting { field: field.into(), value: value.map(str::to_owned), problem: problem.into() }
    }
}
