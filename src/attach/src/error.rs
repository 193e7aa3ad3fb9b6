use std::net::IpAddr;
use std::path::PathBuf;

use cni::code;
use state::Key;

/// Detection: an address is somebody else's.
const CONFLICT: u32 = 102;
/// Detection: a gateway does not answer.
const SILENT_GATEWAY: u32 = 103;

/// What went wrong while attaching or detaching.
///
/// One pointer, because it goes through hundreds of `?`, each of which copies what it may have to return.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct Error(Box<Failure>);

/// What can go wrong; mapped once, here, to the codes of CNI.
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
    #[error(
        "the record of {key} is of another version of the plugin ({damage}) and is kept: run DEL before another ADD; GC leaves it to \
         the version that wrote it"
    )]
    OtherVersion { key: Key, damage: state::record::Damage },
    #[error("what an earlier ADD of {key} left behind cannot be undone: {source}")]
    Leftover { key: Key, source: Error },
    #[error(
        "the record of {key} was damaged ({damage}) and has been dropped: if that pod still runs, its {} stays until the pod's \
         namespace ends, or until DEL with CNI_NETNS", key.ifname
    )]
    Dropped { key: Key, damage: state::record::Damage },
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
        "address {address} for {ifname} is in use by {holder}: take it out of the pool (excludeIPs), or find who has it"
    )]
    Conflict { address: IpAddr, ifname: String, holder: String },
    #[error(
        "{attempts} addresses for {ifnames}, one after another, are in use by other hosts: the pool overlaps with what \
         others give out"
    )]
    TooManyConflicts { ifnames: String, attempts: usize },
    #[error(
        "gateway {gateway} does not answer on {ifname}: {requests} {protocol} requests in {waited_ms} ms; check the \
         pool's gateway, the VLAN and the cabling, or leave out detection.gateway"
    )]
    SilentGateway { gateway: IpAddr, ifname: String, requests: u32, protocol: &'static str, waited_ms: u128 },
    #[error(
        "interface {ifname} had no carrier after {waited_ms} ms, so that nothing could be detected on it"
    )]
    NoCarrier { ifname: String, waited_ms: u128 },
    #[error(
        "interface {ifname} has no ARP and no neighbour discovery: leave out `detection` for this network"
    )]
    NoArp { ifname: String },
    #[error("cannot {doing} on {ifname}: {source}")]
    Packet { doing: &'static str, ifname: String, source: std::io::Error },
    #[error(
        "the kernel makes no {kind} on {parent}, which is in use by another kind of link, such as {other}: one master \
         has children of one kind, so use plugin {other} for this network too, or another master ({source})"
    )]
    ParentBusy { parent: String, kind: &'static str, other: &'static str, source: netlink::Error },
    #[error(
        "the node has a link {ifname} already, which is to be its end of the pod's veth pair: another container's id \
         begins alike, or something else left it; remove it if no pod uses it"
    )]
    UplinkTaken { ifname: String },
    #[error(
        "the pod has a table inet {table} of nftables already, which is to mark what comes in from the node: remove it"
    )]
    MarksTaken { table: &'static str },
    #[error(
        "mode underlay marks what comes in from the node, for which the kernel needs nf_tables with ct (CONFIG_NF_TABLES_INET, \
         CONFIG_NFT_CT; modules nf_tables, nft_ct): {source}"
    )]
    Marks { source: netlink::Error },
    #[error("{first}; {rest}")]
    Several { first: Error, rest: String },
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

    /// The same, where there is one for sure.
    pub(crate) fn and(self, others: impl IntoIterator<Item = Self>) -> Self {
        let rest: Vec<_> = others.into_iter().map(|error| error.to_string()).collect();
        if rest.is_empty() {
            return self;
        }
        Failure::Several { first: self, rest: rest.join("; ") }.into()
    }

    pub(crate) fn code(&self) -> u32 {
        match self.failure() {
            Failure::Netns(_) => code::INVALID_NETNS,
            Failure::State(state::Error::Timeout { .. }) => code::TRY_AGAIN,
            Failure::State(_) | Failure::Dropped { .. } | Failure::OtherVersion { .. } => code::IO,
            Failure::IfnameTaken { .. } | Failure::ParentBusy { .. } | Failure::NoArp { .. } => {
                code::INVALID_CONFIG
            }
            Failure::Conflict { .. } | Failure::TooManyConflicts { .. } => CONFLICT,
            Failure::SilentGateway { .. } => SILENT_GATEWAY,
            Failure::Vf(error) => error.code(),
            Failure::Rdma(error) => error.code(),
            Failure::Ib(error) => error.code(),
            Failure::Master(error) => error.code(),
            Failure::Leftover { source, .. } => source.code(),
            Failure::Several { first, .. } => first.code(),
            Failure::Netlink(_)
            | Failure::Sysfs(_)
            | Failure::Sysctl { .. }
            | Failure::Attached { .. }
            | Failure::Vanished { .. }
            | Failure::UplinkTaken { .. }
            | Failure::MarksTaken { .. }
            | Failure::Marks { .. }
            | Failure::Duplicate { .. }
            | Failure::NoCarrier { .. }
            | Failure::Packet { .. }
            | Failure::Tentative { .. } => code::INTERNAL,
        }
    }
}

impl From<Error> for cni::Error {
    fn from(error: Error) -> Self {
        Self::new(error.code(), error.to_string())
    }
}
