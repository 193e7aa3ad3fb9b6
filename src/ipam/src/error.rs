use std::net::IpAddr;

use crate::{Lease, Spent};

/// Why a pool document, or a range of a network config, cannot be used. One pointer, as every field of one is read with a
/// `?` that copies it.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error(transparent)]
pub struct PoolError(Box<Complaint>);

#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{pool}: {field}{}: {problem}", if value.is_empty() { String::new() } else { format!(" {value:?}") })]
struct Complaint {
    pool: String,
    /// Its path in the document, `spec.ips[0]`.
    field: String,
    /// As it was written; empty when it is missing.
    value: String,
    /// What is wrong, and what is allowed.
    problem: String,
}

/// Why no address was given.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the message says what the fields are")]
pub enum Error {
    /// The documents or the config say something that has no meaning.
    #[error(transparent)]
    Pool(#[from] PoolError),
    /// The config names a pool that does not exist.
    #[error("pool {name:?} is not defined{}", known_names(.known, .places, .unreadable))]
    UnknownPool { name: String, known: Vec<String>, places: Vec<String>, unreadable: Vec<String> },
    /// The config names no pool, and no pool is a default one.
    #[error("the config names no pool, and {}", no_default(.known, .places, .unreadable))]
    NoDefault { known: Vec<String>, places: Vec<String>, unreadable: Vec<String> },
    /// A name in the list of the other family.
    #[error("pool {name:?} is {is}, but listed for {wanted}")]
    WrongFamily { name: String, is: &'static str, wanted: &'static str },
    /// `matchMasterSubnet` cannot be answered.
    #[error("matchMasterSubnet: {0}")]
    Master(String),
    /// No pool of the names, or no default pool, may be used here.
    #[error("no {family} pool is left for {wanted}: {}", joined(.reasons))]
    NoPool { family: &'static str, wanted: String, reasons: Vec<String> },
    /// Every address of these pools is taken.
    #[error("no address is left in {}; `railctl gc --dry-run` shows what pods that are gone still hold", .pools.join(", "))]
    Exhausted { pools: Vec<String> },
    /// Every address is taken that the cluster has granted to this node.
    #[error("no address is left in {}", listed(.pools))]
    Spent { pools: Vec<Spent> },
    /// The cluster was asked for more, and has granted none that could be used.
    #[error("no address is left in {}, and no more were granted: {word}", listed(.pools))]
    NotGranted { pools: Vec<Spent>, word: String },
    /// Only the cluster knows whether the pod has an address on another node.
    #[error("{owner} may have an address of pool {pool:?} on another node")]
    Unpinned { pool: String, owner: String },
    /// The cluster was asked, and the pod's address is not here.
    #[error("{owner} is given no other address of sticky pool {pool:?} than the one that it had: {word}")]
    NotPinned { pool: String, owner: String, word: String },
    /// They never have any.
    #[error("no address can be given from {}", .pools.join("; "))]
    Empty { pools: Vec<String> },
    /// The requested address is of no pool that may be used.
    #[error("requested address {ip} is in none of {}", .pools.join(", "))]
    Outside { ip: IpAddr, pools: Vec<String> },
    /// The requested address is in the pool's subnet, but not to be handed out.
    #[error("requested address {ip} is {why} of pool {pool:?}")]
    NotOffered { ip: IpAddr, why: &'static str, pool: String },
    /// The requested address is one that a pod of another namespace is to have again.
    #[error("requested address {ip} of pool {pool:?} is kept for a pod of another namespace")]
    Kept { ip: IpAddr, pool: String },
    /// The requested address is in use.
    #[error("requested address {ip} is taken{}", held_by(.holder.as_deref()))]
    Taken { ip: IpAddr, holder: Option<Box<Lease>> },
    /// The requested address is the node's own, or the pod has it on another interface.
    #[error("requested address {ip} is the address of {holder}")]
    Present { ip: IpAddr, holder: String },
    /// More addresses of a pool were requested than the interface gets.
    #[error("requested address {ip} is one too many: {got} has been taken from the same pools")]
    TooMany { ip: IpAddr, got: IpAddr },
    /// The store on disk failed, is busy or damaged.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What can happen to the lease store.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the message says what the fields are")]
pub enum StoreError {
    /// A lock, a file or a directory.
    #[error(transparent)]
    State(#[from] state::Error),
    /// A checksum is wrong where no crash can have made it so.
    #[error(
        "the lease store {path} is damaged ({what}): no address is given, since a pod may have it; drain this node, then \
         restart it or remove the directory of that file"
    )]
    Damaged { path: String, what: String },
    /// The disk failed, and so did the way back.
    #[error("{error}; and the lease could not be ended, which DEL does: {undo}")]
    NotUndone { error: Box<StoreError>, undo: String },
    /// What the agent wrote is not what is there.
    #[error(
        "the grants of this node in {path} are damaged ({what}): restart raild agent, which writes them again"
    )]
    Granted { path: String, what: String },
    /// Somebody has copied it, or renamed the node.
    #[error(
        "the grants in {path} are of node {node:?}, and this is {own:?}: remove the file, and start raild agent with the \
         NODE_NAME of this node"
    )]
    ForeignGrants { path: String, node: String, own: String },
    /// A node keeps its grants over a reboot only if the cluster still knows of them.
    #[error(
        "the grants in {path} have not been confirmed since this boot: look whether raild agent runs here and reaches the \
         API server"
    )]
    UnconfirmedGrants { path: String },
}

impl StoreError {
    /// Whether leases are lost, so that nobody knows which addresses are free.
    pub fn is_damage(&self) -> bool {
        matches!(self, Self::Damaged { .. })
    }
}

impl PoolError {
    /// `pool "rail1"`, or where the document stands when it has no name.
    pub fn pool(&self) -> &str {
        &self.0.pool
    }

    pub(crate) fn new(pool: &str, field: impl Into<String>, value: &str, problem: impl Into<String>) -> Self {
        Self(Box::new(Complaint {
            pool: pool.to_owned(),
            field: field.into(),
            value: value.to_owned(),
            problem: problem.into(),
        }))
    }
}

fn no_default(names: &[String], places: &[String], unreadable: &[String]) -> String {
    let known = match (names, places) {
        ([], []) => "none is defined".to_owned(),
        ([], places) => format!("none is defined: {}", places.join(", and ")),
        (names, _) => format!(
            "none that is defined has default: true; name one in ipam.ippools (known are {})",
            names.join(", ")
        ),
    };
    unreadable.iter().fold(known, |text, source| format!("{text}; {source}"))
}

fn known_names(names: &[String], places: &[String], unreadable: &[String]) -> String {
    let known = match (names, places) {
        ([], []) => ", nor is any other".to_owned(),
        ([], places) => format!(", nor is any other: {}", places.join(", and ")),
        (names, _) => format!("; known are {}", names.join(", ")),
    };
    unreadable.iter().fold(known, |text, source| format!("{text}; {source}"))
}

fn joined(reasons: &[String]) -> String {
    match reasons {
        [] => "none of this family is called so".to_owned(),
        reasons => reasons.join("; "),
    }
}

fn listed(pools: &[Spent]) -> String {
    pools.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn held_by(lease: Option<&Lease>) -> String {
    lease.map_or_else(String::new, |lease| {
        let key = &lease.key;
        format!(
            " by {} of container {} in network {:?}; `railctl who {}` names its pod",
            key.ifname, key.container_id, key.network, lease.ip
        )
    })
}
