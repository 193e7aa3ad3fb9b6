use attach::Coded;
use cni::code;

/// Why the pod's way to its node cannot be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "each variant is described by its message")]
pub enum Failure {
    #[error(
        "the node has a link {ifname} already, which is to be its end of the pod's veth pair: another container's id \
         begins alike, or something else left it; remove it if no pod uses it"
    )]
    HostVethTaken { ifname: String },
    #[error(
        "the pod has a table inet {table} of nftables already, which is to mark what comes in from the node: remove it"
    )]
    MarksTaken { table: &'static str },
    #[error(
        "mode underlay marks what comes in from the node, for which the kernel needs nf_tables with ct (CONFIG_NF_TABLES_INET, \
         CONFIG_NFT_CT; modules nf_tables, nft_ct): {source}"
    )]
    Marks { source: netlink::Error },
}

impl Coded for Failure {
    fn code(&self) -> u32 {
        code::INTERNAL
    }
}
